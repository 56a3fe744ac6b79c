//! Whether one shape of an event can take the place of another under the same name.
//!
//! Both ways: a consumer that was written for the old schema reads what is written now, and one written
//! for the new schema reads what is in the topic already. So fields may be added that need not be there,
//! and words may be changed. Everything else is another version of the event.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// What says nothing of the shape.
const WORDS: [&str; 6] = ["$schema", "$id", "title", "description", "examples", "$comment"];
/// Where schemas stand by name, each in a place of its own.
const BY_NAME: [&str; 2] = ["properties", "$defs"];

/// What of a change nobody could read any more, each as a sentence without a full stop; nothing if all
/// can.
#[must_use]
pub fn broken(old: &Value, new: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("the event", old, new, &mut found);
    found
}

/// What to do about it.
#[must_use]
pub fn advice(file: &str, broken: &[String]) -> String {
    format!(
        "{file} cannot become that, since consumers rely on it: {}. take the change back, or make it \
         another version: raise it in `current_version` of the family's events, lift stored payloads in \
         `upcast`, add a line to domain/fixtures, and run `club schemas --write`",
        broken.join("; ")
    )
}

fn compare(at: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => compare_schemas(at, old, new, found),
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            old.iter().zip(new).for_each(|(old, new)| compare(at, old, new, found));
        }
        (old, new) if old == new => {}
        (old, new) => found.push(format!("{at} was {old} and is {new}")),
    }
}

fn compare_schemas(
    at: &str,
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    found: &mut Vec<String>,
) {
    required(at, old, new, found);
    let keywords: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for keyword in keywords {
        let (before, after) = (old.get(keyword), new.get(keyword));
        match (before, after) {
            _ if WORDS.contains(&keyword.as_str()) || keyword == "required" => {}
            (Some(Value::Object(before)), Some(Value::Object(after)))
                if BY_NAME.contains(&keyword.as_str()) =>
            {
                by_name(at, before, after, found);
            }
            (Some(before), Some(after)) => {
                compare(&format!("{at}: {keyword}"), before, after, found);
            }
            (Some(Value::Object(before)), None) if keyword == "properties" => {
                by_name(at, before, &Map::new(), found);
            }
            (None, Some(_)) if BY_NAME.contains(&keyword.as_str()) => {}
            (Some(before), None) => found.push(format!("{at}: {keyword} {before} is gone")),
            (None, Some(after)) => found.push(format!("{at}: {keyword} {after} is new")),
            (None, None) => {}
        }
    }
}

/// Fields may come, if they need not be there.
fn by_name(at: &str, old: &Map<String, Value>, new: &Map<String, Value>, found: &mut Vec<String>) {
    for (name, before) in old {
        let field = format!("{at}.{name}");
        match new.get(name) {
            Some(after) => compare(&field, before, after, found),
            None => found.push(format!("{field} is gone")),
        }
    }
}

fn required(at: &str, old: &Map<String, Value>, new: &Map<String, Value>, found: &mut Vec<String>) {
    let (before, after) = (names(old), names(new));
    for name in after.difference(&before) {
        found.push(format!("{at}.{name} has to be there now, and older events do not have it"));
    }
    for name in before.difference(&after) {
        found.push(format!("{at}.{name} need not be there any more, and its readers rely on it"));
    }
}

fn names(schema: &Map<String, Value>) -> BTreeSet<&str> {
    let required = schema.get("required").and_then(Value::as_array);
    required.into_iter().flatten().filter_map(Value::as_str).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({
            "description": "Gold was given.", "type": "object", "required": ["type", "at", "gold"],
            "properties": {
                "type": {"const": "gold_granted"},
                "at": {"type": "string", "format": "date-time"},
                "gold": {
                    "type": "object", "required": ["paid"],
                    "properties": {"paid": {"type": "integer", "minimum": 0}},
                },
                "reason": {"type": ["string", "null"]},
                "rank": {"oneOf": [{"const": "VIP"}, {"const": "STANDARD"}]},
                "kind": {"type": "string", "enum": ["pack", "item"]},
            },
        })
    }

    fn changed(change: impl FnOnce(&mut Value)) -> Vec<String> {
        let mut new = schema();
        change(&mut new);
        broken(&schema(), &new)
    }

    #[test]
    fn other_words_and_more_fields_are_nothing_to_readers() {
        assert!(changed(|_| {}).is_empty());
        assert!(changed(|new| new["description"] = json!("An admin gave gold.")).is_empty());
        assert!(changed(|new| new["properties"]["at"]["description"] = json!("When.")).is_empty());
        assert!(changed(|new| new["properties"]["note"] = json!({"type": "string"})).is_empty());
        assert!(changed(|new| new["$defs"] = json!({"Money": {"type": "integer"}})).is_empty());
        let order = |new: &mut Value| new["required"] = json!(["gold", "at", "type"]);
        assert!(changed(order).is_empty());
    }

    /// Planted changes, each of which breaks somebody; and what is said of it.
    #[test]
    fn what_breaks_a_reader_is_found_and_named() {
        type Change = fn(&mut Value);
        let planted: [(Change, &str); 13] = [
            (|new| drop(remove(new, "reason")), "the event.reason is gone"),
            (|new| new["required"] = json!(["type", "at"]), "the event.gold need not be there"),
            (
                |new| new["required"] = json!(["type", "at", "gold", "reason"]),
                "the event.reason has to be there now",
            ),
            (
                |new| new["properties"]["reason"]["type"] = json!("string"),
                "the event.reason: type was",
            ),
            (|new| new["properties"]["at"]["type"] = json!("integer"), "the event.at: type was"),
            (|new| new["properties"]["at"]["format"] = json!("date"), "the event.at: format was"),
            (
                |new| new["properties"]["gold"]["properties"]["paid"]["minimum"] = json!(-5),
                "the event.gold.paid: minimum was 0 and is -5",
            ),
            (
                |new| new["properties"]["gold"]["required"] = json!([]),
                "the event.gold.paid need not be there",
            ),
            (
                |new| {
                    new["properties"]["gold"]["properties"] = json!({"free": {"type": "integer"}})
                },
                "the event.gold.paid is gone",
            ),
            (|new| new["properties"]["kind"]["enum"] = json!(["pack"]), "the event.kind: enum was"),
            (
                |new| new["properties"]["kind"]["enum"] = json!(["pack", "item", "bundle"]),
                "the event.kind: enum was",
            ),
            (
                |new| new["properties"]["rank"]["oneOf"] = json!([{"const": "VIP"}]),
                "the event.rank: oneOf was",
            ),
            (|new| new["additionalProperties"] = json!(false), "additionalProperties false is new"),
        ];
        for (change, expected) in planted {
            let found = changed(change);
            assert!(found.iter().any(|it| it.contains(expected)), "{expected}: {found:?}");
        }
    }

    fn remove(schema: &mut Value, field: &str) -> Option<Value> {
        schema["properties"].as_object_mut().unwrap().remove(field)
    }
}
