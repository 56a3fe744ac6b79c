//! What players claim once a day: the streak, vip points. A second claim of a day writes nothing and
//! is answered from what the first one wrote.

use chrono::{DateTime, Utc};
use domain::account::{Account, AccountCommand, AccountEvent, AccountRefusal, Daily};
use domain::aggregate::Aggregate;
use domain::id::PlayerId;
use domain::money::Wallet;

use crate::Commands;
use crate::bus::{Answer, Committed, Failure, Request, Unavailable};
use crate::context::Caller;
use crate::world::World;

/// A day's claim: what it paid, and whether this or an earlier request made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claimed<T> {
    /// What it paid.
    pub reward: T,
    /// When it was made.
    pub at: DateTime<Utc>,
    /// The wallet after it.
    pub wallet: Wallet,
    /// Whether another request had made it before.
    pub is_repeat: bool,
}

/// What a day of a streak paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreakPaid {
    /// Which day of the streak.
    pub count: u32,
    /// How much gold; what repaid a debt included.
    pub gold: u64,
    /// How much experience.
    pub xp: u64,
}

/// A player's claims and wallet, at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DailyStanding {
    /// What was claimed.
    pub daily: Daily,
    /// What the player has.
    pub wallet: Wallet,
    /// The moment.
    pub at: DateTime<Utc>,
}

/// Finds in an event what a claim paid, when, and the wallet after it.
type Paid<T> = fn(&AccountEvent) -> Option<(T, DateTime<Utc>, Wallet)>;

impl Commands {
    /// Claims today's part of the streak.
    ///
    /// # Errors
    /// If there is no such account, or no more gold fits into it.
    pub async fn claim_streak(
        &self,
        caller: &Caller,
        player: PlayerId,
    ) -> Result<Answer<Claimed<StreakPaid>>, Failure<AccountRefusal>> {
        let (at, grace_days) = (self.clock.now(), self.streak_grace_days);
        let command = AccountCommand::ClaimStreak { at, grace_days };
        self.claim(caller, player, command, ("streak_claimed", streak_paid)).await
    }

    /// Claims today's vip points.
    ///
    /// # Errors
    /// If there is no such account, or no more points fit into it.
    pub async fn claim_vip(
        &self,
        caller: &Caller,
        player: PlayerId,
    ) -> Result<Answer<Claimed<u64>>, Failure<AccountRefusal>> {
        let command = AccountCommand::ClaimVip { at: self.clock.now() };
        self.claim(caller, player, command, ("vip_claimed", vip_paid)).await
    }

    /// What a player has claimed, from the node's own state.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn daily(&self, player: PlayerId) -> Result<Answer<DailyStanding>, Unavailable> {
        let at = self.clock.now();
        let look = |account: &Account| DailyStanding {
            daily: *account.daily(),
            wallet: account.wallet(),
            at,
        };
        let (body, place) = self.bus.look::<Account, _>(player, look).await?;
        Ok(Answer { body, position: place.position, replayed: false })
    }

    async fn claim<T>(
        &self,
        caller: &Caller,
        player: PlayerId,
        command: AccountCommand,
        (event_type, paid): (&'static str, Paid<T>),
    ) -> Result<Answer<Claimed<T>>, Failure<AccountRefusal>> {
        let fingerprint = self.fingerprints.fingerprint(event_type, &player);
        let request = Request::new(caller, Some(player)).keyed(fingerprint);
        let decide = move |world: &mut World<'_>| world.decide::<Account>(player, &command);
        let mut done = self.bus.execute(request, decide).await?;
        let is_repeat = done.events.is_empty();
        if is_repeat {
            done = self.latest(player, event_type).await?;
        }
        done.answer(|event| {
            let (reward, at, wallet) = paid(event)?;
            Some(Claimed { reward, at, wallet, is_repeat })
        })
    }

    /// The last claim of this kind, which stands in the way of another.
    async fn latest(
        &self,
        player: PlayerId,
        event_type: &'static str,
    ) -> Result<Committed, Unavailable> {
        let player = player.to_string();
        let found = self.bus.log().find_latest((Account::TYPE, &player), event_type).await?;
        let found = found.ok_or(Unavailable)?;
        let place = found.place;
        Ok(Committed { events: vec![found], place, replayed: false })
    }
}

fn streak_paid(event: &AccountEvent) -> Option<(StreakPaid, DateTime<Utc>, Wallet)> {
    let AccountEvent::StreakClaimed { at, streak_count, xp, movement, .. } = event else {
        return None;
    };
    let gold = movement.gold.plus(movement.debt).total();
    Some((StreakPaid { count: *streak_count, gold, xp: *xp }, *at, movement.balance))
}

fn vip_paid(event: &AccountEvent) -> Option<(u64, DateTime<Utc>, Wallet)> {
    let AccountEvent::VipClaimed { at, vip_points, balance, .. } = event else { return None };
    Some((*vip_points, *at, *balance))
}
