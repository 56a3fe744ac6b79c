//! A field that says the same in every message of a kind, so that programs can tell kinds apart by it.

use serde::{Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// Always this.
pub struct Is<const VALUE: bool>;

impl<const VALUE: bool> Serialize for Is<VALUE> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(VALUE)
    }
}

impl<const VALUE: bool> PartialSchema for Is<VALUE> {
    fn schema() -> RefOr<Schema> {
        let always = ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([VALUE]));
        always.build().into()
    }
}

impl<const VALUE: bool> ToSchema for Is<VALUE> {}
