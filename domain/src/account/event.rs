//! What can have happened to an account.
//!
//! Stored names in this file are forever; old shapes are kept in `domain/fixtures`.

use chrono::{DateTime, NaiveDate, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::activity::MissionPeriod;
use crate::aggregate::Event;
use crate::id::{CardPrint, ChargeId, ItemId, LiveEventId, MissionId, ReceiptCode};
use crate::live_event::Entry;
use crate::money::{Cents, Movement, Wallet};
use crate::offer::{BenefitOffer, Offer};
use crate::reward::Reward;
use crate::schedule::Occurrence;

/// What has happened to an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// A purchase for real money began. Nothing has been charged.
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
        /// The card, so far as it must be known again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        card: Option<CardPrint>,
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
    /// The provider took the money after all, although the purchase had ended otherwise; it was
    /// given back there. No gold moved.
    LateCaptureRefunded {
        /// When.
        at: DateTime<Utc>,
        /// Which purchase.
        receipt_code: ReceiptCode,
        /// What was taken and given back.
        amount_cents: Cents,
    },
    /// The staff asked for money to be given back. The provider has not been asked yet.
    RefundRequested {
        /// When.
        at: DateTime<Utc>,
        /// Which purchase.
        receipt_code: ReceiptCode,
        /// Which refund of this purchase, from 1.
        number: u16,
        /// How much.
        amount_cents: Cents,
        /// Whether unused items that were bought with its gold shall be taken back for what is owed.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        take_back_items: bool,
    },
    /// The provider gave money back; this event itself takes the gold.
    PurchaseRefunded {
        /// When.
        at: DateTime<Utc>,
        /// Which purchase.
        receipt_code: ReceiptCode,
        /// How much was given back this time.
        amount_cents: Cents,
        /// How much was given back all in all.
        refunded_cents: Cents,
        /// How much of the purchase is left.
        left_cents: Cents,
        /// Debit; what was spent already is a debt.
        movement: Movement,
    },
    /// The provider did not give the money back. No gold moved.
    RefundFailed {
        /// When.
        at: DateTime<Utc>,
        /// Which purchase.
        receipt_code: ReceiptCode,
        /// Which refund of it.
        number: u16,
    },
    /// The card's holder took the money back through the bank.
    PurchaseChargedBack {
        /// When.
        at: DateTime<Utc>,
        /// Which purchase.
        receipt_code: ReceiptCode,
        /// How much.
        amount_cents: Cents,
        /// Debit; what was spent already is a debt.
        movement: Movement,
    },
    /// Too many purchases or cards: buying is stopped for a while.
    PurchasesBlocked {
        /// When.
        at: DateTime<Utc>,
        /// Which rule was broken.
        rule: FraudRule,
        /// The first moment at which buying is possible again.
        until: DateTime<Utc>,
    },
    /// A benefit was bought with gold. Its items are numbered from 1 under this receipt.
    BenefitPurchased {
        /// When.
        at: DateTime<Utc>,
        /// The purchase's id.
        receipt_code: ReceiptCode,
        /// The terms it was made under.
        offer: BenefitOffer,
        /// Debit.
        movement: Movement,
    },
    /// An item was used.
    ItemUsed {
        /// When.
        at: DateTime<Utc>,
        /// Which.
        item_id: ItemId,
    },
    /// An item can no longer be used.
    ItemExpired {
        /// When.
        at: DateTime<Utc>,
        /// Which.
        item_id: ItemId,
    },
    /// An unused item was taken back and its gold returned.
    ItemRefunded {
        /// When.
        at: DateTime<Utc>,
        /// Which.
        item_id: ItemId,
        /// Credit, of the kinds of gold that had paid for it.
        movement: Movement,
    },
    /// The player set how much real money a month may cost.
    SpendLimitSet {
        /// When.
        at: DateTime<Utc>,
        /// How much in a calendar month; no limit, if not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        monthly_cents: Option<Cents>,
        /// From when on it counts: a raise waits.
        effective_at: DateTime<Utc>,
    },
    /// The player wants to spend nothing for a while.
    CoolingOffStarted {
        /// When.
        at: DateTime<Utc>,
        /// The first moment at which spending is possible again.
        until: DateTime<Utc>,
    },
    /// The player wants to spend nothing for long, or ever.
    SelfExcluded {
        /// When.
        at: DateTime<Utc>,
        /// The first moment at which spending is possible again; never, if not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<DateTime<Utc>>,
    },
    /// A day of the streak was claimed; this event itself pays it.
    StreakClaimed {
        /// When.
        at: DateTime<Utc>,
        /// Which day, in UTC.
        day: NaiveDate,
        /// Its number in the streak, from 1.
        streak_count: u32,
        /// So many missed days did not end a streak then.
        #[serde(default, skip_serializing_if = "is_zero")]
        grace_days: u8,
        /// Experience that it gave.
        xp: u64,
        /// All experience after it.
        xp_after: u64,
        /// Credit.
        movement: Movement,
    },
    /// A day's vip points were claimed.
    VipClaimed {
        /// When.
        at: DateTime<Utc>,
        /// Which day, in UTC.
        day: NaiveDate,
        /// How many points were added.
        vip_points: u64,
        /// The wallet after it.
        balance: Wallet,
    },
    /// The player takes part in an event.
    EventJoined {
        /// When.
        at: DateTime<Utc>,
        /// In which.
        event_id: LiveEventId,
        /// In which of its occurrences.
        occurrence: Occurrence,
        /// Under which terms.
        entry: Entry,
    },
    /// What an event pays was claimed; this event itself pays it.
    EventClaimed {
        /// When.
        at: DateTime<Utc>,
        /// The reward's id.
        receipt_code: ReceiptCode,
        /// Of which event.
        event_id: LiveEventId,
        /// When the occurrence began.
        occurrence_at: DateTime<Utc>,
        /// Whether the staff gave it, complete or not.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        forced: bool,
        /// What it paid.
        reward: Reward,
    },
    /// What a mission pays was claimed; this event itself pays it.
    MissionClaimed {
        /// When.
        at: DateTime<Utc>,
        /// The reward's id.
        receipt_code: ReceiptCode,
        /// Of which mission.
        mission_id: MissionId,
        /// Which version of its terms.
        version: u32,
        /// For which period.
        period: MissionPeriod,
        /// What it paid.
        reward: Reward,
    },
    /// A place on an event's leaderboard was rewarded; this event itself pays it.
    PlaceRewarded {
        /// When.
        at: DateTime<Utc>,
        /// The reward's id.
        receipt_code: ReceiptCode,
        /// Of which event.
        event_id: LiveEventId,
        /// When the occurrence began.
        occurrence_at: DateTime<Utc>,
        /// The place, from 1.
        place: u32,
        /// The score.
        score: u64,
        /// What it paid.
        reward: Reward,
    },
    /// The staff gave a reward. The reason's text stands beside the log, by this event's position.
    RewardGifted {
        /// When.
        at: DateTime<Utc>,
        /// The reward's id.
        receipt_code: ReceiptCode,
        /// What it was.
        reward: Reward,
    },
    /// What was left of a grant of gold was taken back: the grant was a mistake.
    GrantTakenBack {
        /// When.
        at: DateTime<Utc>,
        /// The grant's receipt.
        receipt_code: ReceiptCode,
        /// Debit, of given gold only.
        movement: Movement,
    },
    /// The player was erased. Nobody opens the account again; what was left in it has left the game.
    AccountClosed {
        /// When.
        at: DateTime<Utc>,
        /// Debit, of all that there was.
        movement: Movement,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this signature")]
fn is_zero(days: &u8) -> bool {
    *days == 0
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
            Self::LateCaptureRefunded { .. } => "late_capture_refunded",
            Self::RefundRequested { .. } => "refund_requested",
            Self::PurchaseRefunded { .. } => "purchase_refunded",
            Self::RefundFailed { .. } => "refund_failed",
            Self::PurchaseChargedBack { .. } => "purchase_charged_back",
            Self::PurchasesBlocked { .. } => "purchases_blocked",
            Self::BenefitPurchased { .. } => "benefit_purchased",
            Self::ItemUsed { .. } => "item_used",
            Self::ItemExpired { .. } => "item_expired",
            Self::ItemRefunded { .. } => "item_refunded",
            Self::SpendLimitSet { .. } => "spend_limit_set",
            Self::CoolingOffStarted { .. } => "cooling_off_started",
            Self::SelfExcluded { .. } => "self_excluded",
            Self::StreakClaimed { .. } => "streak_claimed",
            Self::VipClaimed { .. } => "vip_claimed",
            Self::EventJoined { .. } => "event_joined",
            Self::EventClaimed { .. } => "event_claimed",
            Self::MissionClaimed { .. } => "mission_claimed",
            Self::PlaceRewarded { .. } => "place_rewarded",
            Self::RewardGifted { .. } => "reward_gifted",
            Self::GrantTakenBack { .. } => "grant_taken_back",
            Self::AccountClosed { .. } => "account_closed",
        }
    }

    fn current_version(_event_type: &str) -> &'static str {
        "1"
    }
}

/// Why a provider did not take the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FailureReason {
    /// The card was declined; nothing more is known.
    PaymentDeclined,
    /// There is not enough money on it.
    InsufficientFunds,
    /// The card has expired.
    ExpiredCard,
    /// The bank suspects that it was stolen.
    StolenCard,
}

impl FailureReason {
    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PaymentDeclined => "PAYMENT_DECLINED",
            Self::InsufficientFunds => "INSUFFICIENT_FUNDS",
            Self::ExpiredCard => "EXPIRED_CARD",
            Self::StolenCard => "STOLEN_CARD",
        }
    }
}

/// Why a purchase was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum VoidReason {
    /// It was left unfinished, and the provider had not taken the money.
    Abandoned,
    /// The provider had not decided in time.
    TimedOut,
    /// The staff gave it up.
    GivenUpByStaff,
}

impl VoidReason {
    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Abandoned => "ABANDONED",
            Self::TimedOut => "TIMED_OUT",
            Self::GivenUpByStaff => "GIVEN_UP_BY_STAFF",
        }
    }
}

/// What stops somebody's buying for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FraudRule {
    /// Too many purchases in a short time.
    TooManyPurchases,
    /// Too many different cards in a short time.
    TooManyCards,
}
