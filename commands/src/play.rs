//! What players do, as game servers and the club itself report it. Each action is written once, under
//! its own id, in the stream of its player, together with the progress that it makes.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::account::{Account, AccountRefusal, Deed};
use domain::activity::{Activity, ActivityCommand, ActivityRefusal, Goal, LOGIN, OpenGoal};
use domain::id::{Counter, LiveEventId, PlayerId};
use domain::live_event::{LiveEvent, LiveEventRefusal};
use domain::mission::{MissionBoard, MissionRefusal, TheBoard};
use domain::schedule::Occurrence;

use crate::Commands;
use crate::approvals::ApprovalNeeded;
use crate::bus::{Committed, Failure, Line, Request, Unavailable};
use crate::context::{Caller, Fingerprint, IdempotencyKey};
use crate::rewards::NoBenefit;
use crate::world::{Decline, Missing, World};

/// Why nothing came of what was asked of events, missions and rewards.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PlayRefusal {
    /// The player's account says no.
    #[error(transparent)]
    Account(#[from] AccountRefusal),
    /// The event says no.
    #[error(transparent)]
    Event(#[from] LiveEventRefusal),
    /// The board of missions says no.
    #[error(transparent)]
    Mission(#[from] MissionRefusal),
    /// A reward's item is no benefit.
    #[error(transparent)]
    NoBenefit(#[from] NoBenefit),
    /// It is too much for one member of the staff.
    #[error(transparent)]
    ApprovalNeeded(#[from] ApprovalNeeded),
}

impl From<ActivityRefusal> for PlayRefusal {
    fn from(refusal: ActivityRefusal) -> Self {
        match refusal {}
    }
}

/// Something that a player did.
#[derive(Debug, Clone)]
pub struct Action {
    /// What whoever reports it calls it: its name for ever.
    pub action_id: IdempotencyKey,
    /// Who did it.
    pub player: PlayerId,
    /// What was done.
    pub action: Counter,
    /// How often, or how much.
    pub amount: u64,
    /// When; now, if not given.
    pub at: Option<DateTime<Utc>>,
}

/// Something that the club itself saw, as its log has it.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// Who did it.
    pub player: PlayerId,
    /// Where in the log it stands.
    pub position: u64,
    /// What it is.
    pub deed: Deed,
}

/// What became of one action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recording {
    /// It was written.
    Accepted,
    /// It had been written before.
    Duplicate,
    /// There is no such player: nothing was written.
    UnknownPlayer,
    /// Its id is that of another action: nothing was written.
    IdReused,
}

/// What became of several actions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Of each, in order.
    pub recordings: Vec<Recording>,
    /// Where in the log the last of them stands, or the head.
    pub position: u64,
}

impl Commands {
    /// Writes down what players did: all of it in one append, each action once by its own id, in
    /// this order. What cannot be written does not stop the others.
    ///
    /// # Errors
    /// If the log cannot be reached or too much is waiting; repeating the whole is harmless.
    pub async fn record_actions(
        &self,
        caller: &Caller,
        actions: Vec<Action>,
    ) -> Result<Recorded, Failure<PlayRefusal>> {
        let lines: Vec<Line> = actions.iter().map(|action| self.line(action)).collect();
        let now = self.clock.now();
        self.bus.warm(&streams(actions.iter().map(|action| action.player))).await?;
        let request = Request::of_lines(caller, lines.clone());
        let count = actions.len();
        let decide = move |world: &mut World<'_>| record(world, &actions, now);
        let committed = self.bus.execute_lines(request, decide).await?;
        let mut recordings = vec![Recording::UnknownPlayer; count];
        for (line, _) in &committed.events {
            recordings[*line] = Recording::Accepted;
        }
        let known = self.fingerprints_of(caller, &lines, &committed.done_before).await?;
        for line in committed.done_before {
            let Line { key, fingerprint, .. } = &lines[line];
            recordings[line] = match known.get(key.as_str()) {
                Some(known) if known == fingerprint => Recording::Duplicate,
                // Not in the log: the first of this batch under the id has no player.
                None if is_first_the_same(&lines, &lines[line]) => Recording::UnknownPlayer,
                Some(_) | None => Recording::IdReused,
            };
        }
        Ok(Recorded { recordings, position: committed.place.position })
    }

    /// What was asked under the keys of these lines, the first time.
    async fn fingerprints_of(
        &self,
        caller: &Caller,
        asked: &[Line],
        lines: &[usize],
    ) -> Result<HashMap<String, Fingerprint>, Unavailable> {
        if lines.is_empty() {
            return Ok(HashMap::new());
        }
        let keys: Vec<&str> = lines.iter().map(|line| asked[*line].key.as_str()).collect();
        Ok(self.bus.log().find_keys(&keys, &caller.actor.to_string()).await?)
    }

    fn line(&self, action: &Action) -> Line {
        let asked = (action.player, action.action, action.amount, action.at);
        Line {
            key: action.action_id.clone(),
            fingerprint: self.fingerprints.fingerprint("record_action", &asked),
            player: action.player,
        }
    }

    /// Counts what the club itself saw, all of it in one append. Whoever asks brings each player's deeds
    /// in the order of the log and leaves none out: what stands before the last that was counted was
    /// counted, so repeating the whole is harmless and takes no keys.
    ///
    /// # Errors
    /// If the log cannot be reached or too much is waiting.
    pub async fn count_deeds(
        &self,
        caller: &Caller,
        seen: Vec<Seen>,
    ) -> Result<Committed, Failure<PlayRefusal>> {
        self.bus.warm(&streams(seen.iter().map(|seen| seen.player))).await?;
        let about = seen.iter().map(|Seen { player, position, .. }| {
            let cause = Some(format!("{}/{position}", caller.actor.id()));
            Caller { cause, ..caller.clone() }.metadata(Some(*player))
        });
        let request = Request::new(caller, None).with_metadata_of_lines(about);
        let decide = move |world: &mut World<'_>| count(world, &seen);
        self.bus.execute(request, decide).await
    }

    /// Writes down that a player was there; once a UTC day, whoever asks how often.
    ///
    /// # Errors
    /// As every command: see [`Failure`].
    pub async fn record_login(
        &self,
        caller: &Caller,
        player: PlayerId,
    ) -> Result<Committed, Failure<PlayRefusal>> {
        let at = self.clock.now();
        let request = Request::new(&caller.without_key(), Some(player));
        let decide = move |world: &mut World<'_>| {
            let Ok(login) = LOGIN.parse() else { return Ok(()) };
            let Some(goals) = goals(world, player, login, at)? else { return Ok(()) };
            let ask = ActivityCommand::RecordLogin { at, goals };
            world.decide::<Activity>(player, &ask).map_err(Decline::widen)
        };
        self.bus.execute(request, decide).await
    }
}

fn streams(players: impl Iterator<Item = PlayerId>) -> Vec<Missing> {
    let each = |player| [Missing::of::<Account>(player), Missing::of::<Activity>(player)];
    players.flat_map(each).collect()
}

/// Whether the first line with this one's key asks for the same.
fn is_first_the_same(lines: &[Line], line: &Line) -> bool {
    let first = lines.iter().find(|other| other.key == line.key);
    first.is_some_and(|first| first.fingerprint == line.fingerprint)
}

fn record(
    world: &mut World<'_>,
    actions: &[Action],
    now: DateTime<Utc>,
) -> Result<(), Decline<PlayRefusal>> {
    for (line, action) in actions.iter().enumerate() {
        if world.is_done(line) {
            continue;
        }
        world.begin_line(line);
        let at = action.at.unwrap_or(now);
        let Some(goals) = goals(world, action.player, action.action, at)? else { continue };
        let ask = ActivityCommand::Record {
            at,
            action_id: action.action_id.to_string(),
            action: action.action,
            amount: action.amount,
            goals,
        };
        world.decide::<Activity>(action.player, &ask).map_err(Decline::widen)?;
    }
    Ok(())
}

fn count(world: &mut World<'_>, seen: &[Seen]) -> Result<(), Decline<PlayRefusal>> {
    for (line, Seen { player, position, deed }) in seen.iter().enumerate() {
        world.begin_line(line);
        let Some(goals) = goals(world, *player, deed.action, deed.at)? else { continue };
        let ask = ActivityCommand::CountDeed { position: *position, deed: *deed, goals };
        world.decide::<Activity>(*player, &ask).map_err(Decline::widen)?;
    }
    Ok(())
}

/// A participation that something may count for.
struct Open {
    event: LiveEventId,
    occurrence: Occurrence,
    requirements: Vec<(u8, u64)>,
    is_scored: bool,
}

/// What an action brings closer: missions on the board, and events that the player has joined.
/// `None` if there is no such player.
fn goals(
    world: &mut World<'_>,
    player: PlayerId,
    action: Counter,
    at: DateTime<Utc>,
) -> Result<Option<Vec<OpenGoal>>, Missing> {
    let account = world.read::<Account>(player)?;
    if !account.is_open() {
        return Ok(None);
    }
    let open = open_participations(account, action, at);
    let mut goals: Vec<OpenGoal> =
        world.read::<MissionBoard>(TheBoard)?.goals(action, at).collect();
    for Open { event, occurrence, requirements, is_scored } in open {
        if !world.read::<LiveEvent>(event)?.counts(occurrence, at) {
            continue;
        }
        let occurrence = occurrence.starts_at;
        goals.extend(requirements.into_iter().map(|(number, target)| OpenGoal {
            goal: Goal::Requirement { event, occurrence, number },
            target: Some(target),
        }));
        let score = OpenGoal { goal: Goal::Score { event, occurrence }, target: None };
        goals.extend(is_scored.then_some(score));
    }
    Ok(Some(goals))
}

fn open_participations(account: &Account, action: Counter, at: DateTime<Utc>) -> Vec<Open> {
    let open = account.participations().filter_map(|(event, joined)| {
        let entry = &joined.entry;
        let numbered = (0..=u8::MAX).zip(&entry.requirements);
        let mine = numbered.filter(|(_, needs)| needs.counter == action);
        let open = Open {
            event,
            occurrence: joined.occurrence,
            requirements: mine.map(|(number, needs)| (number, needs.target)).collect(),
            is_scored: entry.scored == Some(action),
        };
        let counts = open.is_scored || !open.requirements.is_empty();
        (joined.occurrence.contains(at) && counts).then_some(open)
    });
    open.collect()
}
