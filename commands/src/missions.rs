//! What is asked of missions: putting them on the board, claiming what they pay.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use domain::account::{Account, AccountCommand, MissionClaim};
use domain::activity::{Activity, ActivityCommand, MissionPeriod};
use domain::id::{MissionId, PlayerId, ReceiptCode};
use domain::mission::{
    Mission, MissionBoard, MissionCommand, MissionEvent, MissionRefusal, MissionTerms, TheBoard,
};
use domain::money::Wallet;
use domain::reward::Rewards;

use crate::Commands;
use crate::bus::{Answer, Committed, Failure, Request, Unavailable};
use crate::context::Caller;
use crate::play::PlayRefusal;
use crate::rewards::{Paid, all_paid, check_items, payment};
use crate::world::{Decline, World};

/// A mission that was put on the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewMission {
    /// Its number.
    pub mission: MissionId,
    /// Where in the log it stands.
    pub position: u64,
    /// Whether an earlier request had made it.
    pub replayed: bool,
}

/// The answer to claiming everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllClaimed {
    /// What was paid, in order.
    pub paid: Vec<Paid>,
    /// The wallet after it.
    pub wallet: Wallet,
}

type Declined = Decline<PlayRefusal>;

impl Commands {
    /// Puts a mission on the board. With `counts_after`, what was done after that position of the
    /// log is counted for it, too, by and by.
    ///
    /// # Errors
    /// If it requires a mission that is not there, or a reward's item is no benefit.
    pub async fn add_mission(
        &self,
        caller: &Caller,
        terms: MissionTerms,
        counts_after: Option<u64>,
    ) -> Result<NewMission, Failure<PlayRefusal>> {
        let at = self.clock.now();
        let fingerprint = self.fingerprints.fingerprint("add_mission", &(&terms, counts_after));
        let request = Request::new(caller, None).keyed(fingerprint);
        let decide = move |world: &mut World<'_>| {
            check_items(world, &terms.rewards, at)?;
            let ask = MissionCommand::Define { at, terms: terms.clone(), counts_after };
            world.decide::<MissionBoard>(TheBoard, &ask).map_err(Decline::widen)
        };
        let added = self.bus.execute(request, decide).await?;
        let Committed { place, replayed, .. } = added;
        let mission = added.answer(|event: &MissionEvent| match event {
            MissionEvent::MissionDefined { mission_id, .. } => Some(*mission_id),
            MissionEvent::MissionRevised { .. } | MissionEvent::PastPlayAdded { .. } => None,
        })?;
        Ok(NewMission { mission: mission.body, position: place.position, replayed })
    }

    /// Replaces a mission's terms. `versions`, if given, are those that the caller has seen.
    ///
    /// # Errors
    /// If there is no such mission, it is at another version, or what is measured would change.
    pub async fn revise_mission(
        &self,
        caller: &Caller,
        mission_id: MissionId,
        terms: MissionTerms,
        versions: Option<Vec<u32>>,
    ) -> Result<Committed, Failure<PlayRefusal>> {
        let at = self.clock.now();
        let fingerprint = self.fingerprints.fingerprint("revise_mission", &(mission_id, &terms));
        let request = Request::new(caller, None).keyed(fingerprint);
        let decide = move |world: &mut World<'_>| {
            check_items(world, &terms.rewards, at)?;
            let (terms, versions) = (terms.clone(), versions.clone());
            let ask = MissionCommand::Revise { at, mission_id, terms, versions };
            world.decide::<MissionBoard>(TheBoard, &ask).map_err(Decline::widen)
        };
        self.bus.execute(request, decide).await
    }

    /// Claims what a mission pays in its present period.
    ///
    /// # Errors
    /// If it is not complete, locked, or was claimed.
    pub async fn claim_mission(
        &self,
        caller: &Caller,
        player: PlayerId,
        mission: MissionId,
    ) -> Result<Answer<Paid>, Failure<PlayRefusal>> {
        let at = self.clock.now();
        let receipt_code = self.codes.next().await?.receipt_code;
        let fingerprint = self.fingerprints.fingerprint("claim_mission", &(player, mission));
        let request = Request::new(caller, Some(player)).keyed(fingerprint);
        let decide = move |world: &mut World<'_>| {
            let claim = claim_of(world, player, mission, at)?;
            pay(world, player, claim, receipt_code, at)
        };
        let claimed = self.bus.execute(request, decide).await?;
        claimed.answer(Paid::of)
    }

    /// Claims everything that can be claimed of missions, in one.
    ///
    /// # Errors
    /// If no more fits into the account; then nothing was claimed.
    pub async fn claim_all_missions(
        &self,
        caller: &Caller,
        player: PlayerId,
    ) -> Result<Answer<AllClaimed>, Failure<PlayRefusal>> {
        let at = self.clock.now();
        let count = |board: &MissionBoard| board.missions().count();
        let (count, _) = self.bus.look::<MissionBoard, _>(TheBoard, count).await?;
        let mut codes = Vec::with_capacity(count);
        for _ in 0..count {
            codes.push(self.codes.next().await?.receipt_code);
        }
        let fingerprint = self.fingerprints.fingerprint("claim_all_missions", &player);
        let request = Request::new(caller, Some(player)).keyed(fingerprint);
        let decide = move |world: &mut World<'_>| claim_all(world, player, &codes, at);
        let Committed { events, place, replayed } = self.bus.execute(request, decide).await?;
        let paid = all_paid(&events);
        let wallet = match paid.last() {
            Some(last) => last.wallet(),
            None => self.wallet(player).await?.0.unwrap_or_default(),
        };
        let body = AllClaimed { paid, wallet };
        Ok(Answer { body, position: place.position, replayed })
    }

    /// Counts for a mission what a player did before it was there, within the period of a moment.
    /// Under the caller's key this is done once.
    ///
    /// # Errors
    /// If there is no such mission.
    pub async fn count_past_play(
        &self,
        caller: &Caller,
        player: PlayerId,
        mission: MissionId,
        (at, amount): (DateTime<Utc>, u64),
    ) -> Result<Committed, Failure<PlayRefusal>> {
        let fingerprint = self.fingerprints.fingerprint("count_past_play", &(player, mission));
        let request = Request::new(caller, Some(player)).keyed(fingerprint);
        let decide = move |world: &mut World<'_>| {
            let Mission { terms, .. } = found(world, mission)?;
            let goal = terms.goal(mission, at);
            let ask = ActivityCommand::CountPastPlay { at, goal, amount };
            world.decide::<Activity>(player, &ask).map_err(Decline::widen)
        };
        self.bus.execute(request, decide).await
    }

    /// All past play is counted. Asking again does nothing.
    ///
    /// # Errors
    /// If there is no such mission.
    pub async fn add_past_play(
        &self,
        caller: &Caller,
        mission_id: MissionId,
        players: u64,
    ) -> Result<Committed, Failure<PlayRefusal>> {
        let ask = MissionCommand::AddPastPlay { at: self.clock.now(), mission_id, players };
        let decide = move |world: &mut World<'_>| {
            world.decide::<MissionBoard>(TheBoard, &ask).map_err(Decline::widen)
        };
        self.bus.execute(Request::new(caller, None), decide).await
    }

    /// Which of these missions a player has claimed for these periods, by the node's own state.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn claimed_missions(
        &self,
        player: PlayerId,
        of: &[(MissionId, MissionPeriod)],
    ) -> Result<HashSet<MissionId>, Unavailable> {
        let look = |account: &Account| {
            let is_claimed = |(mission, period): &&_| account.has_claimed(*mission, *period);
            of.iter().filter(is_claimed).map(|(mission, _)| *mission).collect()
        };
        Ok(self.bus.look::<Account, _>(player, look).await?.0)
    }

    /// A mission from the node's own state, if there is one.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn mission_now(&self, mission: MissionId) -> Result<Option<Mission>, Unavailable> {
        let look = |board: &MissionBoard| board.mission(mission).cloned();
        Ok(self.bus.look::<MissionBoard, _>(TheBoard, look).await?.0)
    }
}

fn found(world: &mut World<'_>, mission: MissionId) -> Result<Mission, Declined> {
    let found = world.read::<MissionBoard>(TheBoard)?.mission(mission).cloned();
    found.ok_or_else(|| Decline::Refused(MissionRefusal::NotFound.into()))
}

/// Where a player stands with a mission, and what it pays.
fn claim_of(
    world: &mut World<'_>,
    player: PlayerId,
    mission_id: MissionId,
    at: DateTime<Utc>,
) -> Result<(MissionClaim, Rewards), Declined> {
    let board = world.read::<MissionBoard>(TheBoard)?;
    let active = board.mission(mission_id).filter(|mission| mission.terms.is_active);
    let Some(Mission { version, terms, .. }) = active else {
        return Err(Decline::Refused(MissionRefusal::NotFound.into()));
    };
    let (version, target, period) = (*version, terms.target, terms.cadence.period_at(at));
    // Not the whole mission: this is asked at every claim.
    let (requires, rewards) = (terms.requires.clone(), terms.rewards.clone());
    let required = requires.as_ref().map(|_| present_periods(board, at)).unwrap_or_default();
    let activity = world.read::<Activity>(player)?;
    let (progress, was_complete) = activity.mission(mission_id, period);
    let is_met = |mission: MissionId| {
        let mut required = required.iter().filter(|(id, _)| *id == mission);
        required.any(|(id, period)| activity.mission(*id, *period).1)
    };
    let claim = MissionClaim {
        mission_id,
        version,
        period,
        is_unlocked: requires.is_none_or(|requires| requires.is_met(&is_met)),
        is_complete: was_complete || progress >= target,
    };
    Ok((claim, rewards))
}

fn present_periods(board: &MissionBoard, at: DateTime<Utc>) -> Vec<(MissionId, MissionPeriod)> {
    board.missions().map(|(id, other)| (id, other.terms.cadence.period_at(at))).collect()
}

fn pay(
    world: &mut World<'_>,
    player: PlayerId,
    (claim, rewards): (MissionClaim, Rewards),
    receipt_code: ReceiptCode,
    at: DateTime<Utc>,
) -> Result<(), Declined> {
    let payment = payment(world, receipt_code, &rewards, at)?;
    let ask = AccountCommand::ClaimMission { at, claim, rewards, payment };
    world.decide::<Account>(player, &ask).map_err(Decline::widen)
}

fn claim_all(
    world: &mut World<'_>,
    player: PlayerId,
    codes: &[ReceiptCode],
    at: DateTime<Utc>,
) -> Result<(), Declined> {
    let board = world.read::<MissionBoard>(TheBoard)?;
    let active = board.missions().filter(|(_, mission)| mission.terms.is_active);
    let missions: Vec<MissionId> = active.map(|(id, _)| id).collect();
    // One that was put on the board a moment ago has no code yet: it is for the next time.
    for (mission, receipt_code) in missions.into_iter().zip(codes) {
        let (claim, rewards) = claim_of(world, player, mission, at)?;
        let has_claimed = world.read::<Account>(player)?.has_claimed(mission, claim.period);
        if claim.is_complete && claim.is_unlocked && !has_claimed {
            pay(world, player, (claim, rewards), *receipt_code, at)?;
        }
    }
    Ok(())
}
