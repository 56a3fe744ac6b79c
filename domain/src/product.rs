//! A product of the catalogue: its terms, in versions. A pack of gold is sold for real money, a
//! benefit for gold.
//!
//! Stored names in this file are forever; old shapes are kept in `domain/fixtures`.

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Event};
use crate::id::ProductId;
use crate::limit::UseLimit;
use crate::money::{Cents, Currency, Gold, Percent, Quantity};
use crate::offer::{BenefitOffer, Offer, Rank, Ware};
use crate::reward::{GivenItem, RewardItem};

/// What has happened to a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProductEvent {
    /// A pack of gold entered the catalogue, as version 1.
    ProductDefined {
        /// When.
        at: DateTime<Utc>,
        /// What it is and costs.
        terms: PackTerms,
    },
    /// Its terms were replaced; purchases under way keep theirs.
    ProductRevised {
        /// When.
        at: DateTime<Utc>,
        /// The number of the new terms.
        version: u32,
        /// What it is and costs from now on.
        terms: PackTerms,
    },
    /// A benefit entered the catalogue, as version 1.
    BenefitDefined {
        /// When.
        at: DateTime<Utc>,
        /// What it is and costs.
        terms: BenefitTerms,
    },
    /// Its terms were replaced.
    BenefitRevised {
        /// When.
        at: DateTime<Utc>,
        /// The number of the new terms.
        version: u32,
        /// What it is and costs from now on.
        terms: BenefitTerms,
    },
}

impl Event for ProductEvent {
    fn event_type(&self) -> &'static str {
        match self {
            Self::ProductDefined { .. } => "product_defined",
            Self::ProductRevised { .. } => "product_revised",
            Self::BenefitDefined { .. } => "benefit_defined",
            Self::BenefitRevised { .. } => "benefit_revised",
        }
    }

    fn current_version(_event_type: &str) -> &'static str {
        "1"
    }
}

impl ProductEvent {
    /// The terms that are in force after it, and their number.
    #[must_use]
    pub fn terms(&self) -> (u32, Terms) {
        match self {
            Self::ProductDefined { terms, .. } => (1, Terms::Pack(terms.clone())),
            Self::ProductRevised { version, terms, .. } => (*version, Terms::Pack(terms.clone())),
            Self::BenefitDefined { terms, .. } => (1, Terms::Benefit(terms.clone())),
            Self::BenefitRevised { version, terms, .. } => {
                (*version, Terms::Benefit(terms.clone()))
            }
        }
    }
}

/// What a pack of gold is and costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PackTerms {
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

impl PackTerms {
    /// The discount in force at a moment.
    #[must_use]
    pub fn discount_at(&self, at: DateTime<Utc>) -> Percent {
        match self.discount_ends_at {
            Some(end) if at >= end => Percent::default(),
            _ => self.discount_percent,
        }
    }
}

/// What a benefit is and costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BenefitTerms {
    /// The catalogue's own name for it, such as `early_promotion`.
    pub sku: String,
    /// Korean name.
    pub name: String,
    /// English name.
    pub name_en: String,
    /// Price of one.
    pub price: Gold,
    /// How many one player may buy; any number, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_limit: Option<UseLimit>,
    /// For how many days after the purchase it can be used; for ever, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_days: Option<u16>,
    /// The least rank that may buy it.
    pub min_rank: Rank,
    /// Whether it is on sale.
    pub on_sale: bool,
}

impl BenefitTerms {
    /// When one that somebody gets at a moment can no longer be used.
    fn expires_at(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.valid_days.map(|days| at + TimeDelta::days(days.into()))
    }
}

/// What a product is and costs, of either kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Terms {
    /// Gold for real money.
    Pack(PackTerms),
    /// A benefit for gold.
    Benefit(BenefitTerms),
}

impl Terms {
    /// The catalogue name.
    #[must_use]
    pub fn sku(&self) -> &str {
        match self {
            Self::Pack(terms) => &terms.sku,
            Self::Benefit(terms) => &terms.sku,
        }
    }

    /// Whether it is on sale.
    #[must_use]
    pub fn is_on_sale(&self) -> bool {
        match self {
            Self::Pack(terms) => terms.on_sale,
            Self::Benefit(terms) => terms.on_sale,
        }
    }

    fn put_on_sale(&mut self, now: bool) {
        match self {
            Self::Pack(terms) => terms.on_sale = now,
            Self::Benefit(terms) => terms.on_sale = now,
        }
    }

    fn defined(self, at: DateTime<Utc>) -> ProductEvent {
        match self {
            Self::Pack(terms) => ProductEvent::ProductDefined { at, terms },
            Self::Benefit(terms) => ProductEvent::BenefitDefined { at, terms },
        }
    }

    /// A product stays what it is: a pack does not become a benefit.
    fn revised(
        self,
        at: DateTime<Utc>,
        version: u32,
        present: &Self,
    ) -> Result<ProductEvent, ProductRefusal> {
        match (self, present) {
            (Self::Pack(terms), Self::Pack(_)) => {
                Ok(ProductEvent::ProductRevised { at, version, terms })
            }
            (Self::Benefit(terms), Self::Benefit(_)) => {
                Ok(ProductEvent::BenefitRevised { at, version, terms })
            }
            _ => Err(ProductRefusal::OtherKind),
        }
    }
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
    /// Put it on sale, or take it off.
    PutOnSale {
        /// When.
        at: DateTime<Utc>,
        /// Whether it shall be on sale.
        on_sale: bool,
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
    /// It has moved on from the version that the change was made for.
    #[error("the product is at version {version} now")]
    OtherVersion {
        /// The number of its present terms.
        version: u32,
    },
    /// Its terms are those of the other kind.
    #[error("a pack of gold stays one, and so does a benefit: define a new product")]
    OtherKind,
    /// It is sold for the other kind of money.
    #[error("this product is bought with kind {kind:?}")]
    BoughtOtherwise {
        /// The kind to name: `gold` or `item`.
        kind: &'static str,
    },
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

impl Product {
    /// The present terms with their version, also when it is not on sale.
    #[must_use]
    pub fn terms(&self) -> Option<(u32, &Terms)> {
        self.terms.as_ref().map(|terms| (self.version, terms))
    }

    fn on_sale(&self) -> Result<&Terms, ProductRefusal> {
        self.terms.as_ref().filter(|terms| terms.is_on_sale()).ok_or(ProductRefusal::NotFound)
    }

    /// What buying `quantity` of a pack means now.
    ///
    /// # Errors
    /// `NotFound` unless it is on sale; `BoughtOtherwise` if it is a benefit; `TotalTooLarge` if
    /// price or gold overflow.
    pub fn offer(
        &self,
        id: ProductId,
        quantity: Quantity,
        at: DateTime<Utc>,
    ) -> Result<Offer, ProductRefusal> {
        let Terms::Pack(terms) = self.on_sale()? else {
            return Err(ProductRefusal::BoughtOtherwise { kind: "item" });
        };
        let discount_percent = terms.discount_at(at);
        let total = terms.price_cents.discounted_total(quantity, discount_percent);
        Ok(Offer {
            ware: Ware::Product(id),
            product_version: self.version,
            sku: terms.sku.clone(),
            quantity,
            discount_percent,
            total_cents: total.ok_or(ProductRefusal::TotalTooLarge)?,
            currency: terms.currency,
            gold: terms.gold.times(quantity).ok_or(ProductRefusal::TotalTooLarge)?,
            min_rank: terms.min_rank,
            user_limit: None,
            holds_stock: false,
            promo: None,
        })
    }

    /// What buying `quantity` of a benefit means now.
    ///
    /// # Errors
    /// As [`Self::offer`], with packs and benefits exchanged.
    pub fn benefit_offer(
        &self,
        product_id: ProductId,
        quantity: Quantity,
        at: DateTime<Utc>,
    ) -> Result<BenefitOffer, ProductRefusal> {
        let Terms::Benefit(terms) = self.on_sale()? else {
            return Err(ProductRefusal::BoughtOtherwise { kind: "gold" });
        };
        Ok(BenefitOffer {
            product_id,
            product_version: self.version,
            sku: terms.sku.clone(),
            quantity,
            price: terms.price.times(quantity).ok_or(ProductRefusal::TotalTooLarge)?,
            min_rank: terms.min_rank,
            user_limit: terms.user_limit,
            expires_at: terms.expires_at(at),
        })
    }

    /// Some of a benefit as a reward, on sale or not; nothing, if this is no benefit.
    #[must_use]
    pub fn given(
        &self,
        RewardItem { product_id, quantity }: RewardItem,
        at: DateTime<Utc>,
    ) -> Option<GivenItem> {
        let Terms::Benefit(terms) = self.terms.as_ref()? else { return None };
        let (product_version, sku) = (self.version, terms.sku.clone());
        let expires_at = terms.expires_at(at);
        Some(GivenItem { product_id, product_version, sku, quantity, expires_at })
    }
}

impl Aggregate for Product {
    const TYPE: &'static str = "product";
    type Id = ProductId;
    type Command = ProductCommand;
    type Event = ProductEvent;
    type Refusal = ProductRefusal;

    fn decide(&self, command: &ProductCommand) -> Result<Vec<ProductEvent>, ProductRefusal> {
        let Some(present) = &self.terms else {
            return match command {
                ProductCommand::Define { at, terms } => Ok(vec![terms.clone().defined(*at)]),
                _ => Err(ProductRefusal::NotFound),
            };
        };
        let (at, terms) = match command {
            ProductCommand::Define { terms, .. } if terms == present => return Ok(vec![]),
            ProductCommand::Define { .. } => return Err(ProductRefusal::AlreadyDefined),
            ProductCommand::Revise { at, terms } => (*at, terms.clone()),
            ProductCommand::PutOnSale { at, on_sale } => {
                let mut terms = present.clone();
                terms.put_on_sale(*on_sale);
                (*at, terms)
            }
        };
        if terms == *present {
            return Ok(vec![]);
        }
        Ok(vec![terms.revised(at, self.version.saturating_add(1), present)?])
    }

    fn evolve(&mut self, event: &ProductEvent) {
        let (version, terms) = event.terms();
        self.version = version;
        self.terms = Some(terms);
    }

    fn weight(&self) -> usize {
        size_of::<Self>() + 128
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::Period;
    use crate::testing::{at, given, small_pack};
    use std::slice::from_ref;

    fn benefit() -> BenefitTerms {
        BenefitTerms {
            sku: "attendance_connect".into(),
            name: "출석 연결".into(),
            name_en: "Attendance link".into(),
            price: Gold::new(30_000).unwrap(),
            user_limit: Some(UseLimit { count: 3, per: Period::Month }),
            valid_days: Some(30),
            min_rank: Rank::Standard,
            on_sale: true,
        }
    }

    fn state(terms: Terms) -> Product {
        given::<Product>(&[terms.defined(at(0))]).state()
    }

    #[test]
    fn a_product_is_defined_once_and_revised_in_versions() {
        let terms = small_pack();
        let defined = ProductEvent::ProductDefined { at: at(0), terms: terms.clone() };
        let define = ProductCommand::Define { at: at(0), terms: Terms::Pack(terms.clone()) };
        given::<Product>(&[]).when(&define).then(from_ref(&defined));
        given::<Product>(from_ref(&defined)).when(&define).then(&[]);

        let dearer = PackTerms { price_cents: Cents(399), ..terms };
        let revise = ProductCommand::Revise { at: at(1), terms: Terms::Pack(dearer.clone()) };
        given::<Product>(&[defined]).when(&revise).then(&[ProductEvent::ProductRevised {
            at: at(1),
            version: 2,
            terms: dearer,
        }]);
    }

    #[test]
    fn an_unknown_product_cannot_be_revised() {
        let revise = ProductCommand::Revise { at: at(0), terms: Terms::Pack(small_pack()) };
        given::<Product>(&[]).when(&revise).then_refused(&ProductRefusal::NotFound);
    }

    #[test]
    fn a_pack_does_not_become_a_benefit() {
        let defined = ProductEvent::ProductDefined { at: at(0), terms: small_pack() };
        let revise = ProductCommand::Revise { at: at(1), terms: Terms::Benefit(benefit()) };
        given::<Product>(&[defined]).when(&revise).then_refused(&ProductRefusal::OtherKind);
    }

    #[test]
    fn taking_it_off_sale_is_a_version_and_doing_it_twice_is_not() {
        let defined = ProductEvent::BenefitDefined { at: at(0), terms: benefit() };
        let off = ProductCommand::PutOnSale { at: at(1), on_sale: false };
        let revised = ProductEvent::BenefitRevised {
            at: at(1),
            version: 2,
            terms: BenefitTerms { on_sale: false, ..benefit() },
        };
        given::<Product>(from_ref(&defined)).when(&off).then(from_ref(&revised));
        given::<Product>(&[defined, revised]).when(&off).then(&[]);
    }

    #[test]
    fn a_discount_ends_at_its_instant() {
        let terms = PackTerms {
            discount_percent: Percent::new(10).unwrap(),
            discount_ends_at: Some(at(10)),
            ..small_pack()
        };
        let product = state(Terms::Pack(terms));
        let total =
            |second| product.offer(ProductId(1001), Quantity::ONE, at(second)).unwrap().total_cents;
        assert_eq!(total(9), Cents(269));
        assert_eq!(total(10), Cents(299));
    }

    #[test]
    fn what_is_not_on_sale_cannot_be_bought() {
        let product = state(Terms::Pack(PackTerms { on_sale: false, ..small_pack() }));
        let offer = product.offer(ProductId(1001), Quantity::ONE, at(1));
        assert_eq!(offer, Err(ProductRefusal::NotFound));
    }

    #[test]
    fn packs_are_bought_with_money_and_benefits_with_gold() {
        let (id, one) = (ProductId(2002), Quantity::ONE);
        let pack = state(Terms::Pack(small_pack()));
        let other = |kind| ProductRefusal::BoughtOtherwise { kind };
        assert_eq!(pack.benefit_offer(id, one, at(1)), Err(other("gold")));
        let benefit = state(Terms::Benefit(benefit()));
        assert_eq!(benefit.offer(id, one, at(1)), Err(other("item")));
        let offer = benefit.benefit_offer(id, Quantity::new(2).unwrap(), at(1)).unwrap();
        assert_eq!(offer.price.amount(), 60_000);
        assert_eq!(offer.expires_at, Some(at(1) + TimeDelta::days(30)));
    }
}
