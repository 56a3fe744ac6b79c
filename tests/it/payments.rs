//! Payment providers, by themselves and under the whole club.

mod club;
mod listener;
mod sandbox;
mod stripe;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use commands::clock::Clock;
use commands::payments::{CardToken, Charge};
use domain::id::{ChargeId, PlayerId, ReceiptCode};
use domain::money::{Cents, Currency};

/// A clock that only this test moves.
#[derive(Clone, Default)]
struct Hand(Arc<AtomicU64>);

impl Hand {
    fn forward(&self, by: Duration) {
        self.0.fetch_add(by.as_millis().try_into().unwrap(), Ordering::Relaxed);
    }
}

impl Clock for Hand {
    fn now(&self) -> DateTime<Utc> {
        let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        start + Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

fn charge(number: u32) -> Charge {
    Charge {
        charge_id: ChargeId::from_bits(number.into()),
        receipt_code: ReceiptCode::from_bits(number.into()),
        player: PlayerId(23),
        amount: Cents(1299),
        currency: Currency::USD,
    }
}

fn card(token: &str) -> CardToken {
    CardToken::new(Some(token.to_owned()))
}
