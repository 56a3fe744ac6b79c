//! Taking part in events, and what events, missions and leaderboards pay. A reward is paid by the
//! event that claims it, so it is claimed once or not at all.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::command::{AccountRefusal, Ineligible, MissionClaim, Payment};
use super::event::AccountEvent;
use super::items::Item;
use super::{Account, Decision};
use crate::activity::MissionPeriod;
use crate::id::{ItemId, LiveEventId, MissionId, ReceiptCode};
use crate::live_event::{Eligibility, Entry, Seat, Segment};
use crate::money::{GoldParts, Movement};
use crate::offer::Rank;
use crate::reward::{Reward, Rewards};
use crate::schedule::Occurrence;

/// How a player takes part in an event: in the latest occurrence that was joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participation {
    /// When it was joined.
    pub joined_at: DateTime<Utc>,
    /// Which occurrence.
    pub occurrence: Occurrence,
    /// Under which terms.
    pub entry: Entry,
    /// The receipt of what it paid, if it was claimed.
    pub claimed: Option<ReceiptCode>,
}

impl Participation {
    pub(super) fn new(joined_at: DateTime<Utc>, occurrence: Occurrence, entry: Entry) -> Self {
        Self { joined_at, occurrence, entry, claimed: None }
    }

    pub(super) fn was_claimed(&mut self, receipt_code: ReceiptCode) {
        self.claimed = Some(receipt_code);
    }

    /// How many things it takes.
    #[must_use]
    pub fn requirement_count(&self) -> u8 {
        u8::try_from(self.entry.requirements.len()).unwrap_or(u8::MAX)
    }
}

impl Account {
    /// How the player takes part in an event, if ever.
    #[must_use]
    pub fn participation(&self, event: LiveEventId) -> Option<&Participation> {
        self.participations.get(&event)
    }

    /// All events that the player has ever joined, each with its latest occurrence.
    pub fn participations(&self) -> impl Iterator<Item = (LiveEventId, &Participation)> {
        self.participations.iter().map(|(event, participation)| (*event, participation))
    }

    /// Whether a mission was claimed for a period.
    #[must_use]
    pub fn has_claimed(&self, mission: MissionId, period: MissionPeriod) -> bool {
        self.claimed_missions.get(mission).is_some_and(|last| period <= last)
    }

    pub(super) fn join_event(
        &self,
        at: DateTime<Utc>,
        event_id: LiveEventId,
        seat: &Seat,
        rank: Rank,
    ) -> Decision {
        let Seat { occurrence, entry, eligibility } = seat;
        let has_joined = self.participations.get(&event_id).is_some_and(|has| {
            // A later one, if the clock of another node is ahead.
            has.occurrence.starts_at >= occurrence.starts_at
        });
        if has_joined {
            return Ok(vec![]);
        }
        self.may_join(at, *eligibility, rank)?;
        let (occurrence, entry) = (*occurrence, entry.clone());
        Ok(vec![AccountEvent::EventJoined { at, event_id, occurrence, entry }])
    }

    fn may_join(
        &self,
        at: DateTime<Utc>,
        Eligibility { min_rank, segment }: Eligibility,
        rank: Rank,
    ) -> Result<(), AccountRefusal> {
        let why = if rank < min_rank {
            Ineligible::Rank(min_rank)
        } else if !self.is_in(segment, at) {
            Ineligible::Segment(segment)
        } else {
            return Ok(());
        };
        Err(AccountRefusal::NotEligible { why })
    }

    fn is_in(&self, segment: Segment, at: DateTime<Utc>) -> bool {
        match segment {
            Segment::Everybody => true,
            Segment::Newcomers => {
                let new_for = TimeDelta::days(Segment::NEW_FOR_DAYS);
                self.opened_at.is_some_and(|opened| at - opened < new_for)
            }
            Segment::Payers => self.has_paid,
            Segment::NonPayers => !self.has_paid,
        }
    }

    pub(super) fn claim_event(
        &self,
        at: DateTime<Utc>,
        event_id: LiveEventId,
        is_due: bool,
        forced: bool,
        payment: &Payment,
    ) -> Decision {
        let joined = self.participations.get(&event_id).ok_or(AccountRefusal::NotJoined)?;
        let until = joined.entry.claims_end_at;
        if joined.claimed.is_some() {
            return Err(AccountRefusal::AlreadyClaimed);
        }
        if !is_due {
            return Err(AccountRefusal::NotCompleted);
        }
        if at >= until && !forced {
            return Err(AccountRefusal::ClaimTooLate { until });
        }
        Ok(vec![AccountEvent::EventClaimed {
            at,
            receipt_code: payment.receipt_code,
            event_id,
            occurrence_at: joined.occurrence.starts_at,
            forced,
            reward: self.pay(&joined.entry.rewards, payment)?,
        }])
    }

    pub(super) fn claim_mission(
        &self,
        at: DateTime<Utc>,
        claim: &MissionClaim,
        rewards: &Rewards,
        payment: &Payment,
    ) -> Decision {
        let MissionClaim { mission_id, version, period, is_unlocked, is_complete } = *claim;
        if self.has_claimed(mission_id, period) {
            return Err(AccountRefusal::AlreadyClaimed);
        }
        if !is_complete {
            return Err(AccountRefusal::NotCompleted);
        }
        if !is_unlocked {
            return Err(AccountRefusal::MissionLocked);
        }
        let receipt_code = payment.receipt_code;
        let reward = self.pay(rewards, payment)?;
        Ok(vec![AccountEvent::MissionClaimed {
            at,
            receipt_code,
            mission_id,
            version,
            period,
            reward,
        }])
    }

    pub(super) fn reward_place(
        &self,
        at: DateTime<Utc>,
        (event_id, occurrence_at, place, score): (LiveEventId, DateTime<Utc>, u32, u64),
        rewards: &Rewards,
        payment: &Payment,
    ) -> Decision {
        if self.rewarded_places.get(&event_id).is_some_and(|last| occurrence_at <= *last) {
            return Ok(vec![]);
        }
        Ok(vec![AccountEvent::PlaceRewarded {
            at,
            receipt_code: payment.receipt_code,
            event_id,
            occurrence_at,
            place,
            score,
            reward: self.pay(rewards, payment)?,
        }])
    }

    /// All that a reward gives, in one.
    pub(super) fn pay(
        &self,
        rewards: &Rewards,
        payment: &Payment,
    ) -> Result<Reward, AccountRefusal> {
        let Rewards { gold, vip_points, xp, .. } = *rewards;
        let mut movement = if gold.amount() == 0 {
            let none = GoldParts::default();
            Movement { gold: none, debt: none, balance: self.wallet }
        } else {
            self.credit(GoldParts::all_free(gold))?
        };
        movement.balance.vip_points = self.with_vip_points(vip_points)?.vip_points;
        let xp_after = self.daily.xp().saturating_add(xp);
        Ok(Reward { vip_points, xp, xp_after, items: payment.items.clone(), movement })
    }

    pub(super) fn was_rewarded(
        &mut self,
        at: DateTime<Utc>,
        receipt_code: ReceiptCode,
        reward: &Reward,
    ) {
        self.daily.has_xp(reward.xp_after);
        let each = reward
            .items
            .iter()
            .flat_map(|item| std::iter::repeat_n(item.expires_at, u8::from(item.quantity).into()));
        for (number, expires_at) in (1..=u8::MAX).zip(each) {
            self.items.insert(ItemId { receipt_code, number }, Item::given(at, expires_at));
        }
    }
}
