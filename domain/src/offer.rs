//! What a purchase is made under: fixed when it is requested, whatever the catalogue does later.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, Utc};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{PackageCode, ProductId, PromoCode};
use crate::limit::UseLimit;
use crate::money::{Cents, Currency, Gold, Percent, Quantity};

/// A player's standing, lowest first.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Rank {
    /// Everybody.
    #[default]
    Standard,
    /// Invited guests of the house.
    Vip,
}

/// What is bought: a product by its number, or a limited package by its code. Stored as a number or
/// a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ware {
    /// Of the catalogue.
    Product(ProductId),
    /// For a while, or as long as there are any.
    Package(PackageCode),
}

impl fmt::Display for Ware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Product(id) => id.fmt(f),
            Self::Package(code) => code.fmt(f),
        }
    }
}

impl JsonSchema for Ware {
    fn schema_name() -> Cow<'static, str> {
        "Ware".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let product = generator.subschema_for::<ProductId>();
        let package = generator.subschema_for::<PackageCode>();
        json_schema!({"anyOf": [product, package]})
    }
}

impl Serialize for Ware {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Product(id) => id.serialize(serializer),
            Self::Package(code) => code.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Ware {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrText;
        impl Visitor<'_> for NumberOrText {
            type Value = Ware;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a product's number or a package's code")
            }

            fn visit_i64<E: de::Error>(self, id: i64) -> Result<Ware, E> {
                Ok(Ware::Product(ProductId(id)))
            }

            fn visit_u64<E: de::Error>(self, id: u64) -> Result<Ware, E> {
                i64::try_from(id).map(|id| Ware::Product(ProductId(id))).map_err(E::custom)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Ware, E> {
                text.parse().map(Ware::Package).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(NumberOrText)
    }
}

/// The terms of a purchase of gold for real money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Offer {
    /// What.
    #[serde(rename = "product_id")]
    pub ware: Ware,
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
    /// How many one player may buy, if that is limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_limit: Option<UseLimit>,
    /// Whether stock is held for it until it ends.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub holds_stock: bool,
    /// The promotion that made it cheaper.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promo: Option<AppliedPromo>,
}

/// A promotion as it counts in one purchase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AppliedPromo {
    /// Which.
    pub code: PromoCode,
    /// What it took off the discounted total.
    pub off_cents: Cents,
    /// How often one player may use it, if that is limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_limit: Option<u32>,
    /// Whether one of its uses is held until the purchase ends.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub holds_use: bool,
}

/// The terms of a purchase of a benefit for gold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BenefitOffer {
    /// What.
    pub product_id: ProductId,
    /// Which version of its terms.
    pub product_version: u32,
    /// Its catalogue name.
    pub sku: String,
    /// How many.
    pub quantity: Quantity,
    /// What it costs, all in all.
    pub price: Gold,
    /// The least rank that may buy it.
    pub min_rank: Rank,
    /// How many one player may buy, if that is limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_limit: Option<UseLimit>,
    /// When what was bought can no longer be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ware_is_stored_as_a_number_or_a_text() {
        for (ware, text) in [
            (Ware::Product(ProductId(1001)), "1001"),
            (Ware::Package("VIP_BLITZ".parse().unwrap()), "\"VIP_BLITZ\""),
        ] {
            assert_eq!(serde_json::to_string(&ware).unwrap(), text);
            assert_eq!(serde_json::from_str::<Ware>(text).unwrap(), ware);
        }
        assert!(serde_json::from_str::<Ware>("\"1001\"").is_err());
    }
}
