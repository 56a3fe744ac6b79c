//! The answer to a dry run: the events that would have been written, and the balances that would change.

use commands::dry_run::{BalanceChange, DryRun};
use domain::money::Wallet;
use domain::stored::StoredEvent;
use serde_json::{Value, json};

/// `{"dry_run": true, "events": […], "balances": […]}`.
pub(super) fn told(DryRun { events, balances }: &DryRun) -> Value {
    let events: Vec<Value> = events.iter().map(event).collect();
    let balances: Vec<Value> = balances.iter().map(balance).collect();
    json!({ "dry_run": true, "events": events, "balances": balances })
}

fn event(event: &StoredEvent) -> Value {
    // It was encoded a moment ago.
    let data: Value = serde_json::from_str(&event.payload).unwrap_or_default();
    json!({
        "family": event.aggregate_type,
        "stream": event.aggregate_id,
        "type": event.event_type,
        "data": data,
    })
}

fn balance(BalanceChange { player, before, after }: &BalanceChange) -> Value {
    json!({ "user_id": player, "before": wallet(before), "after": wallet(after) })
}

fn wallet(wallet: &Wallet) -> Value {
    json!({
        "gold": wallet.gold(),
        "gold_paid": wallet.paid,
        "gold_free": wallet.free,
        "vip_points": wallet.vip_points,
        "debt": wallet.debt,
    })
}
