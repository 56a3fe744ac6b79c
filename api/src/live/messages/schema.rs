//! The published schema of all that is said here, made of the types that are serialised: AsyncAPI 3.0.
//!
//! A type describes what it says (`ToSchema`). What is added here is what types alone do not know: which
//! type of message is told on which channel, and what a channel's state is.

mod document;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::super::boards::BoardData;
use super::play::{EventData, MissionData, RewardData};
use super::profile::ProfileData;
use super::purchase::PurchaseData;
use super::showcase::CatalogItem;
use super::staff::LogData;
use super::streak::StreakData;
use super::{
    CatalogData, Event, FromClient, Items, LiveEventData, Said, Says, SystemData, WalletData,
};

type Result<T> = serde_json::Result<T>;

/// The document, as JSON.
///
/// # Errors
/// Never in practice.
pub fn document() -> Result<String> {
    let mut messages = Messages::default();
    messages.on_own_channel()?;
    messages.on_topics()?;
    messages.about_the_feed()?;
    serde_json::to_string_pretty(&messages.document()?)
}

/// A channel, as messages name it.
#[derive(Clone, Copy)]
enum Named {
    /// By this name.
    Exactly(&'static str),
    /// By this name, and the number of an event.
    OfEvent(&'static str),
}

impl Named {
    fn schema(self) -> Value {
        match self {
            Self::Exactly(name) => text(name),
            Self::OfEvent(name) => json!({"type": "string", "pattern": format!("^{name}:[0-9]+$")}),
        }
    }
}

/// See the module.
#[derive(Default)]
struct Messages {
    /// What messages are made of, by name.
    types: BTreeMap<String, RefOr<Schema>>,
    /// Whole messages, by name.
    from_server: BTreeMap<String, Value>,
    from_client: BTreeMap<String, Value>,
}

impl Messages {
    fn on_own_channel(&mut self) -> Result<()> {
        let me = Named::Exactly("me");
        let state = self.describe::<WalletData>();
        self.state("Me", me, state)?;
        self.resumed("Me", me)?;
        self.event::<WalletData>(me)?;
        self.event::<PurchaseData>(me)?;
        self.event::<RewardData>(me)?;
        self.event::<MissionData>(me)?;
        self.event::<EventData>(me)?;
        self.event::<StreakData>(me)?;
        self.event::<ProfileData>(me)
    }

    fn on_topics(&mut self) -> Result<()> {
        let (catalog, events) = (Named::Exactly("catalog"), Named::Exactly("events"));
        let (system, board) = (Named::Exactly("system"), Named::OfEvent("leaderboard"));
        let admin = Named::Exactly("admin");
        self.items::<CatalogItem<'static>>("Catalog", catalog)?;
        self.resumed("Catalog", catalog)?;
        self.event::<CatalogData<'static>>(catalog)?;
        self.items::<LiveEventData<'static>>("Events", events)?;
        self.resumed("Events", events)?;
        self.event::<LiveEventData<'static>>(events)?;
        self.items::<LogData<'static>>("Admin", admin)?;
        self.resumed("Admin", admin)?;
        self.event::<LogData<'static>>(admin)?;
        self.items::<BoardData>("Leaderboard", board)?;
        self.event::<BoardData>(board)?;
        self.items::<SystemData>("System", system)?;
        self.event::<SystemData>(system)
    }

    fn about_the_feed(&mut self) -> Result<()> {
        self.from_server.extend(variants::<Said<'static>>()?);
        // How a channel begins depends on the channel, and is there already.
        self.from_server.remove("Subscribed");
        self.from_client = variants::<FromClient>()?;
        Ok(())
    }

    /// A channel begins with this state.
    fn state(&mut self, name: &str, channel: Named, state: Value) -> Result<()> {
        let mut message = subscribed(channel, false)?;
        narrow(&mut message, "state", state);
        if let Some(required) = message["required"].as_array_mut() {
            required.push("state".into());
        }
        self.from_server.insert(format!("{name}State"), message);
        Ok(())
    }

    /// A channel begins with a list of these.
    fn items<D: ToSchema>(&mut self, name: &str, channel: Named) -> Result<()> {
        let mut state = serde_json::to_value(Items::<String>::schema())?;
        state["properties"]["items"]["items"] = self.describe::<D>();
        self.state(name, channel, state)
    }

    /// A channel goes on where the client was.
    fn resumed(&mut self, name: &str, channel: Named) -> Result<()> {
        let mut message = subscribed(channel, true)?;
        if let Some(properties) = message["properties"].as_object_mut() {
            properties.remove("state");
        }
        self.from_server.insert(format!("{name}Resumed"), message);
        Ok(())
    }

    /// A channel tells of this.
    fn event<D: Says + ToSchema>(&mut self, channel: Named) -> Result<()> {
        let data = self.describe::<D>();
        let mut message = serde_json::to_value(Event::<'static, String>::schema())?;
        narrow(&mut message, "type", text(D::TYPE));
        narrow(&mut message, "channel", channel.schema());
        narrow(&mut message, "data", data);
        self.from_server.insert(message_name(D::TYPE), message);
        Ok(())
    }

    /// Takes in a type with all that it is made of; a reference to it.
    fn describe<T: ToSchema>(&mut self) -> Value {
        let mut parts = Vec::new();
        T::schemas(&mut parts);
        let name = T::name().into_owned();
        let reference = reference(&name);
        self.types.extend(parts);
        self.types.insert(name, T::schema());
        reference
    }
}

fn subscribed(channel: Named, recovered: bool) -> Result<Value> {
    let mut message = variants::<Said<'static>>()?.remove("Subscribed").unwrap_or_default();
    narrow(&mut message, "channel", channel.schema());
    narrow(&mut message, "recovered", json!({"type": "boolean", "enum": [recovered]}));
    Ok(message)
}

/// The messages of a type that has several, told apart by `type`, by their names.
fn variants<T: PartialSchema>() -> Result<BTreeMap<String, Value>> {
    let schema = serde_json::to_value(T::schema())?;
    let variants = schema["oneOf"].as_array().cloned().unwrap_or_default();
    let named = |variant: Value| {
        let name = variant["properties"]["type"]["enum"][0].as_str().map(message_name);
        (name.unwrap_or_default(), variant)
    };
    Ok(variants.into_iter().map(named).collect())
}

/// Says more about a field, apart from its description.
fn narrow(message: &mut Value, field: &str, schema: Value) {
    let known = &mut message["properties"][field];
    let description = known.get("description").filter(|_| schema.get("$ref").is_none()).cloned();
    *known = schema;
    if let Some(description) = description {
        known["description"] = description;
    }
}

fn text(only: &str) -> Value {
    json!({"type": "string", "enum": [only]})
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// `balance_update` is described as `BalanceUpdate`.
fn message_name(kind: &str) -> String {
    let capitalised = |word: &str| word[..1].to_uppercase() + &word[1..];
    kind.split('_').map(capitalised).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_the_one_in_the_repository() {
        let committed = include_str!("../../../asyncapi.json");
        assert!(
            committed.trim() == document().unwrap().trim(),
            "api/asyncapi.json is out of date: run 'club asyncapi > api/asyncapi.json'"
        );
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document: Value = serde_json::from_str(&document().unwrap()).unwrap();
        let text = document.to_string();
        let references = text.split(r##""$ref":"#"##).skip(1);
        for reference in references.map(|rest| rest.split('"').next().unwrap()) {
            assert!(document.pointer(reference).is_some(), "{reference}");
        }
    }

    #[test]
    fn what_a_message_is_called_is_no_name_of_a_part() {
        let mut messages = Messages::default();
        messages.on_own_channel().unwrap();
        messages.on_topics().unwrap();
        messages.about_the_feed().unwrap();
        for name in messages.from_server.keys().chain(messages.from_client.keys()) {
            assert!(!messages.types.contains_key(name), "{name}");
        }
    }
}
