//! An object's fields, taken out one by one; what is left over or cannot be used is remembered.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::values::Wrong;
use crate::error::{ApiError, FieldError};

/// The fields of a body.
#[derive(Debug)]
pub struct Fields {
    left: Map<String, Value>,
    errors: Vec<FieldError>,
}

impl Fields {
    /// Of an object.
    ///
    /// # Errors
    /// If it is anything else, or has a NUL in one of its texts: every reader of JSON in
    /// PostgreSQL would choke on that.
    pub fn of(body: Value) -> Result<Self, ApiError> {
        let mut errors = Vec::new();
        if has_nul(&body) {
            find_nul(&body, &mut vec!["body".to_owned()], &mut errors);
        }
        match body {
            _ if !errors.is_empty() => Err(ApiError::fields(errors)),
            Value::Object(left) => Ok(Self { left, errors }),
            _ => Err(ApiError::fields(vec![FieldError {
                kind: "object_type",
                loc: vec!["body".to_owned()],
                msg: "expected an object".into(),
            }])),
        }
    }

    /// Whether a field is there and not taken yet.
    pub fn has(&self, name: &str) -> bool {
        self.left.contains_key(name)
    }

    /// A field that has to be there.
    pub fn required<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&Value) -> Result<T, Wrong>,
    ) -> Option<T> {
        if !self.left.contains_key(name) {
            self.wrong(name, Wrong::new("missing", "this field is required"));
        }
        self.optional(name, parse)
    }

    /// A field that may be there.
    pub fn optional<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&Value) -> Result<T, Wrong>,
    ) -> Option<T> {
        let value = self.left.remove(name)?;
        match parse(&value) {
            Ok(parsed) => Some(parsed),
            Err(wrong) => {
                self.wrong(name, wrong);
                None
            }
        }
    }

    /// The same, where `null` stands for not there.
    pub fn nullable<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&Value) -> Result<T, Wrong>,
    ) -> Option<T> {
        if self.left.get(name).is_some_and(Value::is_null) {
            self.left.remove(name);
        }
        self.optional(name, parse)
    }

    /// Whether every field taken so far could be used.
    pub fn are_good(&self) -> bool {
        self.errors.is_empty()
    }

    /// Remembers that a field cannot be used.
    pub fn wrong(&mut self, name: &str, wrong: Wrong) {
        let loc = vec!["body".to_owned(), name.to_owned()];
        self.errors.push(FieldError { kind: wrong.kind, loc, msg: wrong.msg });
    }

    /// The whole, if every field could be used and none is left over. `build` gets `None` only for
    /// fields that have been found wrong.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn finish<T>(mut self, build: impl FnOnce() -> Option<T>) -> Result<T, ApiError> {
        let left = std::mem::take(&mut self.left);
        for name in left.keys() {
            let msg = Cow::Borrowed("this field is not known here");
            self.wrong(name, Wrong { kind: "extra_forbidden", msg });
        }
        match build() {
            Some(built) if self.errors.is_empty() => Ok(built),
            _ => Err(ApiError::fields(self.errors)),
        }
    }
}

/// Hardly ever, so nothing is made on the way.
fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => {
            fields.iter().any(|(name, field)| name.contains('\0') || has_nul(field))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Where they are.
fn find_nul(value: &Value, loc: &mut Vec<String>, errors: &mut Vec<FieldError>) {
    match value {
        Value::String(text) => errors.extend(nul_in(text, loc)),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                loc.push(index.to_string());
                find_nul(item, loc, errors);
                loc.pop();
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                loc.push(name.clone());
                errors.extend(nul_in(name, loc));
                find_nul(field, loc, errors);
                loc.pop();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn nul_in(text: &str, loc: &[String]) -> Option<FieldError> {
    let loc = loc.iter().map(|part| part.replace('\0', "\u{fffd}")).collect();
    let error = FieldError { kind: "string_nul", loc, msg: "a text must not contain NUL".into() };
    text.contains('\0').then_some(error)
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use serde_json::json;

    use super::super::values;
    use super::*;
    use crate::error::Problem;

    fn told(error: ApiError) -> Vec<(String, String)> {
        let response = error.into_response();
        let problem = response.extensions().get::<std::sync::Arc<Problem>>().unwrap();
        let errors = serde_json::to_value(problem.body("r", "/")).unwrap()["errors"].take();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let last = |error: &Value| text(error["loc"].as_array().unwrap().last().unwrap());
        errors.as_array().unwrap().iter().map(|e| (text(&e["type"]), last(e))).collect()
    }

    fn told_of(mut fields: Fields) -> Vec<(String, String)> {
        let product = fields.required("product_id", values::positive);
        let quantity = fields.optional("quantity", values::quantity);
        told(fields.finish(|| Some((product?, quantity))).unwrap_err())
    }

    fn pair(kind: &str, name: &str) -> (String, String) {
        (kind.to_owned(), name.to_owned())
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once_and_the_missing_first() {
        let body = json!({"package_id": "PREMIUM_GEMS_100", "quantity": 100});
        let expected = [
            pair("missing", "product_id"),
            pair("less_than_equal", "quantity"),
            pair("extra_forbidden", "package_id"),
        ];
        assert_eq!(told_of(Fields::of(body).unwrap()), expected);
    }

    #[test]
    fn what_fits_is_built() {
        let mut fields = Fields::of(json!({"product_id": 1001, "quantity": null})).unwrap();
        let product = fields.required("product_id", values::positive);
        let quantity = fields.nullable("quantity", values::quantity);
        assert_eq!(fields.finish(|| Some((product?, quantity))).unwrap(), (1001, None));
    }

    #[test]
    fn nul_is_found_however_deep() {
        let error = Fields::of(json!({"a": [{"b": "x\0"}]})).unwrap_err();
        assert_eq!(told(error), [pair("string_nul", "b")]);
        assert_eq!(told(Fields::of(json!({"a\0": 1})).unwrap_err())[0].0, "string_nul");
    }

    #[test]
    fn a_body_is_an_object() {
        assert_eq!(told(Fields::of(json!([1])).unwrap_err()), [pair("object_type", "body")]);
    }
}
