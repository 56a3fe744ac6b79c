//! Something of which there is only so much: held for a purchase while it is under way, then used up
//! or given back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::ReceiptCode;

/// What is left of it, and who holds how much.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    used: u64,
    held: BTreeMap<ReceiptCode, u32>,
}

impl Quota {
    /// How much of `total` is neither used nor held.
    #[must_use]
    pub fn left_of(&self, total: u64) -> u64 {
        total.saturating_sub(self.used).saturating_sub(self.on_hold())
    }

    /// How much is used up.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used
    }

    /// How much is held for purchases under way.
    #[must_use]
    pub fn on_hold(&self) -> u64 {
        self.held.values().map(|count| u64::from(*count)).sum()
    }

    /// Whether this purchase holds any of it.
    #[must_use]
    pub fn is_held_by(&self, receipt: ReceiptCode) -> bool {
        self.held.contains_key(&receipt)
    }

    /// So much is held.
    pub fn hold(&mut self, receipt: ReceiptCode, count: u32) {
        self.held.insert(receipt, count);
    }

    /// What was held is used up.
    pub fn use_up(&mut self, receipt: ReceiptCode) {
        let held = self.held.remove(&receipt).unwrap_or_default();
        self.used = self.used.saturating_add(held.into());
    }

    /// What was held can be had again.
    pub fn give_back(&mut self, receipt: ReceiptCode) {
        self.held.remove(&receipt);
    }

    /// About how many bytes it keeps.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.held.len() * 24
    }
}
