//! Input by chance: whatever comes is read or refused, and what is read means what it says.

use domain::stored::{Cursor, Hash, Place};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::channel::Channel;
use super::FromClient;

/// As a client would write it.
fn written(message: &FromClient) -> Value {
    match message {
        FromClient::Subscribe { channel, since } => {
            let since = since.map(|cursor| cursor.to_string());
            json!({"type": "subscribe", "channel": channel, "since": since})
        }
        FromClient::Unsubscribe { channel } => json!({"type": "unsubscribe", "channel": channel}),
        FromClient::Ping => json!({"type": "ping"}),
        FromClient::Pong => json!({"type": "pong"}),
    }
}

fn cursor() -> impl Strategy<Value = Cursor> {
    (any::<u64>(), any::<u64>()).prop_map(|(position, seed)| {
        Place { position, hash: Hash::genesis(&seed.to_be_bytes()) }.cursor()
    })
}

fn message() -> impl Strategy<Value = FromClient> {
    let subscribe = (any::<String>(), prop::option::of(cursor()));
    prop_oneof![
        subscribe.prop_map(|(channel, since)| FromClient::Subscribe { channel, since }),
        any::<String>().prop_map(|channel| FromClient::Unsubscribe { channel }),
        Just(FromClient::Ping),
        Just(FromClient::Pong),
    ]
}

/// A message that was hit: some bytes are others, are gone, or are there twice.
fn hit() -> impl Strategy<Value = String> {
    let hits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4), 1..8);
    (message(), hits).prop_map(|(message, hits)| {
        let mut bytes = written(&message).to_string().into_bytes();
        for (place, byte, how) in hits {
            let at = place.index(bytes.len().max(1));
            match how {
                _ if bytes.is_empty() => {}
                0 => bytes[at] = byte,
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, bytes[at]),
                _ => bytes.truncate(at),
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Any JSON, with the names that messages use.
fn json_of_sorts() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec!["type", "channel", "since", "data", ""]);
    let words = prop::sample::select(vec!["subscribe", "unsubscribe", "ping", "me", "7-x", ""]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        words.prop_map(Value::from),
        cursor().prop_map(|cursor| Value::from(cursor.to_string())),
    ];
    leaf.prop_recursive(4, 32, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names.clone(), inner, 0..5).prop_map(|members| {
                members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            }),
        ]
    })
}

/// Whatever is read is written again as what it was read as.
fn is_stable(text: &str) -> Result<(), TestCaseError> {
    if let Some(message) = FromClient::parse(text) {
        prop_assert_eq!(FromClient::parse(&written(&message).to_string()), Some(message));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    #[test]
    fn a_message_is_read_as_it_was_meant(message in message()) {
        prop_assert_eq!(FromClient::parse(&written(&message).to_string()), Some(message));
    }

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        is_stable(&text)?;
    }

    #[test]
    fn a_message_that_was_hit_is_read_or_refused(text in hit()) {
        is_stable(&text)?;
    }

    #[test]
    fn json_that_is_no_message_is_refused(value in json_of_sorts()) {
        is_stable(&value.to_string())?;
        let is_subscribe = value["type"] == "subscribe" || value["type"] == "unsubscribe";
        let may_be = value["type"] == "ping" || is_subscribe && value["channel"].is_string();
        prop_assert!(may_be || FromClient::parse(&value.to_string()).is_none(), "{}", value);
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_nothing_else_is_one(
        cursor in cursor(),
        text in "[0-9]{0,21}-?[0-9a-fA-Fx+-]{0,18}",
    ) {
        prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
        if let Ok(read) = text.parse::<Cursor>() {
            let (position, prefix) = text.split_once('-').unwrap();
            prop_assert_eq!(position.parse(), Ok(read.position));
            prop_assert!(read.to_string().ends_with(&prefix.to_lowercase()), "{}", text);
        }
    }

    #[test]
    fn a_channel_is_read_as_it_is_written(text in "(me|leaderboard|system)?:?[0-9+-]{0,22}|.{0,40}") {
        if let Ok(channel) = text.parse::<Channel>() {
            prop_assert_eq!(channel.to_string().parse(), Ok(channel));
        }
    }
}
