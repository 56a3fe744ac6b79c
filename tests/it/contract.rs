//! The published schema, held against what really comes. More strictly than a client may: there is nothing
//! in a message that the schema does not know.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use boon::{Compiler, Draft, SchemaIndex, Schemas};
use serde_json::Value;

const PUBLISHED: &str = include_str!("../../api/asyncapi.json");
const NAME: &str = "https://club.invalid/asyncapi.json";

/// Insists that a message from the server is as the schema says.
pub fn witness(message: &str) {
    if let Err(why) = fits(message) {
        panic!("{message} is not as the schema says: {why}");
    }
}

/// Whether a message from the server is as the schema says; if not, why.
pub fn fits(message: &str) -> Result<(), String> {
    let value: Value = serde_json::from_str(message).map_err(|error| error.to_string())?;
    CONTRACT.judge(&value).map(drop)
}

/// Whether a value is as a schema by itself says; if not, why.
pub fn is_as_says(schema: Value, value: &Value) -> Result<(), String> {
    let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
    compiler.set_default_draft(Draft::V2020_12);
    compiler.enable_format_assertions();
    compiler.add_resource("schema.json", schema).unwrap();
    let compiled = compiler.compile("schema.json", &mut schemas).unwrap();
    schemas.validate(value, compiled).map_err(|error| format!("{error:#}"))
}

/// Which of the published messages it is, by its name.
pub fn name_of(message: &Value) -> Option<String> {
    let form = CONTRACT.judge(message).ok()?;
    CONTRACT.names.get(&form).cloned()
}

/// All that the server may say, by name.
pub fn names() -> BTreeSet<String> {
    CONTRACT.names.values().cloned().collect()
}

static CONTRACT: LazyLock<Contract> = LazyLock::new(Contract::of_the_club);

struct Contract {
    schemas: Schemas,
    /// What a message of this type may be.
    of_type: HashMap<String, Vec<SchemaIndex>>,
    names: HashMap<SchemaIndex, String>,
}

impl Contract {
    fn of_the_club() -> Self {
        let mut document: Value = serde_json::from_str(PUBLISHED).unwrap();
        close(&mut document["components"]["schemas"]);
        let from_server = document.pointer("/components/schemas/FromServer/oneOf");
        let from_server = from_server.and_then(Value::as_array).unwrap().clone();
        let mut compiler = Compiler::new();
        compiler.set_default_draft(Draft::V2020_12);
        compiler.add_resource(NAME, document.clone()).unwrap();
        let (mut schemas, mut of_type) = (Schemas::new(), HashMap::new());
        let mut names = HashMap::new();
        for pointer in from_server.iter().map(|it| it["$ref"].as_str().unwrap()) {
            let index = compiler.compile(&format!("{NAME}{pointer}"), &mut schemas);
            let index = index.unwrap_or_else(|error| panic!("{pointer}: {error}"));
            let schema = document.pointer(&pointer[1..]).unwrap();
            let kind = schema["properties"]["type"]["enum"][0].as_str().unwrap();
            of_type.entry(kind.to_owned()).or_insert_with(Vec::new).push(index);
            let (_, name) = pointer.rsplit_once('/').unwrap();
            names.insert(index, name.to_owned());
        }
        Self { schemas, of_type, names }
    }

    fn judge(&self, message: &Value) -> Result<SchemaIndex, String> {
        let kind = message["type"].as_str().ok_or("it has no type")?;
        let forms = self.of_type.get(kind).ok_or("its type is not known")?;
        let mut why = Vec::new();
        for form in forms {
            match self.schemas.validate(message, *form) {
                Ok(()) => return Ok(*form),
                Err(error) => why.push(format!("{error:#}")),
            }
        }
        Err(why.join("; or "))
    }
}

/// Lets objects have no other fields than those that are described.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.values_mut().for_each(close);
            if members.get("properties").is_some_and(Value::is_object)
                && members.get("type").is_some_and(|kind| kind == "object")
            {
                members.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}
