//! Given / when / then, for rules that are told as stories. No I/O.

mod tally;

use chrono::{DateTime, TimeDelta, Utc};

use crate::aggregate::Aggregate;
use crate::money::{Cents, Currency, Gold, Percent};
use crate::offer::Rank;
use crate::product::PackTerms;

pub use self::tally::{Tally, TallyEvent, TallyTooLow, Tallying};

/// A state made of history, waiting for a question.
#[derive(Debug)]
pub struct Given<A: Aggregate>(A);

/// Starts from a history.
#[must_use]
pub fn given<A: Aggregate>(history: &[A::Event]) -> Given<A> {
    let mut state = A::default();
    for event in history {
        state.evolve(event);
    }
    Given(state)
}

impl<A: Aggregate> Given<A> {
    /// Asks.
    #[must_use]
    pub fn when(self, command: &A::Command) -> Decided<A> {
        Decided(self.0.decide(command))
    }

    /// The state itself.
    #[must_use]
    pub fn state(self) -> A {
        self.0
    }
}

/// What was decided.
#[derive(Debug)]
pub struct Decided<A: Aggregate>(Result<Vec<A::Event>, A::Refusal>);

impl<A: Aggregate> Decided<A> {
    /// Exactly these events.
    ///
    /// # Panics
    /// If it is otherwise.
    pub fn then(self, expected: &[A::Event]) {
        assert_eq!(self.0.as_deref(), Ok(expected));
    }

    /// Refused for exactly this reason.
    ///
    /// # Panics
    /// If it is otherwise.
    pub fn then_refused(self, expected: &A::Refusal) {
        assert_eq!(self.0.as_deref(), Err(expected));
    }
}

/// A moment, `second` seconds into the tests' day.
#[must_use]
pub fn at(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::seconds(second)
}

/// The smallest gold pack: 100 gold for 2.99 USD.
#[must_use]
pub fn small_pack() -> PackTerms {
    PackTerms {
        sku: "GOLD_PACK_SMALL".into(),
        name: "골드 팩 (소)".into(),
        name_en: "Small gold pack".into(),
        price_cents: Cents(299),
        currency: Currency::USD,
        gold: Gold::new(100).unwrap_or_default(),
        discount_percent: Percent::default(),
        discount_ends_at: None,
        min_rank: Rank::Standard,
        on_sale: true,
    }
}
