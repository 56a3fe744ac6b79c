//! What may be asked of an account, and why it refuses.

use chrono::{DateTime, Utc};

use super::event::{FailureReason, FraudRule, VoidReason};
use crate::activity::MissionPeriod;
use crate::id::{CardPrint, ChargeId, ItemId, LiveEventId, MissionId, ReceiptCode};
use crate::limit::{Rate, UseLimit};
use crate::live_event::{Seat, Segment};
use crate::money::{Cents, Gold, SpendOrder};
use crate::offer::{BenefitOffer, Offer, Rank};
use crate::reward::{GivenItem, Rewards};

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
        /// Of which kind first.
        order: SpendOrder,
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
        /// The card, so far as it must be known again.
        card: Option<CardPrint>,
        /// The terms, made by the product or package.
        offer: Offer,
        /// The buyer's rank.
        rank: Rank,
        /// How often one may buy.
        rules: PurchaseRules,
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
    /// The provider had taken money for a purchase that ended otherwise, and gave it back. Asking
    /// again does nothing.
    RecordLateCapture {
        /// When.
        at: DateTime<Utc>,
        /// Which purchase.
        receipt_code: ReceiptCode,
        /// How much.
        amount_cents: Cents,
    },
    /// Give money back.
    RequestRefund {
        /// When.
        at: DateTime<Utc>,
        /// Of which purchase.
        sale: Sale,
        /// How much; all that is left, if not given.
        amount_cents: Option<Cents>,
        /// Whether unused items that were bought with its gold shall be taken back.
        take_back_items: bool,
    },
    /// The provider says that it has given back so much all in all. Asking again does nothing; nor
    /// does it while a refund is under way that this does not answer: nobody can tell whether that
    /// one is in the sum.
    RecordRefund {
        /// When.
        at: DateTime<Utc>,
        /// Of which purchase.
        sale: Sale,
        /// Which refund that was asked for the provider has answered with this, if it has.
        number: Option<u16>,
        /// All that it has given back.
        refunded_cents: Cents,
    },
    /// The provider refuses a refund that was asked for. Asking again does nothing.
    FailRefund {
        /// When.
        at: DateTime<Utc>,
        /// Of which purchase.
        receipt_code: ReceiptCode,
        /// Which refund.
        number: u16,
    },
    /// The bank took the money back. Asking again does nothing; nor does it while a refund is under
    /// way, which the provider answers first.
    RecordChargeback {
        /// When.
        at: DateTime<Utc>,
        /// Of which purchase.
        sale: Sale,
        /// All that the provider had given back before: the bank took the rest.
        refunded_cents: Cents,
    },
    /// Stop buying for a while.
    BlockPurchases {
        /// When.
        at: DateTime<Utc>,
        /// Which rule was broken.
        rule: FraudRule,
        /// The first moment at which buying is possible again.
        until: DateTime<Utc>,
    },
    /// Buy a benefit with gold.
    BuyBenefit {
        /// When.
        at: DateTime<Utc>,
        /// The purchase's id.
        receipt_code: ReceiptCode,
        /// The terms, made by the product.
        offer: BenefitOffer,
        /// The buyer's rank.
        rank: Rank,
        /// Gold of which kind is spent first.
        order: SpendOrder,
    },
    /// Use an item.
    UseItem {
        /// When.
        at: DateTime<Utc>,
        /// Which.
        item_id: ItemId,
    },
    /// An item's time is over. Asking again does nothing.
    ExpireItem {
        /// When.
        at: DateTime<Utc>,
        /// Which.
        item_id: ItemId,
    },
    /// Take back what is unused of a purchase, and return its gold.
    RefundItems {
        /// When.
        at: DateTime<Utc>,
        /// Of which purchase.
        receipt_code: ReceiptCode,
    },
    /// Set how much real money a month may cost.
    SetSpendLimit {
        /// When.
        at: DateTime<Utc>,
        /// How much; no limit, if not given.
        monthly_cents: Option<Cents>,
    },
    /// Spend nothing for a while. It can be made longer, never shorter.
    CoolOff {
        /// When.
        at: DateTime<Utc>,
        /// Until when.
        until: DateTime<Utc>,
    },
    /// Spend nothing for long, or ever. It can be made longer, never shorter.
    ExcludeSelf {
        /// When.
        at: DateTime<Utc>,
        /// Until when; for ever, if not given.
        until: Option<DateTime<Utc>>,
    },
    /// Have what today is worth in the streak. Asking again on the same day does nothing.
    ClaimStreak {
        /// When.
        at: DateTime<Utc>,
        /// So many missed days do not end a streak.
        grace_days: u8,
    },
    /// Have today's vip points. Asking again on the same day does nothing.
    ClaimVip {
        /// When.
        at: DateTime<Utc>,
    },
    /// Take part in an event. Asking again during the same occurrence does nothing.
    JoinEvent {
        /// When.
        at: DateTime<Utc>,
        /// In which.
        event_id: LiveEventId,
        /// What the event offers.
        seat: Seat,
        /// The player's rank.
        rank: Rank,
    },
    /// Have what an event pays.
    ClaimEvent {
        /// When.
        at: DateTime<Utc>,
        /// Of which.
        event_id: LiveEventId,
        /// Whether all that it takes is done.
        is_complete: bool,
        /// Whether the staff gives it, complete or not.
        forced: bool,
        /// As what it is paid.
        payment: Payment,
    },
    /// Have what a mission pays.
    ClaimMission {
        /// When.
        at: DateTime<Utc>,
        /// Which mission it is.
        claim: MissionClaim,
        /// What it pays.
        rewards: Rewards,
        /// As what it is paid.
        payment: Payment,
    },
    /// Reward a place on a leaderboard. Asking again does nothing.
    RewardPlace {
        /// When.
        at: DateTime<Utc>,
        /// Of which event.
        event_id: LiveEventId,
        /// When the occurrence began.
        occurrence_at: DateTime<Utc>,
        /// The place, from 1.
        place: u32,
        /// The score.
        score: u64,
        /// What it pays.
        rewards: Rewards,
        /// As what it is paid.
        payment: Payment,
    },
    /// Give a reward.
    GiftReward {
        /// When.
        at: DateTime<Utc>,
        /// What it is.
        rewards: Rewards,
        /// As what it is paid.
        payment: Payment,
    },
    /// Take back what is left of a grant of gold. Whoever asks has to know that it was given and not
    /// taken back before: the account keeps no list of its grants.
    TakeBackGrant {
        /// When.
        at: DateTime<Utc>,
        /// The grant's receipt.
        receipt_code: ReceiptCode,
        /// How much was given.
        gold: Gold,
    },
    /// Close it for good, with all that is in it; asking again does nothing.
    Close {
        /// When.
        at: DateTime<Utc>,
    },
}

/// A mission that somebody wants to claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissionClaim {
    /// Which.
    pub mission_id: MissionId,
    /// Which version of its terms.
    pub version: u32,
    /// For which period.
    pub period: MissionPeriod,
    /// Whether what must come before it is done.
    pub is_unlocked: bool,
    /// Whether all that it takes is done.
    pub is_complete: bool,
}

/// As what a reward is paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// The reward's id.
    pub receipt_code: ReceiptCode,
    /// The items that it promises, on the present terms of their products.
    pub items: Vec<GivenItem>,
}

/// A completed purchase, as its own events tell it: these never change, so the account need not keep
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sale {
    /// Which.
    pub receipt_code: ReceiptCode,
    /// What was charged.
    pub total_cents: Cents,
    /// What was credited.
    pub gold: Gold,
    /// When.
    pub completed_at: DateTime<Utc>,
}

/// How often somebody may buy. What is not given is not limited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PurchaseRules {
    /// Purchases of limited packages.
    pub limited: Option<Rate>,
    /// Purchases of any kind; more stop all buying for as long as the window is.
    pub purchases: Option<Rate>,
    /// Different cards; more stop all buying for as long as the window is.
    pub cards: Option<Rate>,
}

/// Why an account refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountRefusal {
    /// Nobody has opened this account.
    #[error("there is no such account")]
    NoSuchAccount,
    /// Something is owed, by whoever wants it closed.
    #[error("{debt} gold is owed: it has to be repaid first")]
    InDebt {
        /// How much.
        debt: u64,
    },
    /// Somebody still has to say what becomes of money.
    #[error("a purchase or a refund is under way: it has to end first")]
    MoneyUnderWay,
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
    /// The player has had all that one player may have.
    #[error("you have had {had} of {} that one player may have", limit.count)]
    UserLimitReached {
        /// The limit.
        limit: UseLimit,
        /// How many the player has had.
        had: u32,
        /// When there will be more, if ever.
        until: Option<DateTime<Utc>>,
    },
    /// The player has used a promotion as often as one player may.
    #[error("you have used this promotion {most} times already, which is all that one player may")]
    PromoUserLimitReached {
        /// How often one player may.
        most: u32,
    },
    /// The player's own monthly limit.
    #[error(
        "your own limit of {limit_cents} cents a month leaves {left_cents} cents until {until}"
    )]
    SpendLimitReached {
        /// The limit.
        limit_cents: u64,
        /// What is left of it.
        left_cents: u64,
        /// When the month is over.
        until: DateTime<Utc>,
    },
    /// Spending is locked.
    #[error("spending is locked: {lock}")]
    SpendLocked {
        /// By what.
        lock: SpendLock,
    },
    /// Too many limited packages in a short time.
    #[error("too many limited packages at once: buy again after {until}")]
    TooFast {
        /// When the next one is allowed.
        until: DateTime<Utc>,
    },
    /// Buying is stopped for a while.
    #[error("buying is stopped until {until}")]
    PurchasesBlocked {
        /// Which rule was broken.
        rule: FraudRule,
        /// The first moment at which buying is possible again.
        until: DateTime<Utc>,
    },
    /// The purchase has ended already, or never was.
    #[error("the purchase is not under way")]
    PurchaseNotOpen,
    /// The receipt code is taken.
    #[error("the receipt code is already in use")]
    ReceiptInUse,
    /// Nothing is left to be given back.
    #[error("nothing of this purchase is left to be given back")]
    NothingToRefund,
    /// More than is left.
    #[error("{left_cents} cents of this purchase are left to be given back")]
    RefundTooLarge {
        /// What is left.
        left_cents: u64,
    },
    /// The provider has not yet answered to another refund.
    #[error("a refund of this purchase is under way: wait for its end")]
    RefundUnderWay,
    /// The player does not have this item, or no longer.
    #[error("there is no such unused item")]
    NoSuchItem,
    /// Its time is over.
    #[error("the item could be used until {at}")]
    ItemTooLate {
        /// When it was over.
        at: DateTime<Utc>,
    },
    /// A protection cannot be weakened.
    #[error("a pause can be made longer, not shorter")]
    PauseCannotBeShortened,
    /// The event is for other players.
    #[error("the event is for others: {why}")]
    NotEligible {
        /// What is missing.
        why: Ineligible,
    },
    /// Who does not take part has nothing to claim.
    #[error("join the event first")]
    NotJoined,
    /// Not all is done that it takes.
    #[error("it is not complete yet")]
    NotCompleted,
    /// Something else must be done first.
    #[error("other missions must be complete first")]
    MissionLocked,
    /// It was claimed before.
    #[error("it has been claimed already")]
    AlreadyClaimed,
    /// It could be claimed until a moment that is past.
    #[error("it could be claimed until {until}")]
    ClaimTooLate {
        /// When it was over.
        until: DateTime<Utc>,
    },
}

/// What somebody lacks to join an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ineligible {
    /// A rank.
    Rank(Rank),
    /// What the players of a segment have in common.
    Segment(Segment),
}

impl std::fmt::Display for Ineligible {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rank(rank) => write!(f, "it is for rank {rank:?} and above"),
            Self::Segment(Segment::Everybody) => f.write_str("it is for everybody"),
            Self::Segment(Segment::Newcomers) => {
                write!(f, "it is for who signed up within {} days", Segment::NEW_FOR_DAYS)
            }
            Self::Segment(Segment::Payers) => f.write_str("it is for who has bought something"),
            Self::Segment(Segment::NonPayers) => f.write_str("it is for who has bought nothing"),
        }
    }
}

/// What locks spending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpendLock {
    /// Gold is owed.
    Debt(u64),
    /// The player wants to spend nothing for a while.
    CoolingOff(DateTime<Utc>),
    /// The player wants to spend nothing for long; for ever, without a time.
    SelfExclusion(Option<DateTime<Utc>>),
}

impl SpendLock {
    /// Its name, for programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Debt(_) => "debt",
            Self::CoolingOff(_) => "cooling_off",
            Self::SelfExclusion(_) => "self_exclusion",
        }
    }

    /// When it ends, where that is known.
    #[must_use]
    pub fn until(self) -> Option<DateTime<Utc>> {
        match self {
            Self::Debt(_) => None,
            Self::CoolingOff(until) => Some(until),
            Self::SelfExclusion(until) => until,
        }
    }
}

impl std::fmt::Display for SpendLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Debt(gold) => {
                write!(f, "{gold} gold are owed after a refund and are repaid first")
            }
            Self::CoolingOff(until) => write!(f, "you asked for a pause until {until}"),
            Self::SelfExclusion(Some(until)) => write!(f, "you excluded yourself until {until}"),
            Self::SelfExclusion(None) => f.write_str("you excluded yourself for good"),
        }
    }
}
