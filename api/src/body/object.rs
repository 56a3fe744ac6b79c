//! Objects within a body, such as a reward: taken apart as a whole, and told by one sentence if they
//! cannot be used.

use serde_json::{Map, Value};

use super::values::Wrong;

/// An object that is being taken apart.
pub struct Object<'a> {
    fields: &'a Map<String, Value>,
    known: Vec<&'static str>,
}

impl<'a> Object<'a> {
    /// Takes an object apart with `build`, and makes sure that nothing is left over.
    ///
    /// # Errors
    /// If it is no object, or whatever `build` says.
    pub fn parse<T>(
        value: &'a Value,
        build: impl FnOnce(&mut Self) -> Result<T, Wrong>,
    ) -> Result<T, Wrong> {
        let fields =
            value.as_object().ok_or_else(|| Wrong::new("object_type", "expected an object"))?;
        let mut object = Self { fields, known: Vec::new() };
        let built = build(&mut object)?;
        match fields.keys().find(|name| !object.known.contains(&name.as_str())) {
            Some(left) => Err(Wrong::new("extra_forbidden", format!("{left} is not known here"))),
            None => Ok(built),
        }
    }

    /// A field that may be there; `null` stands for not there.
    ///
    /// # Errors
    /// If it cannot be used.
    pub fn optional<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&Value) -> Result<T, Wrong>,
    ) -> Result<Option<T>, Wrong> {
        self.known.push(name);
        let value = self.fields.get(name).filter(|value| !value.is_null());
        let within = |wrong: Wrong| Wrong::new(wrong.kind, format!("{name}: {}", wrong.msg));
        value.map(parse).transpose().map_err(within)
    }

    /// A field that has to be there.
    ///
    /// # Errors
    /// If it is not, or cannot be used.
    pub fn required<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&Value) -> Result<T, Wrong>,
    ) -> Result<T, Wrong> {
        let found = self.optional(name, parse)?;
        found.ok_or_else(|| Wrong::new("missing", format!("{name} is required")))
    }
}

/// A list of up to `most` things.
pub fn list<T>(
    most: usize,
    parse: impl Fn(&Value) -> Result<T, Wrong>,
) -> impl Fn(&Value) -> Result<Vec<T>, Wrong> {
    move |value| {
        let items = value.as_array().ok_or_else(|| Wrong::new("list_type", "expected a list"))?;
        if items.len() > most {
            return Err(Wrong::new("too_long", format!("expected at most {most} of them")));
        }
        let numbered = items.iter().enumerate();
        numbered
            .map(|(number, item)| {
                parse(item)
                    .map_err(|wrong| Wrong::new(wrong.kind, format!("{number}: {}", wrong.msg)))
            })
            .collect()
    }
}
