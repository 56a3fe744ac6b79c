//! The JSON text of an event: its fields, and its stored name as `type`.
//!
//! Serde's own internally tagged enums have this form too, but read it by way of a buffer, because
//! the tag could stand anywhere. The name also stands in a column of its own, so it is known before
//! the payload is read: events are plain enums to serde, and the two functions here put the name in
//! and take it from the column. Reading is twice as fast.

use serde::de::{self, DeserializeSeed, EnumAccess, VariantAccess, Visitor};
use serde::{Serialize, forward_to_deserialize_any};

use crate::aggregate::Event;

/// The payload's text: `{"type":"gold_granted", … fields in order … }`.
///
/// # Errors
/// Never for events, which are enums of structs of texts and integers.
pub fn encode<E: Event>(event: &E) -> Result<String, serde_json::Error> {
    // Serde writes {"gold_granted":{…}}.
    let name = event.event_type();
    let text = to_json(event)?;
    let fields = text
        .strip_prefix("{\"")
        .and_then(|rest| rest.strip_prefix(name))
        .and_then(|rest| rest.strip_prefix("\":{"))
        .and_then(|rest| rest.strip_suffix("}}"))
        .ok_or_else(|| de::Error::custom("an event is a struct variant named by its type"))?;
    let comma = if fields.is_empty() { "" } else { "," };
    Ok(["{\"type\":\"", name, "\"", comma, fields, "}"].concat())
}

/// JSON text, in one piece of memory if it is no longer than most: it is made for every event.
///
/// # Errors
/// As [`serde_json::to_string`].
pub(crate) fn to_json(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut bytes = Vec::with_capacity(USUAL_LENGTH);
    serde_json::to_writer(&mut bytes, value)?;
    String::from_utf8(bytes).map_err(de::Error::custom)
}

/// Bytes.
const USUAL_LENGTH: usize = 512;

/// Reads a payload of the event with this stored name.
///
/// # Errors
/// If the name is unknown or the fields do not fit.
pub fn decode<E: Event>(event_type: &str, payload: &str) -> Result<E, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(payload);
    let event = E::deserialize(Named { event_type, json: &mut json })?;
    json.end()?;
    Ok(event)
}

/// An enum whose variant is known and whose fields are the JSON that follows.
struct Named<'a, 'de> {
    event_type: &'a str,
    json: &'a mut serde_json::Deserializer<serde_json::de::StrRead<'de>>,
}

impl<'de> serde::Deserializer<'de> for Named<'_, 'de> {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_enum(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> EnumAccess<'de> for Named<'_, 'de> {
    type Error = serde_json::Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self), Self::Error> {
        let name = de::value::StrDeserializer::<Self::Error>::new(self.event_type);
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Named<'_, 'de> {
    type Error = serde_json::Error;

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        serde::Deserializer::deserialize_struct(self.json, "event", fields, visitor)
    }

    fn unit_variant(self) -> Result<(), Self::Error> {
        Err(de::Error::custom("an event has fields"))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        _seed: T,
    ) -> Result<T::Value, Self::Error> {
        Err(de::Error::custom("an event has named fields"))
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        _length: usize,
        _visitor: V,
    ) -> Result<V::Value, Self::Error> {
        Err(de::Error::custom("an event has named fields"))
    }
}
