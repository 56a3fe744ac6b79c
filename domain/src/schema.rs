//! What events look like to others: a JSON Schema for each event and version, made of the types
//! themselves. `club schemas --write` puts them into docs/events.
//!
//! What is published stays readable: see [`compatibility`].

use std::collections::BTreeMap;

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use crate::account::{Account, AccountEvent};
use crate::activity::{Activity, ActivityEvent};
use crate::aggregate::{Aggregate, Event};
use crate::announcement::{AnnouncementEvent, Announcements};
use crate::approval::{Approval, ApprovalEvent};
use crate::audit::{Audit, AuditEvent};
use crate::campaign::{Campaign, CampaignEvent};
use crate::identity::{Identity, IdentityEvent};
use crate::invite::{Invite, InviteEvent};
use crate::job::{Job, JobEvent};
use crate::live_event::{LiveEvent, LiveEventEvent};
use crate::mission::{MissionBoard, MissionEvent};
use crate::package::{Package, PackageEvent};
use crate::product::{Product, ProductEvent};
use crate::promo::{Promo, PromoEvent};
use crate::role::{Role, RoleEvent};

pub mod compatibility;

/// The schema of a type that is stored as a text of this pattern.
macro_rules! stored_as_text {
    ($name:ident, $pattern:expr) => {
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", "pattern": $pattern})
            }
        }
    };
}

pub(crate) use stored_as_text;

/// The name of an event's schema, which never means another shape.
#[must_use]
pub fn id(family: &str, event_type: &str, version: &str) -> String {
    format!("urn:club:event:{family}:{event_type}:{version}")
}

/// Where a schema is kept, below the folder of all of them: one file for each event and version.
#[must_use]
pub fn file(family: &str, event_type: &str, version: &str) -> String {
    format!("{family}/{event_type}.{version}.json")
}

/// Every event that this code writes, as a schema of its payload, by file.
#[must_use]
pub fn all() -> BTreeMap<String, Value> {
    let mut schemas = BTreeMap::new();
    family::<Account, AccountEvent>(&mut schemas);
    family::<Activity, ActivityEvent>(&mut schemas);
    family::<Announcements, AnnouncementEvent>(&mut schemas);
    family::<Approval, ApprovalEvent>(&mut schemas);
    family::<Audit, AuditEvent>(&mut schemas);
    family::<Campaign, CampaignEvent>(&mut schemas);
    family::<Identity, IdentityEvent>(&mut schemas);
    family::<Invite, InviteEvent>(&mut schemas);
    family::<Job, JobEvent>(&mut schemas);
    family::<LiveEvent, LiveEventEvent>(&mut schemas);
    family::<MissionBoard, MissionEvent>(&mut schemas);
    family::<Package, PackageEvent>(&mut schemas);
    family::<Product, ProductEvent>(&mut schemas);
    family::<Promo, PromoEvent>(&mut schemas);
    family::<Role, RoleEvent>(&mut schemas);
    schemas
}

fn family<A: Aggregate<Event = E>, E: Event + JsonSchema>(schemas: &mut BTreeMap<String, Value>) {
    for (event_type, fields) in variants::<E>() {
        let version = E::current_version(&event_type);
        let schema = of_event(&id(A::TYPE, &event_type, version), &event_type, fields);
        schemas.insert(file(A::TYPE, &event_type, version), schema);
    }
}

/// The variants of an enum of structs, as serde would write them: `{"gold_granted": { fields }}`.
fn variants<E: JsonSchema>() -> Vec<(String, Map<String, Value>)> {
    let mut settings = SchemaSettings::draft2020_12().for_serialize();
    settings.inline_subschemas = true;
    let mut root = SchemaGenerator::new(settings).into_root_schema_for::<E>();
    Whole.transform(&mut root);
    let shared = root.get("$defs").cloned();
    let variants = root.get("oneOf").and_then(Value::as_array).cloned().unwrap_or_default();
    variants.into_iter().filter_map(|variant| variant_of(variant, shared.as_ref())).collect()
}

/// One of them: its name, and the schema of its fields with the words that stand beside the name.
fn variant_of(mut variant: Value, shared: Option<&Value>) -> Option<(String, Map<String, Value>)> {
    let description = variant.get("description").cloned();
    let properties = variant.get_mut("properties")?.as_object_mut()?;
    let (name, fields) = std::mem::take(properties).into_iter().next()?;
    let Value::Object(mut fields) = fields else { return None };
    fields.extend(description.map(|text| ("description".to_owned(), text)));
    fields.extend(shared.map(|shared| ("$defs".to_owned(), shared.clone())));
    Some((name, fields))
}

/// As it is stored and published: with its name among the fields (see [`crate::encoding`]). There may be
/// more fields one day, which is nothing to readers of these.
fn of_event(id: &str, event_type: &str, mut fields: Map<String, Value>) -> Value {
    fields.remove("additionalProperties");
    fields.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    fields.insert("$id".to_owned(), json!(id));
    fields.insert("title".to_owned(), json!(event_type));
    let properties = fields.entry("properties").or_insert_with(|| json!({}));
    if let Some(properties) = properties.as_object_mut() {
        properties.insert("type".to_owned(), json!({"const": event_type}));
    }
    let required = fields.entry("required").or_insert_with(|| json!([]));
    if let Some(required) = required.as_array_mut() {
        required.insert(0, json!("type"));
    }
    Value::Object(fields)
}

/// Takes away what says how a number is kept in memory, and not what it may be.
struct Whole;

impl Transform for Whole {
    fn transform(&mut self, schema: &mut Schema) {
        let format = schema.get("format").and_then(Value::as_str).unwrap_or_default();
        if format.starts_with("int") || format.starts_with("uint") {
            schema.remove("format");
        }
        transform_subschemas(self, schema);
    }
}
