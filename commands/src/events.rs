//! What is asked of events that players join: drawing up, publishing, joining, claiming, and the
//! rewarding of places.

mod staff;

use chrono::{DateTime, Utc};
use domain::account::{Account, AccountCommand, AccountEvent, AccountRefusal, Participation};
use domain::activity::Activity;
use domain::id::{LiveEventId, PlayerId, ReceiptCode};
use domain::identity::Identity;
use domain::live_event::{EventStatus, LiveEvent, LiveEventCommand, LiveEventRefusal, Seat};
use domain::money::Wallet;
use domain::reward::Rewards;
use domain::schedule::Occurrence;

pub use staff::{EventChange, EventDraft, EventNow, NewEvent};

use crate::Commands;
use crate::bus::{Answer, Committed, Failure, Request, Unavailable};
use crate::context::Caller;
use crate::play::PlayRefusal;
use crate::rewards::{Paid, all_paid, payment};
use crate::world::{Decline, World};

/// The answer to joining an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// When it was joined.
    pub joined_at: DateTime<Utc>,
    /// In which occurrence.
    pub occurrence: Occurrence,
    /// Whether all is done that it takes.
    pub is_complete: bool,
    /// What it has paid, if it was claimed.
    pub paid: Option<Paid>,
    /// The wallet at the answer's position.
    pub wallet: Wallet,
    /// Whether another request had joined it before.
    pub is_repeat: bool,
}

/// A place on a leaderboard that is to be rewarded.
#[derive(Debug, Clone)]
pub struct PlaceReward {
    /// Of which event.
    pub event: LiveEventId,
    /// When the occurrence began.
    pub occurrence_at: DateTime<Utc>,
    /// Whose place.
    pub player: PlayerId,
    /// Which, from 1.
    pub place: u32,
    /// The score.
    pub score: u64,
    /// What it pays.
    pub rewards: Rewards,
}

type Declined = Decline<PlayRefusal>;

impl Commands {
    /// Takes part in an event. Whoever has joined its present occurrence gets the answer of that.
    ///
    /// # Errors
    /// If the event is not open or full, or for other players.
    pub async fn join_event(
        &self,
        caller: &Caller,
        player: PlayerId,
        event: LiveEventId,
    ) -> Result<Answer<Joined>, Failure<PlayRefusal>> {
        let at = self.clock.now();
        let receipt_code = self.codes.next().await?.receipt_code;
        let fingerprint = self.fingerprints.fingerprint("join_event", &(player, event));
        let request = Request::new(caller, Some(player)).keyed(fingerprint);
        let decide = move |world: &mut World<'_>| join(world, (player, event), receipt_code, at);
        let joined = self.bus.execute(request, decide).await?;
        match joined_now(&joined) {
            Some(answer) => self.with_wallet(player, answer, &joined).await,
            None => self.joined_before(player, event, joined.place.position).await,
        }
    }

    /// Claims what an event pays.
    ///
    /// # Errors
    /// If the player has not joined or completed it, has claimed it, or it is too late or paused.
    pub async fn claim_event(
        &self,
        caller: &Caller,
        player: PlayerId,
        event: LiveEventId,
    ) -> Result<Answer<Paid>, Failure<PlayRefusal>> {
        let request = Request::new(caller, Some(player));
        self.claim_reward(request, (player, event), false).await
    }

    /// Gives a player what an event pays, complete or not. The reason is kept beside the log.
    ///
    /// # Errors
    /// If the player has not joined it, or has claimed it.
    pub async fn force_claim(
        &self,
        caller: &Caller,
        player: PlayerId,
        event: LiveEventId,
        reason: Option<String>,
    ) -> Result<Answer<Paid>, Failure<PlayRefusal>> {
        let request = Request::new(caller, Some(player));
        let request = match reason {
            Some(reason) => request.with_text(reason),
            None => request,
        };
        self.claim_reward(request, (player, event), true).await
    }

    async fn claim_reward(
        &self,
        request: Request,
        (player, event): (PlayerId, LiveEventId),
        forced: bool,
    ) -> Result<Answer<Paid>, Failure<PlayRefusal>> {
        let at = self.clock.now();
        let receipt_code = self.codes.next().await?.receipt_code;
        let fingerprint = self.fingerprints.fingerprint("claim_event", &(player, event, forced));
        let decide =
            move |world: &mut World<'_>| claim(world, (player, event), receipt_code, (at, forced));
        let claimed = self.bus.execute(request.keyed(fingerprint), decide).await?;
        claimed.answer(Paid::of)
    }

    /// Claims what an event pays for a player, if it is to be claimed as soon as it is complete, and
    /// is. Does nothing otherwise.
    ///
    /// # Errors
    /// If no more fits into the account.
    pub async fn claim_by_itself(
        &self,
        caller: &Caller,
        player: PlayerId,
        event: LiveEventId,
    ) -> Result<Committed, Failure<PlayRefusal>> {
        let at = self.clock.now();
        let receipt_code = self.codes.next().await?.receipt_code;
        let request = Request::new(caller, Some(player));
        let decide = move |world: &mut World<'_>| {
            let joined = world.read::<Account>(player)?.participation(event);
            let is_due = joined.is_some_and(|has| has.entry.auto_claim && has.claimed.is_none());
            if !is_due {
                return Ok(());
            }
            match claim(world, (player, event), receipt_code, (at, false)) {
                // Something else is still to be done; or it rests, and can be claimed by hand later.
                Err(Decline::Refused(
                    PlayRefusal::Account(
                        AccountRefusal::NotCompleted | AccountRefusal::ClaimTooLate { .. },
                    )
                    | PlayRefusal::Event(LiveEventRefusal::Paused),
                )) => Ok(()),
                claimed => claimed,
            }
        };
        self.bus.execute(request, decide).await
    }

    /// Rewards a place. Asking again does nothing.
    ///
    /// # Errors
    /// If no more fits into the account.
    pub async fn reward_place(
        &self,
        caller: &Caller,
        reward: PlaceReward,
    ) -> Result<Committed, Failure<PlayRefusal>> {
        let at = self.clock.now();
        let receipt_code = self.codes.next().await?.receipt_code;
        let request = Request::new(caller, Some(reward.player));
        let decide = move |world: &mut World<'_>| {
            let payment = payment(world, receipt_code, &reward.rewards, at)?;
            let command = AccountCommand::RewardPlace {
                at,
                event_id: reward.event,
                occurrence_at: reward.occurrence_at,
                place: reward.place,
                score: reward.score,
                rewards: reward.rewards.clone(),
                payment,
            };
            world.decide::<Account>(reward.player, &command).map_err(Decline::widen)
        };
        self.bus.execute(request, decide).await
    }

    /// The answer to a join that wrote something: the wallet is that after its claim, or the present.
    async fn with_wallet(
        &self,
        player: PlayerId,
        (joined_at, occurrence, is_complete, paid): JoinedNow,
        joined: &Committed,
    ) -> Result<Answer<Joined>, Failure<PlayRefusal>> {
        let wallet = match &paid {
            Some(paid) => paid.wallet(),
            None => self.wallet(player).await?.0.unwrap_or_default(),
        };
        let is_repeat = false;
        let body = Joined { joined_at, occurrence, is_complete, paid, wallet, is_repeat };
        Ok(Answer { body, position: joined.place.position, replayed: joined.replayed })
    }

    async fn joined_before(
        &self,
        player: PlayerId,
        event: LiveEventId,
        position: u64,
    ) -> Result<Answer<Joined>, Failure<PlayRefusal>> {
        let look = |account: &Account| (account.participation(event).cloned(), account.wallet());
        let ((participation, wallet), place) = self.bus.look::<Account, _>(player, look).await?;
        let Some(Participation { joined_at, occurrence, entry, claimed }) = participation else {
            tracing::error!(%player, %event, "a participation has gone");
            return Err(Failure::Unavailable);
        };
        let paid = match claimed {
            Some(receipt) => self.paid_under(player, receipt).await?,
            None => None,
        };
        let paid = paid.and_then(|found| all_paid(&found.events).pop());
        let requirements = u8::try_from(entry.requirements.len()).unwrap_or(u8::MAX);
        let starts_at = occurrence.starts_at;
        let meets = move |activity: &Activity| activity.meets(event, starts_at, requirements);
        let (is_complete, _) = self.bus.look::<Activity, _>(player, meets).await?;
        let body = Joined { joined_at, occurrence, is_complete, paid, wallet, is_repeat: true };
        Ok(Answer { body, position: position.max(place.position), replayed: false })
    }

    /// How a player takes part in an event, and the event, from the node's own state.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn participation(
        &self,
        player: PlayerId,
        event: LiveEventId,
    ) -> Result<Option<Participation>, Unavailable> {
        let look = |account: &Account| account.participation(event).cloned();
        Ok(self.bus.look::<Account, _>(player, look).await?.0)
    }
}

fn join(
    world: &mut World<'_>,
    (player, event): (PlayerId, LiveEventId),
    receipt_code: ReceiptCode,
    at: DateTime<Utc>,
) -> Result<(), Declined> {
    let joined = world.read::<Account>(player)?.participation(event);
    if joined.is_some_and(|has| has.occurrence.contains(at)) {
        return Ok(());
    }
    let seat =
        world.read::<LiveEvent>(event)?.seat(at).map_err(|it| Decline::Refused(it.into()))?;
    let rank = world.read::<Identity>(player)?.rank();
    let Seat { occurrence, entry, .. } = seat.clone();
    let ask = AccountCommand::JoinEvent { at, event_id: event, seat, rank };
    let joined = world.read::<Account>(player)?.participation(event);
    let is_repeat = joined.is_some_and(|has| has.occurrence.starts_at >= occurrence.starts_at);
    world.decide::<Account>(player, &ask).map_err(Decline::widen)?;
    if is_repeat {
        return Ok(());
    }
    let take = LiveEventCommand::TakeSeat { at, occurrence_at: occurrence.starts_at };
    world.decide::<LiveEvent>(event, &take).map_err(Decline::widen)?;
    if !(entry.auto_claim && entry.requirements.is_empty()) {
        return Ok(());
    }
    let payment = payment(world, receipt_code, &entry.rewards, at)?;
    let claim = AccountCommand::ClaimEvent {
        at,
        event_id: event,
        is_complete: true,
        forced: false,
        payment,
    };
    world.decide::<Account>(player, &claim).map_err(Decline::widen)
}

fn claim(
    world: &mut World<'_>,
    (player, event): (PlayerId, LiveEventId),
    receipt_code: ReceiptCode,
    (at, forced): (DateTime<Utc>, bool),
) -> Result<(), Declined> {
    let status = world.read::<LiveEvent>(event)?.status();
    match status {
        EventStatus::Draft => return Err(Decline::Refused(LiveEventRefusal::NotFound.into())),
        EventStatus::Paused if !forced => {
            return Err(Decline::Refused(LiveEventRefusal::Paused.into()));
        }
        EventStatus::Published | EventStatus::Paused | EventStatus::Ended => {}
    }
    let joined = world.read::<Account>(player)?.participation(event);
    let joined = joined
        .map(|has| (has.occurrence.starts_at, has.requirement_count(), has.entry.rewards.clone()));
    let not_joined = || Decline::Refused(AccountRefusal::NotJoined.into());
    let (occurrence_at, requirements, rewards) = joined.ok_or_else(not_joined)?;
    let activity = world.read::<Activity>(player)?;
    let is_complete = activity.meets(event, occurrence_at, requirements);
    let payment = payment(world, receipt_code, &rewards, at)?;
    let ask = AccountCommand::ClaimEvent { at, event_id: event, is_complete, forced, payment };
    world.decide::<Account>(player, &ask).map_err(Decline::widen)
}

/// When, in which occurrence, whether complete, and what it paid.
type JoinedNow = (DateTime<Utc>, Occurrence, bool, Option<Paid>);

fn joined_now(joined: &Committed) -> Option<JoinedNow> {
    let mut events = joined.events.iter().filter_map(|recorded| recorded.event.decode().ok());
    let (at, occurrence, is_complete) = events.find_map(|event: AccountEvent| {
        let AccountEvent::EventJoined { at, occurrence, entry, .. } = event else { return None };
        Some((at, occurrence, entry.requirements.is_empty()))
    })?;
    Some((at, occurrence, is_complete, all_paid(&joined.events).pop()))
}
