//! How fast somebody buys: the latest purchases, as far as rules look back.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::command::PurchaseRules;
use super::event::FraudRule;
use crate::id::CardPrint;

/// As many purchases as any rule may look at.
pub const LONGEST_LOOK: usize = 64;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pace {
    recent: VecDeque<Recent>,
    blocked: Option<(FraudRule, DateTime<Utc>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Recent {
    at: DateTime<Utc>,
    card: Option<CardPrint>,
    is_limited: bool,
}

impl Pace {
    pub(super) fn bought(&mut self, at: DateTime<Utc>, card: Option<CardPrint>, is_limited: bool) {
        if self.recent.len() >= LONGEST_LOOK {
            self.recent.pop_front();
        }
        self.recent.push_back(Recent { at, card, is_limited });
    }

    pub(super) fn block(&mut self, rule: FraudRule, until: DateTime<Utc>) {
        self.blocked = Some((rule, until));
    }

    /// The block in force, if one is.
    pub(super) fn block_at(&self, at: DateTime<Utc>) -> Option<(FraudRule, DateTime<Utc>)> {
        self.blocked.filter(|(_, until)| at < *until)
    }

    /// When the next limited package may be bought, if not now.
    pub(super) fn limited_until(
        &self,
        rules: &PurchaseRules,
        at: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let limited = self.recent.iter().filter(|recent| recent.is_limited);
        rules.limited?.full_until(limited.map(|recent| recent.at), at)
    }

    /// The rule that one more purchase would break, and how long buying stops then.
    pub(super) fn broken_rule(
        &self,
        rules: &PurchaseRules,
        card: Option<CardPrint>,
        at: DateTime<Utc>,
    ) -> Option<(FraudRule, DateTime<Utc>)> {
        if let Some(rate) = rules.purchases
            && rate.full_until(self.recent.iter().map(|recent| recent.at), at).is_some()
        {
            return Some((FraudRule::TooManyPurchases, at + rate.within));
        }
        let (rate, card) = (rules.cards?, card?);
        let since = at - rate.within;
        let recent = self.recent.iter().filter(|recent| recent.at > since);
        let mut cards: Vec<CardPrint> = recent.filter_map(|recent| recent.card).collect();
        cards.push(card);
        cards.sort_unstable();
        cards.dedup();
        let is_too_many = cards.len() > usize::try_from(rate.most).unwrap_or(usize::MAX);
        is_too_many.then_some((FraudRule::TooManyCards, at + rate.within))
    }

    pub(super) fn weight(&self) -> usize {
        self.recent.len() * size_of::<Recent>()
    }
}
