//! An event as ClickHouse has it: one row of the table `events`, read by the club's own types. What the log says of
//! money is never read by SQL out of JSON, where a renamed field would be a zero.

use chrono::{DateTime, SecondsFormat, Utc};
use clickhouse::Row;
use domain::account::{AccountEvent, RewardSource};
use domain::activity::ActivityEvent;
use domain::event::ClubEvent;
use domain::money::Direction;
use domain::stored::{DecodeError, Recorded};
use serde::{Deserialize, Serialize};

/// See `migrations/clickhouse/0001_events.sql`, which says what each column is.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize)]
#[expect(missing_docs, reason = "the migration says it")]
pub struct EventRow<'a> {
    pub position: u64,
    pub hash: [u8; 32],
    #[serde(with = "clickhouse::serde::chrono::datetime64::micros")]
    pub recorded_at: DateTime<Utc>,
    #[serde(with = "clickhouse::serde::chrono::datetime64::micros")]
    pub at: DateTime<Utc>,
    pub family: &'a str,
    pub stream: &'a str,
    pub sequence: u64,
    pub r#type: &'a str,
    pub version: &'a str,
    pub player: i64,
    pub actor_kind: String,
    pub actor: String,
    pub payload: &'a str,
    pub metadata: &'a str,

    pub direction: i8,
    pub movement: &'static str,
    pub counter_account: &'static str,
    pub reference: String,
    pub gold_paid: u64,
    pub gold_free: u64,
    pub debt_paid: u64,
    pub debt_free: u64,
    pub balance_paid: u64,
    pub balance_free: u64,
    pub balance_debt: u64,

    pub step: &'static str,
    pub receipt: String,
    pub ware: String,
    pub quantity: u16,
    pub cents: u64,
    pub currency: String,
    pub gold: u64,
    pub reason: &'static str,

    pub reward: &'static str,
    pub reward_gold: u64,
    pub reward_points: u64,
    pub reward_xp: u64,
    pub reward_items: u16,

    pub goal_step: &'static str,
    pub goals: Vec<String>,

    pub action: String,
    pub amount: u64,
}

/// What is said about an event, as far as it is counted.
#[derive(Debug, Default, Deserialize)]
struct Said {
    #[serde(default)]
    actor_kind: String,
    #[serde(default)]
    actor_id: String,
    #[serde(default)]
    player: Option<String>,
}

/// The moment that every payload names.
#[derive(Debug, Deserialize)]
struct Moment {
    at: Option<DateTime<Utc>>,
}

impl<'a> EventRow<'a> {
    /// Reads an event.
    ///
    /// # Errors
    /// If this program cannot read it: the log is newer, or was written by another.
    pub fn read(recorded: &'a Recorded) -> Result<Self, DecodeError> {
        let event = ClubEvent::decode(recorded)?;
        let mut row = Self::plain(recorded);
        match &event {
            ClubEvent::Account(player, event) => {
                row.player = player.0;
                row.move_gold(event);
                row.reward(event);
                row.tell_apart(event);
            }
            ClubEvent::Activity(player, event) => {
                row.player = player.0;
                row.play(event);
            }
            ClubEvent::Identity(player, _) => row.player = player.0,
            ClubEvent::Product(..)
            | ClubEvent::Package(..)
            | ClubEvent::Promo(..)
            | ClubEvent::Role(..)
            | ClubEvent::Audit(..)
            | ClubEvent::Mission(..)
            | ClubEvent::LiveEvent(..)
            | ClubEvent::Invite(..)
            | ClubEvent::Approval(..)
            | ClubEvent::Job(..)
            | ClubEvent::Campaign(..)
            | ClubEvent::Announcement(..) => {}
        }
        Ok(row)
    }

    /// Who, what and when.
    fn plain(recorded: &'a Recorded) -> Self {
        let Recorded { place, recorded_at, event } = recorded;
        // Metadata is not what the rules are about: an event without an actor still counts.
        let said: Said = serde_json::from_str(&event.metadata).unwrap_or_default();
        let at = serde_json::from_str::<Moment>(&event.payload).ok().and_then(|moment| moment.at);
        Self {
            position: place.position,
            hash: place.hash.0,
            recorded_at: *recorded_at,
            at: at.unwrap_or(*recorded_at),
            family: &event.aggregate_type,
            stream: &event.aggregate_id,
            sequence: event.sequence,
            r#type: &event.event_type,
            version: &event.event_version,
            player: said.player.and_then(|player| player.parse().ok()).unwrap_or(0),
            actor_kind: said.actor_kind,
            actor: said.actor_id,
            payload: &event.payload,
            metadata: &event.metadata,
            direction: 0,
            movement: "",
            counter_account: "",
            reference: String::new(),
            gold_paid: 0,
            gold_free: 0,
            debt_paid: 0,
            debt_free: 0,
            balance_paid: 0,
            balance_free: 0,
            balance_debt: 0,
            step: "",
            receipt: String::new(),
            ware: String::new(),
            quantity: 0,
            cents: 0,
            currency: String::new(),
            gold: 0,
            reason: "",
            reward: "",
            reward_gold: 0,
            reward_points: 0,
            reward_xp: 0,
            reward_items: 0,
            goal_step: "",
            goals: Vec::new(),
            action: String::new(),
            amount: 0,
        }
    }

    fn move_gold(&mut self, event: &AccountEvent) {
        let Some(entry) = event.ledger_entry() else { return };
        let (gold, debt, balance) =
            (entry.movement.gold, entry.movement.debt, entry.movement.balance);
        self.direction = match entry.direction {
            Direction::Credit => 1,
            Direction::Debit => -1,
        };
        self.movement = entry.kind;
        self.counter_account = entry.counter_account.name();
        self.reference = entry.reference;
        (self.gold_paid, self.gold_free) = (gold.paid, gold.free);
        (self.debt_paid, self.debt_free) = (debt.paid, debt.free);
        (self.balance_paid, self.balance_free, self.balance_debt) =
            (balance.paid, balance.free, balance.debt);
    }

    /// What an event of an account is about, besides gold that moves: every one by name, so that none is
    /// forgotten.
    #[expect(clippy::too_many_lines, reason = "a table: what each event is counted as")]
    fn tell_apart(&mut self, event: &AccountEvent) {
        match event {
            AccountEvent::PurchaseRequested { receipt_code, offer, .. } => {
                self.step("requested", receipt_code);
                (self.ware, self.quantity) = (offer.ware.to_string(), count(offer.quantity));
                (self.cents, self.gold) = (offer.total_cents.0, offer.gold.amount());
                self.currency = offer.currency.into();
            }
            AccountEvent::PurchaseCompleted { receipt_code, .. } => {
                self.step("completed", receipt_code);
            }
            AccountEvent::PurchaseFailed { receipt_code, reason, .. } => {
                self.step("failed", receipt_code);
                self.reason = reason.name();
            }
            AccountEvent::PurchaseVoided { receipt_code, reason, .. } => {
                self.step("voided", receipt_code);
                self.reason = reason.name();
            }
            AccountEvent::LateCaptureRefunded { receipt_code, amount_cents, .. } => {
                self.step("captured_late", receipt_code);
                self.cents = amount_cents.0;
            }
            AccountEvent::PurchaseRefunded { receipt_code, amount_cents, .. } => {
                self.step("refunded", receipt_code);
                self.cents = amount_cents.0;
            }
            AccountEvent::PurchaseChargedBack { receipt_code, amount_cents, .. } => {
                self.step("charged_back", receipt_code);
                self.cents = amount_cents.0;
            }
            AccountEvent::BenefitPurchased { receipt_code, offer, .. } => {
                self.step("bought", receipt_code);
                (self.ware, self.quantity) = (offer.product_id.to_string(), count(offer.quantity));
                self.gold = offer.price.amount();
            }
            AccountEvent::StreakClaimed { xp, movement, .. } => {
                (self.reward, self.reward_xp) = ("streak", *xp);
                self.reward_gold = movement.gold.plus(movement.debt).total();
            }
            AccountEvent::VipClaimed { vip_points, .. } => {
                (self.reward, self.reward_points) = ("vip", *vip_points);
            }
            AccountEvent::EventJoined { event_id, occurrence, .. } => {
                self.goal("joined", format!("event/{event_id}/{}", moment(&occurrence.starts_at)));
            }
            AccountEvent::EventClaimed { event_id, occurrence_at, .. } => {
                self.goal("claimed", format!("event/{event_id}/{}", moment(occurrence_at)));
            }
            AccountEvent::MissionClaimed { mission_id, period, .. } => {
                self.goal("claimed", format!("mission/{mission_id}/{period}"));
            }
            AccountEvent::AccountOpened { .. }
            | AccountEvent::AccountClosed { .. }
            | AccountEvent::SignUpBonusGranted { .. }
            | AccountEvent::GoldGranted { .. }
            | AccountEvent::GrantTakenBack { .. }
            | AccountEvent::VipPointsGranted { .. }
            | AccountEvent::GoldSpent { .. }
            | AccountEvent::RefundRequested { .. }
            | AccountEvent::RefundFailed { .. }
            | AccountEvent::PurchasesBlocked { .. }
            | AccountEvent::ItemUsed { .. }
            | AccountEvent::ItemExpired { .. }
            | AccountEvent::ItemRefunded { .. }
            | AccountEvent::SpendLimitSet { .. }
            | AccountEvent::CoolingOffStarted { .. }
            | AccountEvent::SelfExcluded { .. }
            | AccountEvent::PlaceRewarded { .. }
            | AccountEvent::RewardGifted { .. } => {}
        }
    }

    fn step(&mut self, step: &'static str, receipt: &impl ToString) {
        (self.step, self.receipt) = (step, receipt.to_string());
    }

    fn goal(&mut self, step: &'static str, goal: String) {
        (self.goal_step, self.goals) = (step, vec![goal]);
    }

    fn reward(&mut self, event: &AccountEvent) {
        let Some(paid) = event.reward() else { return };
        self.reward = match paid.source {
            RewardSource::Event(_) => "event",
            RewardSource::Mission(_) => "mission",
            RewardSource::Place(..) => "place",
            RewardSource::Gift => "gift",
        };
        self.reward_gold = paid.reward.gold();
        (self.reward_points, self.reward_xp) = (paid.reward.vip_points, paid.reward.xp);
        let items = paid.reward.items.iter().map(|item| count(item.quantity));
        self.reward_items = items.fold(0, u16::saturating_add);
    }

    fn play(&mut self, event: &ActivityEvent) {
        if let ActivityEvent::ActionRecorded { action, amount, .. } = event {
            (self.action, self.amount) = (action.to_string(), *amount);
        }
        let reached = event.advanced().iter().filter(|advance| advance.is_complete());
        self.goals = reached.map(|advance| advance.goal.to_string()).collect();
        if !self.goals.is_empty() {
            self.goal_step = "reached";
        }
    }
}

fn moment(at: &DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

fn count(quantity: domain::money::Quantity) -> u16 {
    u16::from(u8::from(quantity))
}
