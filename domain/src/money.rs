//! Money, in whole units. No floats, no bare integers past the edge.

use serde::{Deserialize, Serialize};

/// No balance may pass this: far above any game economy, far below where JSON numbers lose digits.
pub const MAX_GOLD: u64 = 1_000_000_000_000_000;

/// An amount of gold without its origin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Gold(u64);

impl Gold {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// An amount up to [`MAX_GOLD`]; more is `None`.
    #[must_use]
    pub fn new(amount: u64) -> Option<Self> {
        (amount <= MAX_GOLD).then_some(Self(amount))
    }

    /// The number of coins.
    #[must_use]
    pub fn amount(self) -> u64 {
        self.0
    }

    /// `self × quantity`, unless it passes [`MAX_GOLD`].
    #[must_use]
    pub fn times(self, quantity: Quantity) -> Option<Self> {
        self.0.checked_mul(u64::from(quantity.0)).and_then(Self::new)
    }
}

/// Gold by origin: bought with real money, or given. Told apart in every movement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoldParts {
    /// Bought with real money.
    pub paid: u64,
    /// Given: bonuses, grants, rewards.
    pub free: u64,
}

impl GoldParts {
    /// All of it bought.
    #[must_use]
    pub fn all_paid(gold: Gold) -> Self {
        Self { paid: gold.0, free: 0 }
    }

    /// All of it given.
    #[must_use]
    pub fn all_free(gold: Gold) -> Self {
        Self { paid: 0, free: gold.0 }
    }

    /// Both kinds together.
    #[must_use]
    pub fn total(self) -> u64 {
        self.paid.saturating_add(self.free)
    }
}

/// Everything a player has: the balance that movements carry after themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wallet {
    /// Bought gold.
    pub paid: u64,
    /// Given gold.
    pub free: u64,
    /// Gold owed after a refund of what was already spent.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub debt: u64,
    /// The second currency; not gold, never spent on it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub vip_points: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this signature")]
fn is_zero(amount: &u64) -> bool {
    *amount == 0
}

impl Wallet {
    /// Spendable gold of both kinds.
    #[must_use]
    pub fn gold(self) -> u64 {
        self.paid.saturating_add(self.free)
    }

    /// The wallet with `gold` more in it, unless it would pass [`MAX_GOLD`].
    #[must_use]
    pub fn credit(self, gold: GoldParts) -> Option<Self> {
        let after = Self {
            paid: self.paid.checked_add(gold.paid)?,
            free: self.free.checked_add(gold.free)?,
            ..self
        };
        (after.paid.checked_add(after.free)? <= MAX_GOLD).then_some(after)
    }

    /// Takes `gold` out, given gold first: what was taken and what is left; `None` if there is not
    /// enough.
    #[must_use]
    pub fn debit(self, gold: Gold) -> Option<(GoldParts, Self)> {
        let free = self.free.min(gold.0);
        let paid = gold.0 - free;
        let after = Self { paid: self.paid.checked_sub(paid)?, free: self.free - free, ..self };
        Some((GoldParts { paid, free }, after))
    }
}

/// What a money event carries: the gold that moved, by origin, and the whole wallet after it.
/// The event's type tells the direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Movement {
    /// What moved.
    pub gold: GoldParts,
    /// The wallet after it.
    pub balance: Wallet,
}

/// Real money in hundredths of a currency's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cents(pub u64);

impl Cents {
    /// `self × quantity × (100 − discount) / 100`, floored to a cent; `None` on overflow.
    #[must_use]
    pub fn discounted_total(self, quantity: Quantity, discount: Percent) -> Option<Self> {
        let full = self.0.checked_mul(u64::from(quantity.0))?;
        let left = 100 - u64::from(discount.0);
        Some(Self(full.checked_mul(left)? / 100))
    }
}

/// A share of a hundred, 0 to 100.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Percent(u8);

impl Percent {
    /// `None` above 100.
    #[must_use]
    pub fn new(percent: u8) -> Option<Self> {
        (percent <= 100).then_some(Self(percent))
    }
}

impl TryFrom<u8> for Percent {
    type Error = &'static str;
    fn try_from(percent: u8) -> Result<Self, Self::Error> {
        Self::new(percent).ok_or("a percentage is 0 to 100")
    }
}

impl From<Percent> for u8 {
    fn from(percent: Percent) -> u8 {
        percent.0
    }
}

/// How many of a product, 1 to 99.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Quantity(u8);

impl Quantity {
    /// One piece.
    pub const ONE: Self = Self(1);

    /// `None` outside 1 to 99.
    #[must_use]
    pub fn new(quantity: u8) -> Option<Self> {
        (1..=99).contains(&quantity).then_some(Self(quantity))
    }
}

impl TryFrom<u8> for Quantity {
    type Error = &'static str;
    fn try_from(quantity: u8) -> Result<Self, Self::Error> {
        Self::new(quantity).ok_or("a quantity is 1 to 99")
    }
}

impl From<Quantity> for u8 {
    fn from(quantity: Quantity) -> u8 {
        quantity.0
    }
}

/// An ISO 4217 code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

impl Currency {
    /// United States dollar, the catalogue's currency.
    pub const USD: Self = Self(*b"USD");

    /// Three capital letters; anything else is `None`.
    #[must_use]
    pub fn new(code: &str) -> Option<Self> {
        let bytes: [u8; 3] = code.as_bytes().try_into().ok()?;
        bytes.iter().all(u8::is_ascii_uppercase).then_some(Self(bytes))
    }
}

impl TryFrom<String> for Currency {
    type Error = &'static str;
    fn try_from(code: String) -> Result<Self, Self::Error> {
        Self::new(&code).ok_or("a currency is an ISO 4217 code such as USD")
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> String {
        currency.0.iter().map(|&b| char::from(b)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quantity(n: u8) -> Quantity {
        Quantity::new(n).unwrap()
    }

    #[test]
    fn totals_are_floored_to_a_cent() {
        let discounted = |cents, n, percent| {
            Cents(cents).discounted_total(quantity(n), Percent::new(percent).unwrap()).unwrap()
        };
        assert_eq!(discounted(1299, 1, 8), Cents(1195)); // 1195.08
        assert_eq!(discounted(2499, 1, 12), Cents(2199)); // 2199.12
        assert_eq!(discounted(5999, 99, 15), Cents(504_815)); // 504815.85
        assert_eq!(discounted(299, 2, 0), Cents(598));
    }

    #[test]
    fn quantities_are_one_to_ninety_nine() {
        assert!(Quantity::new(0).is_none() && Quantity::new(100).is_none());
        assert_eq!(Gold::new(100).unwrap().times(quantity(99)), Gold::new(9_900));
    }

    proptest! {
        #[test]
        fn debits_take_free_gold_first_and_lose_nothing(paid in 0..1_000u64, free in 0..1_000u64, take in 0..2_500u64) {
            let wallet = Wallet { paid, free, ..Wallet::default() };
            match wallet.debit(Gold::new(take).unwrap()) {
                None => prop_assert!(take > wallet.gold()),
                Some((taken, after)) => {
                    prop_assert_eq!(taken.total(), take);
                    prop_assert_eq!(after.gold() + take, wallet.gold());
                    prop_assert!(taken.paid == 0 || after.free == 0);
                }
            }
        }
    }
}
