//! The messages as an AsyncAPI document. Its one channel is the websocket; what we call channels is told
//! within messages.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::super::PROTOCOL;
use super::{Messages, Result, reference};

const ABOUT: &str = "What is said on the websocket, in both directions; each message is a JSON text. \
    Types and fields that a program does not know are passed over: more may follow.";

impl Messages {
    pub(super) fn document(self) -> Result<Value> {
        let Self { types, from_server, from_client } = self;
        let operations = json!({
            "tell": operation("send", &from_server),
            "hear": operation("receive", &from_client),
        });
        let said = json!({
            "FromServer": one_of("All that the server says.", &from_server),
            "FromClient": one_of("All that a client says.", &from_client),
        });
        let whole: BTreeMap<String, Value> = from_client.into_iter().chain(from_server).collect();
        let message = |name: &String| (name.clone(), json!({"payload": reference(name)}));
        let messages: Map<String, Value> = whole.keys().map(message).collect();
        let mut schemas = merged([serde_json::to_value(types)?, said]);
        schemas.extend(whole);
        Ok(json!({
            "asyncapi": "3.0.0",
            "info": {
                "title": "Casino Club: the live feed",
                "version": env!("CARGO_PKG_VERSION"),
                "description": ABOUT,
            },
            "defaultContentType": "application/json",
            "channels": {"sync": socket(&messages)},
            "operations": operations,
            "components": {"messages": messages, "schemas": schemas},
        }))
    }
}

/// Where all of it is said.
fn socket(messages: &Map<String, Value>) -> Value {
    let message = |name| json!({"$ref": format!("#/components/messages/{name}")});
    let messages: Map<String, Value> =
        messages.keys().map(|name| (name.clone(), message(name))).collect();
    let about = "What `POST /api/realtime/ticket` answers; works once.";
    let ticket = json!({"type": "string", "description": about});
    let protocol = json!({"type": "string", "enum": [PROTOCOL]});
    json!({
        "address": "/api/realtime/sync",
        "messages": messages,
        "bindings": {"ws": {
            "method": "GET",
            "query": {"type": "object", "required": ["ticket"], "properties": {"ticket": ticket}},
            "headers": {"type": "object", "properties": {"Sec-WebSocket-Protocol": protocol}},
        }},
    })
}

fn operation(action: &str, messages: &BTreeMap<String, Value>) -> Value {
    let message = |name| json!({"$ref": format!("#/channels/sync/messages/{name}")});
    let messages: Vec<Value> = messages.keys().map(message).collect();
    json!({"action": action, "channel": {"$ref": "#/channels/sync"}, "messages": messages})
}

fn one_of(description: &str, messages: &BTreeMap<String, Value>) -> Value {
    let each: Vec<Value> = messages.keys().map(|name| reference(name)).collect();
    json!({"description": description, "oneOf": each})
}

fn merged(objects: [Value; 2]) -> Map<String, Value> {
    let members = |object| match object {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    objects.into_iter().flat_map(members).collect()
}
