//! What tests of the live feed have in common.

use std::sync::Arc;

use domain::account::{Account, AccountEvent};
use domain::aggregate::{Aggregate, Event};
use domain::money::{GoldParts, Movement, Wallet};
use domain::stored::{Hash, Place, Recorded, StoredEvent};
use domain::testing::at;
use futures::FutureExt;
use serde_json::Value;

use super::hub::Listener;
use super::outbox::SubscriptionId;

pub fn place(position: u64) -> Place {
    Place { position, hash: Hash::genesis(&position.to_be_bytes()) }
}

/// A player spends a gold at a position.
pub fn spent(player: i64, position: u64) -> Recorded {
    let balance = Wallet { paid: 0, free: 1_000_000 - position, ..Wallet::default() };
    let event = AccountEvent::GoldSpent {
        at: at(0),
        reference: "test".to_owned(),
        movement: Movement {
            gold: GoldParts { paid: 0, free: 1 },
            debt: GoldParts::default(),
            balance,
        },
    };
    let event = StoredEvent {
        aggregate_type: Account::TYPE.into(),
        aggregate_id: player.to_string().into(),
        sequence: position,
        event_type: event.event_type().into(),
        event_version: "1".into(),
        payload: domain::encoding::encode(&event).unwrap().into(),
        metadata: "{}".into(),
    };
    Recorded { place: place(position), recorded_at: at(0), event }
}

pub fn listener() -> Listener {
    Listener { connection: 1, subscription: SubscriptionId(1), outbox: Arc::default() }
}

/// What waits to be sent.
pub fn waiting(listener: &Listener) -> Vec<Value> {
    let next = || listener.outbox.next().now_or_never()?.ok();
    std::iter::from_fn(next).map(|(_, frame)| serde_json::from_str(&frame.text).unwrap()).collect()
}
