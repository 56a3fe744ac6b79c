//! A player's account: all the money and every purchase of one player, in one stream, so that
//! double spending and double crediting are refused by construction.
//!
//! Stored names in this file are forever; old shapes are kept in `domain/fixtures`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Event};
use crate::id::{ChargeId, PlayerId, ReceiptCode};
use crate::money::{Gold, GoldParts, MAX_GOLD, Movement, Wallet};
use crate::product::{Offer, Rank};

/// What has happened to an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountEvent {
    /// The player signed up.
    AccountOpened {
        /// When.
        at: DateTime<Utc>,
    },
    /// Gold for signing up.
    SignUpBonusGranted {
        /// When.
        at: DateTime<Utc>,
        /// Credit.
        movement: Movement,
    },
    /// An admin gave gold. The reason's text stands beside the log, by this event's position.
    GoldGranted {
        /// When.
        at: DateTime<Utc>,
        /// The grant's receipt.
        receipt_code: ReceiptCode,
        /// Credit.
        movement: Movement,
    },
    /// An admin gave vip points.
    VipPointsGranted {
        /// When.
        at: DateTime<Utc>,
        /// The grant's receipt.
        receipt_code: ReceiptCode,
        /// How many points were added.
        vip_points: u64,
        /// The wallet after it.
        balance: Wallet,
    },
    /// Gold was spent.
    GoldSpent {
        /// When.
        at: DateTime<Utc>,
        /// What the gold was spent on.
        reference: String,
        /// Debit.
        movement: Movement,
    },
    /// A purchase began. Nothing has been charged.
    PurchaseRequested {
        /// When.
        at: DateTime<Utc>,
        /// The purchase's id.
        receipt_code: ReceiptCode,
        /// Its name at the payment provider.
        charge_id: ChargeId,
        /// How the player pays, as the player named it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        payment_method: Option<String>,
        /// The terms it is made under.
        offer: Offer,
    },
    /// The provider has the money; this event itself credits the gold.
    PurchaseCompleted {
        /// When.
        at: DateTime<Utc>,
        /// Which purchase.
        receipt_code: ReceiptCode,
        /// Credit.
        movement: Movement,
    },
    /// The provider declined it. Nothing was charged.
    PurchaseFailed {
        /// When.
        at: DateTime<Utc>,
        /// Which purchase.
        receipt_code: ReceiptCode,
        /// Why.
        reason: FailureReason,
    },
    /// It was given up, at the provider first. Nothing was charged.
    PurchaseVoided {
        /// When.
        at: DateTime<Utc>,
        /// Which purchase.
        receipt_code: ReceiptCode,
        /// Why.
        reason: VoidReason,
    },
}

impl Event for AccountEvent {
    fn event_type(&self) -> &'static str {
        match self {
            Self::AccountOpened { .. } => "account_opened",
            Self::SignUpBonusGranted { .. } => "sign_up_bonus_granted",
            Self::GoldGranted { .. } => "gold_granted",
            Self::VipPointsGranted { .. } => "vip_points_granted",
            Self::GoldSpent { .. } => "gold_spent",
            Self::PurchaseRequested { .. } => "purchase_requested",
            Self::PurchaseCompleted { .. } => "purchase_completed",
            Self::PurchaseFailed { .. } => "purchase_failed",
            Self::PurchaseVoided { .. } => "purchase_voided",
        }
    }

    fn current_version(_event_type: &str) -> &'static str {
        "1"
    }
}

/// Why a provider did not take the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FailureReason {
    /// The card was declined.
    PaymentDeclined,
}

/// Why a purchase was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum VoidReason {
    /// It was left unfinished, and the provider had not taken the money.
    Abandoned,
}

/// The other side of a movement of gold: where it came from or went to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CounterAccount {
    /// Gifts that everybody gets.
    Promotion,
    /// Grants by admins.
    Issuance,
    /// Sold for real money.
    Sales,
    /// Gold that left the game.
    Sink,
}

impl CounterAccount {
    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Promotion => "promotion",
            Self::Issuance => "issuance",
            Self::Sales => "sales",
            Self::Sink => "sink",
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

/// A movement of gold as books show it: both sides, kind and reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// When.
    pub at: DateTime<Utc>,
    /// Which kind of movement.
    pub kind: &'static str,
    /// Receipt, or what it was for.
    pub reference: String,
    /// The other side.
    pub counter_account: CounterAccount,
    /// Into or out of the wallet.
    pub direction: Direction,
    /// What moved, and the wallet after it.
    pub movement: Movement,
}

impl AccountEvent {
    /// The movement of gold that this event is, if it is one.
    #[must_use]
    pub fn ledger_entry(&self) -> Option<LedgerEntry> {
        use CounterAccount::{Issuance, Promotion, Sales, Sink};
        use Direction::{Credit, Debit};
        let (at, kind, reference, counter_account, direction, movement) = match self {
            Self::SignUpBonusGranted { at, movement } => {
                (at, "sign_up_bonus", "sign_up".to_owned(), Promotion, Credit, movement)
            }
            Self::GoldGranted { at, receipt_code, movement } => {
                (at, "grant", receipt_code.to_string(), Issuance, Credit, movement)
            }
            Self::GoldSpent { at, reference, movement } => {
                (at, "spend", reference.clone(), Sink, Debit, movement)
            }
            Self::PurchaseCompleted { at, receipt_code, movement } => {
                (at, "purchase", receipt_code.to_string(), Sales, Credit, movement)
            }
            Self::AccountOpened { .. }
            | Self::VipPointsGranted { .. }
            | Self::PurchaseRequested { .. }
            | Self::PurchaseFailed { .. }
            | Self::PurchaseVoided { .. } => return None,
        };
        Some(LedgerEntry {
            at: *at,
            kind,
            reference,
            counter_account,
            direction,
            movement: *movement,
        })
    }

    /// The whole wallet after this event, if it changed it.
    #[must_use]
    pub fn wallet_after(&self) -> Option<Wallet> {
        match self {
            Self::VipPointsGranted { balance, .. } => Some(*balance),
            Self::SignUpBonusGranted { movement, .. }
            | Self::GoldGranted { movement, .. }
            | Self::GoldSpent { movement, .. }
            | Self::PurchaseCompleted { movement, .. } => Some(movement.balance),
            Self::AccountOpened { .. }
            | Self::PurchaseRequested { .. }
            | Self::PurchaseFailed { .. }
            | Self::PurchaseVoided { .. } => None,
        }
    }
}

/// What may be asked of an account.
#[derive(Debug, Clone)]
pub enum AccountCommand {
    /// Open it, with gold for signing up; asking again does nothing.
    Open {
        /// When.
        at: DateTime<Utc>,
        /// Gold to start with.
        bonus: Gold,
    },
    /// Give gold.
    GrantGold {
        /// When.
        at: DateTime<Utc>,
        /// The grant's receipt.
        receipt_code: ReceiptCode,
        /// How much.
        gold: Gold,
    },
    /// Give vip points.
    GrantVipPoints {
        /// When.
        at: DateTime<Utc>,
        /// The grant's receipt.
        receipt_code: ReceiptCode,
        /// How many.
        vip_points: u64,
    },
    /// Spend gold.
    Spend {
        /// When.
        at: DateTime<Utc>,
        /// On what.
        reference: String,
        /// How much.
        gold: Gold,
    },
    /// Begin a purchase for real money.
    RequestPurchase {
        /// When.
        at: DateTime<Utc>,
        /// The purchase's id.
        receipt_code: ReceiptCode,
        /// Its name at the provider.
        charge_id: ChargeId,
        /// How the player pays.
        payment_method: Option<String>,
        /// The terms, made by the product.
        offer: Offer,
        /// The buyer's rank.
        rank: Rank,
    },
    /// The provider has the money.
    CompletePurchase {
        /// When.
        at: DateTime<Utc>,
        /// Which purchase.
        receipt_code: ReceiptCode,
    },
    /// The provider declined.
    FailPurchase {
        /// When.
        at: DateTime<Utc>,
        /// Which purchase.
        receipt_code: ReceiptCode,
        /// Why.
        reason: FailureReason,
    },
    /// The provider has made sure that it never takes the money.
    VoidPurchase {
        /// When.
        at: DateTime<Utc>,
        /// Which purchase.
        receipt_code: ReceiptCode,
        /// Why.
        reason: VoidReason,
    },
}

/// Why an account refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountRefusal {
    /// Nobody has opened this account.
    #[error("there is no such account")]
    NoSuchAccount,
    /// Nothing would move.
    #[error("the amount must be at least 1")]
    NothingToMove,
    /// The wallet would outgrow what money can be.
    #[error("the balance would be larger than any balance may be")]
    BalanceTooLarge,
    /// Not enough gold.
    #[error("not enough gold: {has} of {needs}")]
    InsufficientGold {
        /// What there is.
        has: u64,
        /// What it takes.
        needs: u64,
    },
    /// The product is for a higher rank.
    #[error("this product is for rank {needs:?} and above")]
    RankRequired {
        /// The least rank.
        needs: Rank,
    },
    /// The purchase has ended already, or never was.
    #[error("the purchase is not under way")]
    PurchaseNotOpen,
    /// The receipt code is taken.
    #[error("the receipt code is already in use")]
    ReceiptInUse,
}

/// An account as its stream tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    opened: bool,
    wallet: Wallet,
    open_purchases: BTreeMap<ReceiptCode, Gold>,
}

impl Account {
    /// Whether anybody has opened it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.opened
    }

    /// What it holds.
    #[must_use]
    pub fn wallet(&self) -> Wallet {
        self.wallet
    }

    /// Purchases that have begun and not ended.
    pub fn open_purchases(&self) -> impl Iterator<Item = ReceiptCode> + '_ {
        self.open_purchases.keys().copied()
    }

    /// A credit that leaves room for every purchase under way: once the provider has the money,
    /// completing cannot be refused any more.
    fn credit(&self, gold: GoldParts) -> Result<Movement, AccountRefusal> {
        if gold.total() == 0 {
            return Err(AccountRefusal::NothingToMove);
        }
        let coming: u64 = self.open_purchases.values().map(|gold| gold.amount()).sum();
        let balance = self.wallet.credit(gold).ok_or(AccountRefusal::BalanceTooLarge)?;
        if balance.gold().saturating_add(coming) > MAX_GOLD {
            return Err(AccountRefusal::BalanceTooLarge);
        }
        Ok(Movement { gold, balance })
    }

    fn debit(&self, gold: Gold) -> Result<Movement, AccountRefusal> {
        if gold == Gold::ZERO {
            return Err(AccountRefusal::NothingToMove);
        }
        let (gold, balance) = self.wallet.debit(gold).ok_or(AccountRefusal::InsufficientGold {
            has: self.wallet.gold(),
            needs: gold.amount(),
        })?;
        Ok(Movement { gold, balance })
    }

    fn open(at: DateTime<Utc>, bonus: Gold) -> Result<Vec<AccountEvent>, AccountRefusal> {
        let movement = Self::default().credit(GoldParts::all_free(bonus))?;
        Ok(vec![
            AccountEvent::AccountOpened { at },
            AccountEvent::SignUpBonusGranted { at, movement },
        ])
    }

    fn grant_vip_points(
        &self,
        at: DateTime<Utc>,
        receipt_code: ReceiptCode,
        vip_points: u64,
    ) -> Result<AccountEvent, AccountRefusal> {
        if vip_points == 0 {
            return Err(AccountRefusal::NothingToMove);
        }
        let after = self.wallet.vip_points.checked_add(vip_points);
        let after = after.filter(|points| *points <= MAX_GOLD);
        let after = after.ok_or(AccountRefusal::BalanceTooLarge)?;
        let balance = Wallet { vip_points: after, ..self.wallet };
        Ok(AccountEvent::VipPointsGranted { at, receipt_code, vip_points, balance })
    }

    fn request(&self, offer: &Offer, code: ReceiptCode, rank: Rank) -> Result<(), AccountRefusal> {
        if rank < offer.min_rank {
            return Err(AccountRefusal::RankRequired { needs: offer.min_rank });
        }
        if self.open_purchases.contains_key(&code) {
            return Err(AccountRefusal::ReceiptInUse);
        }
        self.credit(GoldParts::all_paid(offer.gold)).map(drop)
    }

    fn complete(&self, code: ReceiptCode) -> Result<Movement, AccountRefusal> {
        let gold = GoldParts::all_paid(self.bought_gold(code)?);
        let balance = self.wallet.credit(gold).ok_or(AccountRefusal::BalanceTooLarge)?;
        Ok(Movement { gold, balance })
    }

    fn bought_gold(&self, code: ReceiptCode) -> Result<Gold, AccountRefusal> {
        self.open_purchases.get(&code).copied().ok_or(AccountRefusal::PurchaseNotOpen)
    }
}

impl Aggregate for Account {
    const TYPE: &'static str = "account";
    type Id = PlayerId;
    type Command = AccountCommand;
    type Event = AccountEvent;
    type Refusal = AccountRefusal;

    fn decide(&self, command: &AccountCommand) -> Result<Vec<AccountEvent>, AccountRefusal> {
        if let AccountCommand::Open { at, bonus } = command {
            return if self.opened { Ok(vec![]) } else { Self::open(*at, *bonus) };
        }
        if !self.opened {
            return Err(AccountRefusal::NoSuchAccount);
        }
        let event = match command.clone() {
            AccountCommand::Open { .. } => return Ok(vec![]),
            AccountCommand::GrantGold { at, receipt_code, gold } => {
                let movement = self.credit(GoldParts::all_free(gold))?;
                AccountEvent::GoldGranted { at, receipt_code, movement }
            }
            AccountCommand::GrantVipPoints { at, receipt_code, vip_points } => {
                self.grant_vip_points(at, receipt_code, vip_points)?
            }
            AccountCommand::Spend { at, reference, gold } => {
                let movement = self.debit(gold)?;
                AccountEvent::GoldSpent { at, reference, movement }
            }
            AccountCommand::RequestPurchase {
                at,
                receipt_code,
                charge_id,
                payment_method,
                offer,
                rank,
            } => {
                self.request(&offer, receipt_code, rank)?;
                AccountEvent::PurchaseRequested {
                    at,
                    receipt_code,
                    charge_id,
                    payment_method,
                    offer,
                }
            }
            AccountCommand::CompletePurchase { at, receipt_code } => {
                let movement = self.complete(receipt_code)?;
                AccountEvent::PurchaseCompleted { at, receipt_code, movement }
            }
            AccountCommand::FailPurchase { at, receipt_code, reason } => {
                self.bought_gold(receipt_code)?;
                AccountEvent::PurchaseFailed { at, receipt_code, reason }
            }
            AccountCommand::VoidPurchase { at, receipt_code, reason } => {
                self.bought_gold(receipt_code)?;
                AccountEvent::PurchaseVoided { at, receipt_code, reason }
            }
        };
        Ok(vec![event])
    }

    fn evolve(&mut self, event: &AccountEvent) {
        if let Some(wallet) = event.wallet_after() {
            self.wallet = wallet;
        }
        match event {
            AccountEvent::AccountOpened { .. } => self.opened = true,
            AccountEvent::PurchaseRequested { receipt_code, offer, .. } => {
                self.open_purchases.insert(*receipt_code, offer.gold);
            }
            AccountEvent::PurchaseCompleted { receipt_code, .. }
            | AccountEvent::PurchaseFailed { receipt_code, .. }
            | AccountEvent::PurchaseVoided { receipt_code, .. } => {
                self.open_purchases.remove(receipt_code);
            }
            AccountEvent::SignUpBonusGranted { .. }
            | AccountEvent::GoldGranted { .. }
            | AccountEvent::VipPointsGranted { .. }
            | AccountEvent::GoldSpent { .. } => {}
        }
    }

    fn weight(&self) -> usize {
        size_of::<Self>() + self.open_purchases.len() * 32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ProductId;
    use crate::money::Quantity;
    use crate::product::{Product, ProductEvent};
    use crate::testing::{at, given, small_pack};
    use proptest::prelude::*;

    fn gold(amount: u64) -> Gold {
        Gold::new(amount).unwrap()
    }

    fn code(n: u64) -> ReceiptCode {
        ReceiptCode::from_bits(n)
    }

    fn wallet(paid: u64, free: u64) -> Wallet {
        Wallet { paid, free, ..Wallet::default() }
    }

    fn opened() -> Vec<AccountEvent> {
        Account::open(at(0), gold(1_000)).unwrap()
    }

    fn offer() -> Offer {
        let defined = ProductEvent::ProductDefined { at: at(0), terms: small_pack() };
        let product = given::<Product>(&[defined]).state();
        product.offer(ProductId(1001), Quantity::ONE, at(1)).unwrap()
    }

    fn request(n: u64) -> AccountCommand {
        AccountCommand::RequestPurchase {
            at: at(1),
            receipt_code: code(n),
            charge_id: ChargeId::from_bits(n.into()),
            payment_method: None,
            offer: offer(),
            rank: Rank::Standard,
        }
    }

    fn requested(n: u64) -> AccountEvent {
        given::<Account>(&opened()).state().decide(&request(n)).unwrap().remove(0)
    }

    fn with(more: &[AccountEvent]) -> Vec<AccountEvent> {
        [&opened()[..], more].concat()
    }

    #[test]
    fn signing_up_pays_a_thousand_gold_once() {
        let open = AccountCommand::Open { at: at(0), bonus: gold(1_000) };
        given::<Account>(&[]).when(&open).then(&[
            AccountEvent::AccountOpened { at: at(0) },
            AccountEvent::SignUpBonusGranted {
                at: at(0),
                movement: Movement {
                    gold: GoldParts { paid: 0, free: 1_000 },
                    balance: wallet(0, 1_000),
                },
            },
        ]);
        given::<Account>(&opened()).when(&open).then(&[]);
    }

    #[test]
    fn nothing_can_be_asked_of_an_account_that_nobody_opened() {
        let grant = AccountCommand::GrantGold { at: at(1), receipt_code: code(1), gold: gold(5) };
        given::<Account>(&[]).when(&grant).then_refused(&AccountRefusal::NoSuchAccount);
    }

    #[test]
    fn a_grant_carries_the_balance_after_it() {
        let grant = AccountCommand::GrantGold { at: at(1), receipt_code: code(1), gold: gold(5) };
        let movement = Movement { gold: GoldParts { paid: 0, free: 5 }, balance: wallet(0, 1_005) };
        let granted = AccountEvent::GoldGranted { at: at(1), receipt_code: code(1), movement };
        given::<Account>(&opened()).when(&grant).then(&[granted]);
    }

    #[test]
    fn a_balance_never_goes_below_zero() {
        let spend = |amount| AccountCommand::Spend {
            at: at(1),
            reference: "test".into(),
            gold: gold(amount),
        };
        let refusal = AccountRefusal::InsufficientGold { has: 1_000, needs: 1_001 };
        given::<Account>(&opened()).when(&spend(1_001)).then_refused(&refusal);
        given::<Account>(&opened()).when(&spend(0)).then_refused(&AccountRefusal::NothingToMove);
    }

    #[test]
    fn free_gold_is_spent_before_paid_gold() {
        let movement =
            Movement { gold: GoldParts { paid: 100, free: 0 }, balance: wallet(100, 1_000) };
        let bought = AccountEvent::PurchaseCompleted { at: at(2), receipt_code: code(1), movement };
        let spend = AccountCommand::Spend { at: at(3), reference: "t".into(), gold: gold(1_050) };
        given::<Account>(&with(&[requested(1), bought])).when(&spend).then(&[
            AccountEvent::GoldSpent {
                at: at(3),
                reference: "t".into(),
                movement: Movement {
                    gold: GoldParts { paid: 50, free: 1_000 },
                    balance: wallet(50, 0),
                },
            },
        ]);
    }

    #[test]
    fn a_purchase_is_credited_by_its_completion_and_only_once() {
        let complete = AccountCommand::CompletePurchase { at: at(2), receipt_code: code(1) };
        let movement =
            Movement { gold: GoldParts { paid: 100, free: 0 }, balance: wallet(100, 1_000) };
        let completed =
            AccountEvent::PurchaseCompleted { at: at(2), receipt_code: code(1), movement };
        let history = with(&[requested(1)]);
        given::<Account>(&history).when(&complete).then(std::slice::from_ref(&completed));
        let ended = with(&[requested(1), completed]);
        given::<Account>(&ended).when(&complete).then_refused(&AccountRefusal::PurchaseNotOpen);
    }

    #[test]
    fn a_purchase_has_one_end() {
        let failed = AccountEvent::PurchaseFailed {
            at: at(2),
            receipt_code: code(1),
            reason: FailureReason::PaymentDeclined,
        };
        for command in [
            AccountCommand::CompletePurchase { at: at(3), receipt_code: code(1) },
            AccountCommand::VoidPurchase {
                at: at(3),
                receipt_code: code(1),
                reason: VoidReason::Abandoned,
            },
        ] {
            given::<Account>(&with(&[requested(1), failed.clone()]))
                .when(&command)
                .then_refused(&AccountRefusal::PurchaseNotOpen);
        }
    }

    #[test]
    fn a_product_for_vips_is_not_sold_to_others() {
        let AccountCommand::RequestPurchase { at, receipt_code, charge_id, offer, .. } = request(1)
        else {
            unreachable!()
        };
        let request = |rank| AccountCommand::RequestPurchase {
            at,
            receipt_code,
            charge_id,
            payment_method: None,
            offer: Offer { min_rank: Rank::Vip, ..offer.clone() },
            rank,
        };
        let refusal = AccountRefusal::RankRequired { needs: Rank::Vip };
        given::<Account>(&opened()).when(&request(Rank::Standard)).then_refused(&refusal);
        assert!(given::<Account>(&opened()).state().decide(&request(Rank::Vip)).is_ok());
    }

    #[test]
    fn gold_on_its_way_is_counted_before_the_provider_is_asked() {
        let room = MAX_GOLD - 1_000 - 100;
        let grant = |amount| AccountCommand::GrantGold {
            at: at(2),
            receipt_code: code(9),
            gold: gold(amount),
        };
        let state = given::<Account>(&with(&[requested(1)])).state();
        assert_eq!(state.decide(&grant(room + 1)), Err(AccountRefusal::BalanceTooLarge));
        assert!(state.decide(&grant(room)).is_ok());
    }

    proptest! {
        /// Whatever is asked, each movement's carried balance follows from the one before it.
        #[test]
        fn carried_balances_follow_from_each_other(asks in prop::collection::vec((0..5u8, 0..3_000u64), 1..60)) {
            let mut state = Account::default();
            let mut sum = 0i128;
            let opening = AccountCommand::Open { at: at(0), bonus: gold(1_000) };
            let commands = asks.iter().zip(0u64..).map(|((what, amount), n)| match what {
                0 => AccountCommand::GrantGold { at: at(1), receipt_code: code(n), gold: gold(*amount) },
                1 => AccountCommand::Spend { at: at(1), reference: "t".into(), gold: gold(*amount) },
                2 => request(n),
                3 => AccountCommand::CompletePurchase { at: at(1), receipt_code: code(n.saturating_sub(1)) },
                _ => AccountCommand::VoidPurchase { at: at(1), receipt_code: code(n.saturating_sub(1)), reason: VoidReason::Abandoned },
            });
            for command in std::iter::once(opening).chain(commands) {
                for event in state.decide(&command).unwrap_or_default() {
                    if let Some(entry) = event.ledger_entry() {
                        let moved = i128::from(entry.movement.gold.total());
                        sum += if entry.direction == Direction::Credit { moved } else { -moved };
                        prop_assert_eq!(sum, i128::from(entry.movement.balance.gold()));
                    }
                    state.evolve(&event);
                }
            }
            prop_assert_eq!(sum, i128::from(state.wallet().gold()));
        }
    }
}
