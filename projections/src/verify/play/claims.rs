//! Whether players join what they may, and are paid what they have earned.

use std::fmt::Arguments;

use chrono::{DateTime, Utc};
use domain::account::AccountEvent;
use domain::id::{LiveEventId, PlayerId};
use domain::live_event::Entry;
use domain::reward::Reward;
use domain::schedule::Occurrence;

use super::live::Half;
use super::rewards::MissionClaim;
use super::{Member, Play, left_alone};
use crate::verify::{Check, Findings, Verdict};

/// Taking part in an event, as it is told.
struct Joining<'a> {
    at: DateTime<Utc>,
    event: LiveEventId,
    occurrence: Occurrence,
    entry: &'a Entry,
}

impl Play {
    #[expect(clippy::too_many_lines, reason = "a table: what happened, and what is asked about it")]
    pub(in crate::verify) fn account(
        &mut self,
        position: u64,
        player: PlayerId,
        member: &mut Member,
        event: &AccountEvent,
        findings: &mut Findings,
    ) -> Verdict {
        let of = |what: Arguments<'_>, result: Result<(), String>| {
            result.map_err(|why| (Check::Reward, format!("player {player}, {what}: {why}")))
        };
        if let Some(deed) = event.deed() {
            member.played().seen.push_back((position, deed));
        }
        match event {
            AccountEvent::AccountOpened { at } => member.opened_at = Some(*at),
            AccountEvent::PurchaseCompleted { .. } => member.has_paid = true,
            AccountEvent::EventJoined { at, event_id, occurrence, entry } => {
                let half =
                    Half { position, occurrence_at: occurrence.starts_at, player: Some(player) };
                let (at, event, occurrence) = (*at, *event_id, *occurrence);
                self.needs_seat(event, half, findings);
                let joined = self.join(member, &Joining { at, event, occurrence, entry });
                return of(format_args!("event {event}"), joined);
            }
            AccountEvent::EventClaimed { at, event_id, occurrence_at, forced, reward, .. } => {
                let claim = (*event_id, *occurrence_at);
                let paid = self.event_claimed(member, claim, (*at, *forced), reward);
                return of(format_args!("event {event_id} of {occurrence_at}"), paid);
            }
            AccountEvent::MissionClaimed { at, mission_id, version, period, reward, .. } => {
                let (at, mission, version, period) = (*at, *mission_id, *version, *period);
                let claim = MissionClaim { at, mission, version, period };
                let promised = member.played().claim_mission(&self.board, &claim);
                let paid = promised.and_then(|it| self.products.pays(at, it, reward));
                return of(format_args!("mission {mission}"), paid);
            }
            AccountEvent::PlaceRewarded {
                at,
                event_id,
                occurrence_at,
                place,
                score,
                reward,
                ..
            } => {
                let live = self.events.entry(*event_id).or_default();
                let promised = live.contest(*occurrence_at).reward(player, (*place, *score));
                let paid = promised.and_then(|it| self.products.pays(*at, it, reward));
                return of(
                    format_args!("place {place} of event {event_id} of {occurrence_at}"),
                    paid,
                );
            }
            AccountEvent::RewardGifted { at, reward, .. } => {
                return of(format_args!("a gift"), self.products.gift(*at, reward));
            }
            AccountEvent::SignUpBonusGranted { .. }
            | AccountEvent::GoldGranted { .. }
            | AccountEvent::VipPointsGranted { .. }
            | AccountEvent::GoldSpent { .. }
            | AccountEvent::PurchaseRequested { .. }
            | AccountEvent::PurchaseFailed { .. }
            | AccountEvent::PurchaseVoided { .. }
            | AccountEvent::LateCaptureRefunded { .. }
            | AccountEvent::RefundRequested { .. }
            | AccountEvent::PurchaseRefunded { .. }
            | AccountEvent::RefundFailed { .. }
            | AccountEvent::PurchaseChargedBack { .. }
            | AccountEvent::PurchasesBlocked { .. }
            | AccountEvent::BenefitPurchased { .. }
            | AccountEvent::ItemUsed { .. }
            | AccountEvent::ItemExpired { .. }
            | AccountEvent::ItemRefunded { .. }
            | AccountEvent::SpendLimitSet { .. }
            | AccountEvent::CoolingOffStarted { .. }
            | AccountEvent::AccountClosed { .. }
            | AccountEvent::SelfExcluded { .. }
            | AccountEvent::StreakClaimed { .. }
            | AccountEvent::VipClaimed { .. }
            | AccountEvent::GrantTakenBack { .. } => {}
        }
        Ok(())
    }

    /// Where there are only so many seats, who joins takes one.
    fn needs_seat(&mut self, event: LiveEventId, half: Half, findings: &mut Findings) {
        let live = self.events.entry(event).or_default();
        if live.has_capacity() {
            left_alone(event, live.take_half(half), findings);
        }
    }

    fn join(&mut self, member: &mut Member, joining: &Joining<'_>) -> Result<(), String> {
        let Joining { at, event, occurrence, entry } = *joining;
        let live = self.events.entry(event).or_default();
        let (seat, is_open) = live.seat(at, occurrence, entry);
        let is_eligible = member.may_join(at, seat.eligibility);
        let before = member.played().join(event, seat);
        is_open?;
        is_eligible?;
        match before {
            Some(before) if occurrence.starts_at <= before.occurrence.starts_at => {
                Err(format!("the occurrence of {} is joined again", occurrence.starts_at))
            }
            _ => Ok(()),
        }
    }

    fn event_claimed(
        &mut self,
        member: &mut Member,
        (event, occurrence_at): (LiveEventId, DateTime<Utc>),
        (at, forced): (DateTime<Utc>, bool),
        reward: &Reward,
    ) -> Result<(), String> {
        let live = self.events.entry(event).or_default();
        let claim = (event, occurrence_at);
        let promised = member.played().claim_event(live.now(), claim, (at, forced))?;
        self.products.pays(at, promised, reward)
    }
}
