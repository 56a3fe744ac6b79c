//! Money, in whole units. No floats, no bare integers past the edge.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// No balance may pass this: far above any game economy, far below where JSON numbers lose digits.
pub const MAX_GOLD: u64 = 1_000_000_000_000_000;

/// An amount of gold without its origin.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
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

    /// This share of it, rounded down: `self × part / whole`. `None` if the whole is nothing.
    #[must_use]
    pub fn share(self, part: Cents, whole: Cents) -> Option<Self> {
        let coins = u128::from(self.0) * u128::from(part.0.min(whole.0));
        u64::try_from(coins.checked_div(u128::from(whole.0))?).ok().map(Self)
    }

    /// What is left without `other`; nothing if that is more.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

    /// Each kind added up.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            paid: self.paid.saturating_add(other.paid),
            free: self.free.saturating_add(other.free),
        }
    }

    /// What the `number`-th, from 1, of `count` equal things has cost that were bought together for
    /// this. The first ones were paid with given gold; together they cost all of it, also if that
    /// cannot be divided evenly.
    #[must_use]
    pub fn of_one(self, number: u8, count: u8) -> Self {
        let until = |number: u8| {
            let part = u128::from(self.total()) * u128::from(number) / u128::from(count.max(1));
            self.first_free(u64::try_from(part).unwrap_or(u64::MAX))
        };
        let (before, after) = (until(number.saturating_sub(1)), until(number));
        Self { paid: after.paid - before.paid, free: after.free - before.free }
    }

    fn is_zero(&self) -> bool {
        self.total() == 0
    }

    /// Up to `amount` of this, given gold before bought gold.
    fn first_free(self, amount: u64) -> Self {
        let free = self.free.min(amount);
        Self { paid: self.paid.min(amount - free), free }
    }

    /// Up to `amount` of this, bought gold before given gold.
    fn first_paid(self, amount: u64) -> Self {
        let paid = self.paid.min(amount);
        Self { paid, free: self.free.min(amount - paid) }
    }
}

/// Everything a player has: the balance that movements carry after themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

    /// Puts gold in. A debt is repaid first, with bought gold before given gold. `None` if the
    /// balance would pass [`MAX_GOLD`].
    #[must_use]
    pub fn credit(self, gold: GoldParts) -> Option<Movement> {
        let repaid = gold.first_paid(self.debt);
        let gold = GoldParts { paid: gold.paid - repaid.paid, free: gold.free - repaid.free };
        let movement = Movement { gold, debt: repaid, balance: self };
        let balance = self.after(Direction::Credit, &movement)?;
        (balance.paid.checked_add(balance.free)? <= MAX_GOLD)
            .then_some(Movement { balance, ..movement })
    }

    /// Takes gold out to spend it. `None` if there is not enough.
    #[must_use]
    pub fn debit(self, gold: Gold, order: SpendOrder) -> Option<Movement> {
        if gold.0 > self.gold() {
            return None;
        }
        let held = GoldParts { paid: self.paid, free: self.free };
        let gold = match order {
            SpendOrder::FreeFirst => held.first_free(gold.0),
            SpendOrder::PaidFirst => held.first_paid(gold.0),
        };
        let movement = Movement { gold, debt: GoldParts::default(), balance: self };
        let balance = self.after(Direction::Debit, &movement)?;
        Some(Movement { balance, ..movement })
    }

    /// Takes bought gold back after its money was returned: bought gold first, then given gold; what
    /// is no longer there becomes a debt. `None` only if the debt would pass [`MAX_GOLD`].
    #[must_use]
    pub fn take_back(self, gold: Gold) -> Option<Movement> {
        let held = GoldParts { paid: self.paid, free: self.free };
        let taken = held.first_paid(gold.0);
        let debt = GoldParts { paid: gold.0 - taken.total(), free: 0 };
        let movement = Movement { gold: taken, debt, balance: self };
        let balance = self.after(Direction::Debit, &movement)?;
        (balance.debt <= MAX_GOLD).then_some(Movement { balance, ..movement })
    }

    /// Takes back what is left of gold that was given: given gold only, and nothing is owed for what is
    /// no longer there. `None` never, for a wallet that there can be.
    #[must_use]
    pub fn take_given(self, gold: Gold) -> Option<Movement> {
        let gold = GoldParts { paid: 0, free: self.free.min(gold.0) };
        let movement = Movement { gold, debt: GoldParts::default(), balance: self };
        let balance = self.after(Direction::Debit, &movement)?;
        Some(Movement { balance, ..movement })
    }

    /// The wallet after a movement of these amounts, whatever balance the movement itself says;
    /// `None` if it cannot have happened to this wallet.
    #[must_use]
    pub fn after(self, direction: Direction, movement: &Movement) -> Option<Self> {
        let Movement { gold, debt, .. } = movement;
        match direction {
            Direction::Credit => Some(Self {
                paid: self.paid.checked_add(gold.paid)?,
                free: self.free.checked_add(gold.free)?,
                debt: self.debt.checked_sub(debt.total())?,
                ..self
            }),
            Direction::Debit => Some(Self {
                paid: self.paid.checked_sub(gold.paid)?,
                free: self.free.checked_sub(gold.free)?,
                debt: self.debt.checked_add(debt.total())?,
                ..self
            }),
        }
    }
}

/// Which way gold moves, seen from the wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Into the wallet.
    Credit,
    /// Out of the wallet.
    Debit,
}

/// Which kind of gold is spent first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SpendOrder {
    /// Given gold first: what was paid for lasts longest.
    #[default]
    FreeFirst,
    /// Bought gold first.
    PaidFirst,
}

/// What a money event carries: the gold that moved, by origin, and the whole wallet after it.
/// The event's type tells the direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Movement {
    /// What moved into or out of the wallet.
    pub gold: GoldParts,
    /// What moved besides as a debt: repaid by a credit, owed after a debit.
    #[serde(default, skip_serializing_if = "GoldParts::is_zero")]
    pub debt: GoldParts,
    /// The wallet after it.
    pub balance: Wallet,
}

/// Real money in hundredths of a currency's unit.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
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

    /// What is left without `other`; nothing if that is more.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// A share of a hundred, 0 to 100.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

    fn wallet(paid: u64, free: u64, debt: u64) -> Wallet {
        Wallet { paid, free, debt, ..Wallet::default() }
    }

    #[test]
    fn what_was_spent_already_becomes_a_debt_and_earnings_repay_it_first() {
        let refunded = wallet(40, 30, 0).take_back(Gold::new(100).unwrap()).unwrap();
        assert_eq!(refunded.gold, GoldParts { paid: 40, free: 30 });
        assert_eq!(refunded.balance, wallet(0, 0, 30));
        let earned = refunded.balance.credit(GoldParts { paid: 0, free: 50 }).unwrap();
        assert_eq!((earned.gold.free, earned.debt.free), (20, 30));
        assert_eq!(earned.balance, wallet(0, 20, 0));
    }

    #[test]
    fn a_setting_spends_bought_gold_first() {
        let spent = wallet(40, 30, 0).debit(Gold::new(50).unwrap(), SpendOrder::PaidFirst).unwrap();
        assert_eq!(spent.gold, GoldParts { paid: 40, free: 10 });
    }

    #[test]
    fn things_that_were_bought_together_cost_the_same_each() {
        let paid = GoldParts { paid: 4, free: 5 };
        let parts = [1, 2, 3].map(|number| paid.of_one(number, 3));
        assert!(parts.iter().all(|part| part.total() == 3), "{parts:?}");
        assert_eq!(parts.into_iter().fold(GoldParts::default(), GoldParts::plus), paid);
        let uneven = GoldParts { paid: 0, free: 301 };
        assert_eq!([1, 2].map(|number| uneven.of_one(number, 2).free), [150, 151]);
    }

    #[test]
    fn shares_are_rounded_down_and_the_whole_is_the_whole() {
        let gold = Gold::new(100).unwrap();
        assert_eq!(gold.share(Cents(100), Cents(299)), Gold::new(33));
        assert_eq!(gold.share(Cents(299), Cents(299)), Some(gold));
        assert_eq!(gold.share(Cents(1), Cents(0)), None);
    }

    proptest! {
        #[test]
        fn debits_take_free_gold_first_and_lose_nothing(paid in 0..1_000u64, free in 0..1_000u64, take in 0..2_500u64) {
            let wallet = wallet(paid, free, 0);
            match wallet.debit(Gold::new(take).unwrap(), SpendOrder::FreeFirst) {
                None => prop_assert!(take > wallet.gold()),
                Some(Movement { gold: taken, balance: after, .. }) => {
                    prop_assert_eq!(taken.total(), take);
                    prop_assert_eq!(after.gold() + take, wallet.gold());
                    prop_assert!(taken.paid == 0 || after.free == 0);
                }
            }
        }

        #[test]
        fn taking_back_and_earning_lose_nothing(paid in 0..500u64, free in 0..500u64, debt in 0..500u64, amount in 0..2_000u64) {
            // What somebody has, less what they owe.
            let worth = |wallet: Wallet| i128::from(wallet.gold()) - i128::from(wallet.debt);
            let before = wallet(paid, free, debt);
            let taken = before.take_back(Gold::new(amount).unwrap()).unwrap();
            prop_assert_eq!(worth(taken.balance), worth(before) - i128::from(amount));
            prop_assert!(taken.balance.gold() == 0 || taken.debt.total() == 0);
            let earned = before.credit(GoldParts { paid: 0, free: amount }).unwrap();
            prop_assert_eq!(worth(earned.balance), worth(before) + i128::from(amount));
            prop_assert!(earned.gold.total() == 0 || earned.balance.debt == 0);
        }
    }
}
