//! A promotion: a code that makes purchases of limited packages cheaper.
//!
//! It counts after the ware's own discount, takes a percentage (rounded so that whole cents are left to pay, floored) or an
//! amount off the discounted total, and always leaves one cent to pay.
//!
//! Stored names in this file are forever; old shapes are kept in `domain/fixtures`.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Event};
use crate::id::{PackageCode, PromoCode, ReceiptCode};
use crate::money::{Cents, Percent, Quantity};
use crate::offer::{AppliedPromo, Offer, Ware};
use crate::quota::Quota;

/// What has happened to a promotion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PromoEvent {
    /// It was made.
    PromoDefined {
        /// When.
        at: DateTime<Utc>,
        /// What it takes off, for whom and when.
        terms: PromoTerms,
    },
    /// One of its uses is held for a purchase.
    PromoHeld {
        /// When.
        at: DateTime<Utc>,
        /// Which purchase.
        receipt_code: ReceiptCode,
    },
    /// The purchase was completed.
    PromoUsed {
        /// When.
        at: DateTime<Utc>,
        /// Which purchase.
        receipt_code: ReceiptCode,
    },
    /// The purchase will never be paid.
    PromoReturned {
        /// When.
        at: DateTime<Utc>,
        /// Which purchase.
        receipt_code: ReceiptCode,
    },
}

impl Event for PromoEvent {
    fn event_type(&self) -> &'static str {
        match self {
            Self::PromoDefined { .. } => "promo_defined",
            Self::PromoHeld { .. } => "promo_held",
            Self::PromoUsed { .. } => "promo_used",
            Self::PromoReturned { .. } => "promo_returned",
        }
    }

    fn current_version(_event_type: &str) -> &'static str {
        "1"
    }
}

/// What a promotion takes off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PromoOff {
    /// A share of the discounted total.
    Percent(Percent),
    /// An amount of it.
    Cents(Cents),
}

impl PromoOff {
    /// What it takes off a total: never all of it.
    #[must_use]
    pub fn of(self, total: Cents) -> Cents {
        let off = match self {
            Self::Percent(percent) => {
                let left = total.discounted_total(Quantity::ONE, percent).unwrap_or(total);
                total.minus(left)
            }
            Self::Cents(cents) => cents,
        };
        off.min(total.minus(Cents(1)))
    }
}

/// What a promotion is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PromoTerms {
    /// The only package it is for; all, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<PackageCode>,
    /// What it takes off.
    pub off: PromoOff,
    /// How often it can be used; any number, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_uses: Option<u32>,
    /// How often one player can use it; any number, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_limit: Option<u32>,
    /// The first moment at which it counts; always, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<DateTime<Utc>>,
    /// The first moment at which it no longer does; never, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<DateTime<Utc>>,
}

/// What may be asked of a promotion.
#[derive(Debug, Clone)]
pub enum PromoCommand {
    /// Make it; asking again with the same terms does nothing.
    Define {
        /// When.
        at: DateTime<Utc>,
        /// What it is.
        terms: PromoTerms,
    },
    /// Hold one use for a purchase.
    Hold {
        /// When.
        at: DateTime<Utc>,
        /// Which purchase.
        receipt_code: ReceiptCode,
    },
    /// The purchase was completed.
    Use {
        /// When.
        at: DateTime<Utc>,
        /// Which purchase.
        receipt_code: ReceiptCode,
    },
    /// The purchase will never be paid.
    Return {
        /// When.
        at: DateTime<Utc>,
        /// Which purchase.
        receipt_code: ReceiptCode,
    },
}

/// Why a promotion does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PromoRefusal {
    /// Nobody has made it, or it is for something else.
    #[error("there is no such promotion for this")]
    NotFound,
    /// It is there with other terms.
    #[error("the promotion is already defined with other terms")]
    AlreadyDefined,
    /// Not yet, or no more.
    #[error("the promotion does not count now")]
    WindowClosed,
    /// All its uses are gone or held.
    #[error("the promotion is used up")]
    Exhausted,
}

/// A promotion as its stream tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promo {
    terms: Option<PromoTerms>,
    uses: Quota,
}

impl Promo {
    /// The terms.
    #[must_use]
    pub fn terms(&self) -> Option<&PromoTerms> {
        self.terms.as_ref()
    }

    /// What is used and held of it.
    #[must_use]
    pub fn uses(&self) -> &Quota {
        &self.uses
    }

    /// The offer with the promotion counted in. Whether it is used up is asked when a use is held.
    ///
    /// # Errors
    /// If it is not for this, or not now.
    pub fn apply(
        &self,
        code: PromoCode,
        offer: Offer,
        at: DateTime<Utc>,
    ) -> Result<Offer, PromoRefusal> {
        let terms = self.terms.as_ref().ok_or(PromoRefusal::NotFound)?;
        if terms.package.is_some_and(|package| offer.ware != Ware::Package(package)) {
            return Err(PromoRefusal::NotFound);
        }
        let is_early = terms.starts_at.is_some_and(|start| at < start);
        if is_early || terms.ends_at.is_some_and(|end| at >= end) {
            return Err(PromoRefusal::WindowClosed);
        }
        let off_cents = terms.off.of(offer.total_cents);
        let promo = AppliedPromo {
            code,
            off_cents,
            user_limit: terms.user_limit,
            holds_use: terms.max_uses.is_some(),
        };
        let total_cents = offer.total_cents.minus(off_cents);
        Ok(Offer { total_cents, promo: Some(promo), ..offer })
    }
}

impl Aggregate for Promo {
    const TYPE: &'static str = "promo";
    type Id = PromoCode;
    type Command = PromoCommand;
    type Event = PromoEvent;
    type Refusal = PromoRefusal;

    fn decide(&self, command: &PromoCommand) -> Result<Vec<PromoEvent>, PromoRefusal> {
        let Some(terms) = &self.terms else {
            return match command {
                PromoCommand::Define { at, terms } => {
                    Ok(vec![PromoEvent::PromoDefined { at: *at, terms: terms.clone() }])
                }
                _ => Err(PromoRefusal::NotFound),
            };
        };
        Ok(match *command {
            PromoCommand::Define { terms: ref same, .. } if same == terms => vec![],
            PromoCommand::Define { .. } => return Err(PromoRefusal::AlreadyDefined),
            PromoCommand::Hold { at, receipt_code } => match terms.max_uses {
                Some(most) if self.uses.left_of(most.into()) == 0 => {
                    return Err(PromoRefusal::Exhausted);
                }
                Some(_) => vec![PromoEvent::PromoHeld { at, receipt_code }],
                None => vec![],
            },
            PromoCommand::Use { receipt_code, .. } | PromoCommand::Return { receipt_code, .. }
                if !self.uses.is_held_by(receipt_code) =>
            {
                vec![]
            }
            PromoCommand::Use { at, receipt_code } => {
                vec![PromoEvent::PromoUsed { at, receipt_code }]
            }
            PromoCommand::Return { at, receipt_code } => {
                vec![PromoEvent::PromoReturned { at, receipt_code }]
            }
        })
    }

    fn evolve(&mut self, event: &PromoEvent) {
        match event {
            PromoEvent::PromoDefined { terms, .. } => self.terms = Some(terms.clone()),
            PromoEvent::PromoHeld { receipt_code, .. } => self.uses.hold(*receipt_code, 1),
            PromoEvent::PromoUsed { receipt_code, .. } => self.uses.use_up(*receipt_code),
            PromoEvent::PromoReturned { receipt_code, .. } => self.uses.give_back(*receipt_code),
        }
    }

    fn weight(&self) -> usize {
        size_of::<Self>() + self.uses.weight()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, given};

    fn terms(off: PromoOff) -> PromoTerms {
        PromoTerms {
            package: None,
            off,
            max_uses: Some(1),
            user_limit: None,
            starts_at: None,
            ends_at: Some(at(10)),
        }
    }

    fn percent(percent: u8) -> PromoOff {
        PromoOff::Percent(Percent::new(percent).unwrap())
    }

    #[test]
    fn what_is_left_to_pay_is_floored_and_never_nothing() {
        // 10 % of 4.99 is 0.499: what is left, 4.491, is floored as every price is.
        assert_eq!(percent(10).of(Cents(499)), Cents(50));
        assert_eq!(percent(100).of(Cents(499)), Cents(498));
        assert_eq!(PromoOff::Cents(Cents(500)).of(Cents(499)), Cents(498));
        assert_eq!(PromoOff::Cents(Cents(99)).of(Cents(499)), Cents(99));
    }

    #[test]
    fn a_use_that_is_held_is_not_given_to_anybody_else() {
        let receipt = ReceiptCode::from_bits;
        let defined = PromoEvent::PromoDefined { at: at(0), terms: terms(percent(10)) };
        let held = PromoEvent::PromoHeld { at: at(1), receipt_code: receipt(1) };
        let hold = |n| PromoCommand::Hold { at: at(1), receipt_code: receipt(n) };
        let history = [defined.clone(), held.clone()];
        given::<Promo>(&history).when(&hold(2)).then_refused(&PromoRefusal::Exhausted);
        let returned = PromoEvent::PromoReturned { at: at(2), receipt_code: receipt(1) };
        let history = [defined, held, returned];
        let held = PromoEvent::PromoHeld { at: at(1), receipt_code: receipt(2) };
        given::<Promo>(&history).when(&hold(2)).then(&[held]);
    }
}
