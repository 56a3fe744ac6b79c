//! What players get for what they did: promised in the terms of events and missions, paid by events
//! of their accounts.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::ProductId;
use crate::money::{Gold, Movement, Quantity};

/// What is promised.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rewards {
    /// Gold, of the free kind.
    #[serde(default, skip_serializing_if = "is_no_gold")]
    pub gold: Gold,
    /// The second currency.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub vip_points: u64,
    /// Experience.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub xp: u64,
    /// Benefits of the catalogue, for the inventory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<RewardItem>,
}

impl Rewards {
    /// Items of one reward, all in all, at most: each gets a number of its own.
    pub const MOST_ITEMS: u64 = 99;

    /// Whether it is worth anything.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// How many items it has, all in all.
    #[must_use]
    pub fn item_count(&self) -> u64 {
        self.items.iter().map(|item| u64::from(u8::from(item.quantity))).sum()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this signature")]
fn is_no_gold(gold: &Gold) -> bool {
    *gold == Gold::ZERO
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this signature")]
fn is_zero(amount: &u64) -> bool {
    *amount == 0
}

/// Some of one benefit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RewardItem {
    /// Which.
    pub product_id: ProductId,
    /// How many.
    pub quantity: Quantity,
}

/// A benefit as it was given: on the terms of its product at that moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GivenItem {
    /// Which.
    pub product_id: ProductId,
    /// Which version of its terms.
    pub product_version: u32,
    /// Its catalogue name.
    pub sku: String,
    /// How many.
    pub quantity: Quantity,
    /// When it can no longer be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
}

/// What an event of an account has paid, whole: gold, points, experience and items in one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reward {
    /// Vip points that were added; in the movement's balance already.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub vip_points: u64,
    /// Experience that it gave.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub xp: u64,
    /// All experience after it.
    pub xp_after: u64,
    /// What went into the inventory, numbered from 1 under the reward's receipt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<GivenItem>,
    /// The gold, and the whole wallet after the reward. It may be no gold.
    pub movement: Movement,
}

impl Reward {
    /// All gold that it gave, what repaid a debt included.
    #[must_use]
    pub fn gold(&self) -> u64 {
        self.movement.gold.plus(self.movement.debt).total()
    }
}
