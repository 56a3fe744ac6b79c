//! A limited package: gold for real money, within a window, as long as there are any.
//!
//! Its stock is held in the same append as the purchase's request, and used up or given back in the
//! same append as the purchase's end: there is no moment at which the two disagree.
//!
//! Stored names in this file are forever; old shapes are kept in `domain/fixtures`.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Event};
use crate::id::{PackageCode, ReceiptCode};
use crate::limit::UseLimit;
use crate::money::{Cents, Currency, Gold, Percent, Quantity};
use crate::offer::{Offer, Rank, Ware};
use crate::quota::Quota;

/// What has happened to a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PackageEvent {
    /// It was offered.
    PackageDefined {
        /// When.
        at: DateTime<Utc>,
        /// What it is and costs.
        terms: PackageTerms,
    },
    /// It can be bought again, within its window.
    PackageEnabled {
        /// When.
        at: DateTime<Utc>,
    },
    /// It can no longer be bought, whatever its window says. Purchases under way go on.
    PackageDisabled {
        /// When.
        at: DateTime<Utc>,
    },
    /// Some of its stock is held for a purchase.
    StockReserved {
        /// When.
        at: DateTime<Utc>,
        /// Which purchase.
        receipt_code: ReceiptCode,
        /// How many.
        quantity: Quantity,
    },
    /// The purchase was completed: what was held is sold.
    StockConfirmed {
        /// When.
        at: DateTime<Utc>,
        /// Which purchase.
        receipt_code: ReceiptCode,
    },
    /// The provider has made sure that the purchase is never paid: what was held can be sold again.
    StockReturned {
        /// When.
        at: DateTime<Utc>,
        /// Which purchase.
        receipt_code: ReceiptCode,
    },
}

impl Event for PackageEvent {
    fn event_type(&self) -> &'static str {
        match self {
            Self::PackageDefined { .. } => "package_defined",
            Self::PackageEnabled { .. } => "package_enabled",
            Self::PackageDisabled { .. } => "package_disabled",
            Self::StockReserved { .. } => "stock_reserved",
            Self::StockConfirmed { .. } => "stock_confirmed",
            Self::StockReturned { .. } => "stock_returned",
        }
    }

    fn current_version(_event_type: &str) -> &'static str {
        "1"
    }
}

/// What a package is and costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PackageTerms {
    /// Korean name.
    pub name: String,
    /// English name.
    pub name_en: String,
    /// Price of one.
    pub price_cents: Cents,
    /// Currency of the price.
    pub currency: Currency,
    /// Gold in one.
    pub gold: Gold,
    /// How many there are; any number, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock_total: Option<u32>,
    /// How many one player may buy; any number, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_limit: Option<UseLimit>,
    /// The first moment at which it can be bought.
    pub starts_at: DateTime<Utc>,
    /// The first moment at which it no longer can.
    pub ends_at: DateTime<Utc>,
    /// Whether it can be bought within its window.
    pub on_sale: bool,
}

/// What may be asked of a package.
#[derive(Debug, Clone)]
pub enum PackageCommand {
    /// Offer it; asking again with the same terms does nothing.
    Define {
        /// When.
        at: DateTime<Utc>,
        /// What it is and costs.
        terms: PackageTerms,
    },
    /// Let it be bought, or no longer.
    PutOnSale {
        /// When.
        at: DateTime<Utc>,
        /// Whether it can be bought.
        on_sale: bool,
    },
    /// Hold stock for a purchase.
    Reserve {
        /// When.
        at: DateTime<Utc>,
        /// Which purchase.
        receipt_code: ReceiptCode,
        /// How many.
        quantity: Quantity,
    },
    /// The purchase was completed.
    Confirm {
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

/// Why a package cannot do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackageRefusal {
    /// Nobody has defined it.
    #[error("there is no such package")]
    NotFound,
    /// It is there with other terms.
    #[error("the package is already defined with other terms")]
    AlreadyDefined,
    /// It cannot be bought now.
    #[error("the package is sold from {starts_at} until {ends_at}")]
    WindowClosed {
        /// The first moment at which it can.
        starts_at: DateTime<Utc>,
        /// The first moment at which it no longer can.
        ends_at: DateTime<Utc>,
    },
    /// It was taken off sale.
    #[error("the package is no longer sold")]
    Disabled,
    /// Too many in one purchase.
    #[error("at most {most} packages in one purchase")]
    TooMany {
        /// How many may be.
        most: u8,
    },
    /// Not enough left.
    #[error("{left} left")]
    OutOfStock {
        /// How many can be had.
        left: u64,
    },
    /// Price or gold outgrow what money can be.
    #[error("the total is larger than any purchase may be")]
    TotalTooLarge,
}

/// A package as its stream tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    terms: Option<PackageTerms>,
    stock: Quota,
}

/// Packages in one purchase, at most.
pub const MOST_PACKAGES: u8 = 10;

impl Package {
    /// The terms.
    #[must_use]
    pub fn terms(&self) -> Option<&PackageTerms> {
        self.terms.as_ref()
    }

    /// What is sold and held of the stock.
    #[must_use]
    pub fn stock(&self) -> &Quota {
        &self.stock
    }

    /// How many can be had; `None` for any number.
    #[must_use]
    pub fn left(&self) -> Option<u64> {
        let total = self.terms.as_ref()?.stock_total?;
        Some(self.stock.left_of(total.into()))
    }

    /// What buying `quantity` of it means now. Whether there are so many is asked when they are
    /// reserved.
    ///
    /// # Errors
    /// If it cannot be bought now, or not so many.
    pub fn offer(
        &self,
        code: PackageCode,
        quantity: Quantity,
        at: DateTime<Utc>,
    ) -> Result<Offer, PackageRefusal> {
        let terms = self.terms.as_ref().ok_or(PackageRefusal::NotFound)?;
        if !terms.on_sale {
            return Err(PackageRefusal::Disabled);
        }
        let PackageTerms { starts_at, ends_at, .. } = *terms;
        if at < starts_at || at >= ends_at {
            return Err(PackageRefusal::WindowClosed { starts_at, ends_at });
        }
        if u8::from(quantity) > MOST_PACKAGES {
            return Err(PackageRefusal::TooMany { most: MOST_PACKAGES });
        }
        let discount_percent = Percent::default();
        let total = terms.price_cents.discounted_total(quantity, discount_percent);
        Ok(Offer {
            ware: Ware::Package(code),
            product_version: 1,
            sku: code.to_string(),
            quantity,
            discount_percent,
            total_cents: total.ok_or(PackageRefusal::TotalTooLarge)?,
            currency: terms.currency,
            gold: terms.gold.times(quantity).ok_or(PackageRefusal::TotalTooLarge)?,
            min_rank: Rank::Standard,
            user_limit: terms.user_limit,
            holds_stock: terms.stock_total.is_some(),
            promo: None,
        })
    }

    fn reserve(
        &self,
        at: DateTime<Utc>,
        receipt_code: ReceiptCode,
        quantity: Quantity,
    ) -> Result<Vec<PackageEvent>, PackageRefusal> {
        match self.left() {
            Some(left) if left < u64::from(u8::from(quantity)) => {
                Err(PackageRefusal::OutOfStock { left })
            }
            Some(_) => Ok(vec![PackageEvent::StockReserved { at, receipt_code, quantity }]),
            None => Ok(vec![]),
        }
    }
}

impl Aggregate for Package {
    const TYPE: &'static str = "package";
    type Id = PackageCode;
    type Command = PackageCommand;
    type Event = PackageEvent;
    type Refusal = PackageRefusal;

    fn decide(&self, command: &PackageCommand) -> Result<Vec<PackageEvent>, PackageRefusal> {
        let Some(terms) = &self.terms else {
            return match command {
                PackageCommand::Define { at, terms } => {
                    Ok(vec![PackageEvent::PackageDefined { at: *at, terms: terms.clone() }])
                }
                _ => Err(PackageRefusal::NotFound),
            };
        };
        Ok(match *command {
            PackageCommand::Define { terms: ref same, .. } if same == terms => vec![],
            PackageCommand::Define { .. } => return Err(PackageRefusal::AlreadyDefined),
            PackageCommand::PutOnSale { on_sale, .. } if on_sale == terms.on_sale => vec![],
            PackageCommand::PutOnSale { at, on_sale: true } => {
                vec![PackageEvent::PackageEnabled { at }]
            }
            PackageCommand::PutOnSale { at, on_sale: false } => {
                vec![PackageEvent::PackageDisabled { at }]
            }
            PackageCommand::Reserve { at, receipt_code, quantity } => {
                self.reserve(at, receipt_code, quantity)?
            }
            // Who holds nothing has nothing to confirm or return.
            PackageCommand::Confirm { receipt_code, .. }
            | PackageCommand::Return { receipt_code, .. }
                if !self.stock.is_held_by(receipt_code) =>
            {
                vec![]
            }
            PackageCommand::Confirm { at, receipt_code } => {
                vec![PackageEvent::StockConfirmed { at, receipt_code }]
            }
            PackageCommand::Return { at, receipt_code } => {
                vec![PackageEvent::StockReturned { at, receipt_code }]
            }
        })
    }

    fn evolve(&mut self, event: &PackageEvent) {
        match event {
            PackageEvent::PackageDefined { terms, .. } => self.terms = Some(terms.clone()),
            PackageEvent::PackageEnabled { .. } => {
                self.terms.iter_mut().for_each(|terms| terms.on_sale = true);
            }
            PackageEvent::PackageDisabled { .. } => {
                self.terms.iter_mut().for_each(|terms| terms.on_sale = false);
            }
            PackageEvent::StockReserved { receipt_code, quantity, .. } => {
                self.stock.hold(*receipt_code, u8::from(*quantity).into());
            }
            PackageEvent::StockConfirmed { receipt_code, .. } => self.stock.use_up(*receipt_code),
            PackageEvent::StockReturned { receipt_code, .. } => self.stock.give_back(*receipt_code),
        }
    }

    fn weight(&self) -> usize {
        size_of::<Self>() + 128 + self.stock.weight()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, given};

    fn terms() -> PackageTerms {
        PackageTerms {
            name: "주말 스타터".into(),
            name_en: "Weekend starter".into(),
            price_cents: Cents(499),
            currency: Currency::USD,
            gold: Gold::new(600).unwrap(),
            stock_total: Some(2),
            user_limit: None,
            starts_at: at(10),
            ends_at: at(20),
            on_sale: true,
        }
    }

    fn code(n: u64) -> ReceiptCode {
        ReceiptCode::from_bits(n)
    }

    fn defined(terms: PackageTerms) -> PackageEvent {
        PackageEvent::PackageDefined { at: at(0), terms }
    }

    fn reserve(n: u64, quantity: u8) -> PackageCommand {
        let quantity = Quantity::new(quantity).unwrap();
        PackageCommand::Reserve { at: at(11), receipt_code: code(n), quantity }
    }

    fn reserved(n: u64, quantity: u8) -> PackageEvent {
        let quantity = Quantity::new(quantity).unwrap();
        PackageEvent::StockReserved { at: at(11), receipt_code: code(n), quantity }
    }

    #[test]
    fn a_window_includes_its_first_moment_and_not_its_last() {
        let package = given::<Package>(&[defined(terms())]).state();
        let name = "WEEKEND_STARTER".parse().unwrap();
        let open = |second| package.offer(name, Quantity::ONE, at(second)).is_ok();
        assert_eq!([9, 10, 19, 20].map(open), [false, true, true, false]);
    }

    #[test]
    fn stock_is_never_promised_twice() {
        let history = [defined(terms()), reserved(1, 2)];
        let refusal = PackageRefusal::OutOfStock { left: 0 };
        given::<Package>(&history).when(&reserve(2, 1)).then_refused(&refusal);
        let confirmed = PackageEvent::StockConfirmed { at: at(12), receipt_code: code(1) };
        let history = [defined(terms()), reserved(1, 2), confirmed];
        given::<Package>(&history).when(&reserve(2, 1)).then_refused(&refusal);
    }

    #[test]
    fn stock_that_was_returned_can_be_had_again_and_is_returned_once() {
        let returned = PackageEvent::StockReturned { at: at(12), receipt_code: code(1) };
        let back = PackageCommand::Return { at: at(12), receipt_code: code(1) };
        let history = [defined(terms()), reserved(1, 2)];
        given::<Package>(&history).when(&back).then(std::slice::from_ref(&returned));
        let history = [defined(terms()), reserved(1, 2), returned];
        given::<Package>(&history).when(&back).then(&[]);
        given::<Package>(&history).when(&reserve(2, 2)).then(&[reserved(2, 2)]);
    }

    #[test]
    fn where_there_is_any_number_nothing_is_held() {
        let endless = PackageTerms { stock_total: None, ..terms() };
        given::<Package>(&[defined(endless)]).when(&reserve(1, 10)).then(&[]);
    }

    #[test]
    fn at_most_ten_in_one_purchase() {
        let package = given::<Package>(&[defined(terms())]).state();
        let name = "WEEKEND_STARTER".parse().unwrap();
        let offer = package.offer(name, Quantity::new(11).unwrap(), at(11));
        assert_eq!(offer, Err(PackageRefusal::TooMany { most: 10 }));
    }
}
