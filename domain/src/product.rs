//! A product of the catalogue: its terms, in versions.
//!
//! Stored names in this file are forever; old shapes are kept in `domain/fixtures`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Event};
use crate::id::ProductId;
use crate::money::{Cents, Currency, Gold, Percent, Quantity};

/// What has happened to a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProductEvent {
    /// It entered the catalogue, as version 1.
    ProductDefined {
        /// When.
        at: DateTime<Utc>,
        /// What it is and costs.
        terms: Terms,
    },
    /// Its terms were replaced; purchases under way keep theirs.
    ProductRevised {
        /// When.
        at: DateTime<Utc>,
        /// The number of the new terms.
        version: u32,
        /// What it is and costs from now on.
        terms: Terms,
    },
}

impl Event for ProductEvent {
    fn event_type(&self) -> &'static str {
        match self {
            Self::ProductDefined { .. } => "product_defined",
            Self::ProductRevised { .. } => "product_revised",
        }
    }

    fn current_version(_event_type: &str) -> &'static str {
        "1"
    }
}

/// What a product is and costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The catalogue's own name for it, such as `GOLD_PACK_SMALL`.
    pub sku: String,
    /// Korean name.
    pub name: String,
    /// English name.
    pub name_en: String,
    /// Price of one, before discount.
    pub price_cents: Cents,
    /// Currency of the price.
    pub currency: Currency,
    /// Gold in one.
    pub gold: Gold,
    /// Discount on the price.
    pub discount_percent: Percent,
    /// From when on the discount no longer counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discount_ends_at: Option<DateTime<Utc>>,
    /// The least rank that may buy it.
    pub min_rank: Rank,
    /// Whether it is on sale.
    pub on_sale: bool,
}

impl Terms {
    /// The discount in force at a moment.
    #[must_use]
    pub fn discount_at(&self, at: DateTime<Utc>) -> Percent {
        match self.discount_ends_at {
            Some(end) if at >= end => Percent::default(),
            _ => self.discount_percent,
        }
    }
}

/// A player's standing, lowest first.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Rank {
    /// Everybody.
    #[default]
    Standard,
    /// Invited guests of the house.
    Vip,
}

/// What may be asked of a product.
#[derive(Debug, Clone)]
pub enum ProductCommand {
    /// Put it into the catalogue; asking again with the same terms does nothing.
    Define {
        /// When.
        at: DateTime<Utc>,
        /// What it is and costs.
        terms: Terms,
    },
    /// Replace its terms.
    Revise {
        /// When.
        at: DateTime<Utc>,
        /// The new ones.
        terms: Terms,
    },
}

/// Why a product cannot do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProductRefusal {
    /// No such product, or not on sale.
    #[error("there is no such product on sale")]
    NotFound,
    /// It is in the catalogue with other terms.
    #[error("the product is already defined with other terms")]
    AlreadyDefined,
    /// Price or gold outgrow what money can be.
    #[error("the total is larger than any purchase may be")]
    TotalTooLarge,
}

/// A product as its stream tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    version: u32,
    terms: Option<Terms>,
}

/// What a purchase is made under: fixed at the request, whatever the catalogue does later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Which product.
    pub product_id: ProductId,
    /// Which version of its terms.
    pub product_version: u32,
    /// Its catalogue name.
    pub sku: String,
    /// How many.
    pub quantity: Quantity,
    /// Discount that was counted.
    pub discount_percent: Percent,
    /// What is charged, all in all.
    pub total_cents: Cents,
    /// Currency of the charge.
    pub currency: Currency,
    /// Gold to be credited, all in all.
    pub gold: Gold,
    /// The least rank that may buy it.
    pub min_rank: Rank,
}

impl Product {
    /// The present terms with their version, also when it is not on sale.
    #[must_use]
    pub fn terms(&self) -> Option<(u32, &Terms)> {
        self.terms.as_ref().map(|terms| (self.version, terms))
    }

    /// What buying `quantity` of it means now.
    ///
    /// # Errors
    /// `NotFound` unless it is on sale; `TotalTooLarge` if price or gold overflow.
    pub fn offer(
        &self,
        product_id: ProductId,
        quantity: Quantity,
        at: DateTime<Utc>,
    ) -> Result<Offer, ProductRefusal> {
        let Some(terms) = self.terms.as_ref().filter(|terms| terms.on_sale) else {
            return Err(ProductRefusal::NotFound);
        };
        let discount_percent = terms.discount_at(at);
        let total = terms.price_cents.discounted_total(quantity, discount_percent);
        Ok(Offer {
            product_id,
            product_version: self.version,
            sku: terms.sku.clone(),
            quantity,
            discount_percent,
            total_cents: total.ok_or(ProductRefusal::TotalTooLarge)?,
            currency: terms.currency,
            gold: terms.gold.times(quantity).ok_or(ProductRefusal::TotalTooLarge)?,
            min_rank: terms.min_rank,
        })
    }
}

impl Aggregate for Product {
    const TYPE: &'static str = "product";
    type Id = ProductId;
    type Command = ProductCommand;
    type Event = ProductEvent;
    type Refusal = ProductRefusal;

    fn decide(&self, command: &ProductCommand) -> Result<Vec<ProductEvent>, ProductRefusal> {
        match (command, &self.terms) {
            (ProductCommand::Define { at, terms }, None) => {
                Ok(vec![ProductEvent::ProductDefined { at: *at, terms: terms.clone() }])
            }
            (ProductCommand::Revise { .. }, None) => Err(ProductRefusal::NotFound),
            (
                ProductCommand::Define { terms, .. } | ProductCommand::Revise { terms, .. },
                Some(present),
            ) if terms == present => Ok(vec![]),
            (ProductCommand::Define { .. }, Some(_)) => Err(ProductRefusal::AlreadyDefined),
            (ProductCommand::Revise { at, terms }, Some(_)) => {
                let version = self.version.saturating_add(1);
                Ok(vec![ProductEvent::ProductRevised { at: *at, version, terms: terms.clone() }])
            }
        }
    }

    fn evolve(&mut self, event: &ProductEvent) {
        match event {
            ProductEvent::ProductDefined { terms, .. } => {
                self.version = 1;
                self.terms = Some(terms.clone());
            }
            ProductEvent::ProductRevised { version, terms, .. } => {
                self.version = *version;
                self.terms = Some(terms.clone());
            }
        }
    }

    fn weight(&self) -> usize {
        size_of::<Self>() + 128
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, given, small_pack};
    use std::slice::from_ref;

    #[test]
    fn a_product_is_defined_once_and_revised_in_versions() {
        let terms = small_pack();
        let defined = ProductEvent::ProductDefined { at: at(0), terms: terms.clone() };
        let define = ProductCommand::Define { at: at(0), terms: terms.clone() };
        given::<Product>(&[]).when(&define).then(from_ref(&defined));
        given::<Product>(from_ref(&defined)).when(&define).then(&[]);

        let dearer = Terms { price_cents: Cents(399), ..terms };
        let revise = ProductCommand::Revise { at: at(1), terms: dearer.clone() };
        given::<Product>(&[defined]).when(&revise).then(&[ProductEvent::ProductRevised {
            at: at(1),
            version: 2,
            terms: dearer,
        }]);
    }

    #[test]
    fn an_unknown_product_cannot_be_revised() {
        let revise = ProductCommand::Revise { at: at(0), terms: small_pack() };
        given::<Product>(&[]).when(&revise).then_refused(&ProductRefusal::NotFound);
    }

    #[test]
    fn a_discount_ends_at_its_instant() {
        let terms = Terms {
            discount_percent: Percent::new(10).unwrap(),
            discount_ends_at: Some(at(10)),
            ..small_pack()
        };
        let product =
            given::<Product>(&[ProductEvent::ProductDefined { at: at(0), terms }]).state();
        let total =
            |second| product.offer(ProductId(1001), Quantity::ONE, at(second)).unwrap().total_cents;
        assert_eq!(total(9), Cents(269));
        assert_eq!(total(10), Cents(299));
    }

    #[test]
    fn what_is_not_on_sale_cannot_be_bought() {
        let terms = Terms { on_sale: false, ..small_pack() };
        let product =
            given::<Product>(&[ProductEvent::ProductDefined { at: at(0), terms }]).state();
        let offer = product.offer(ProductId(1001), Quantity::ONE, at(1));
        assert_eq!(offer, Err(ProductRefusal::NotFound));
    }
}
