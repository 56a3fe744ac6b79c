//! Whether what a player did has brought closer exactly what it had to.

use chrono::{DateTime, Utc};
use domain::account::Deed;
use domain::activity::{ActivityEvent, Advance, Goal, LOGIN, OpenGoal};
use domain::id::{Counter, PlayerId};
use domain::mission::Mission;

use super::past_play::Done;
use super::progress::difference;
use super::{Joined, Member, Play, Played};
use crate::verify::{Check, Verdict};

impl Play {
    pub(in crate::verify) fn activity(
        &mut self,
        position: u64,
        player: PlayerId,
        member: &mut Member,
        event: &ActivityEvent,
    ) -> Verdict {
        let is_right = match event {
            ActivityEvent::ActionRecorded { at, action, amount, deed, advanced, .. } => {
                let (at, action, amount) = (*at, *action, *amount);
                let done = Done { position, player, action, at, amount };
                self.past_play.take(&done);
                let counted = deed.map(|seen_at| (seen_at, Deed { at, action, amount }));
                let is_next = counted.map_or(Ok(()), |counted| member.played().counts(counted));
                is_next.and_then(|()| self.action(&done, member, advanced))
            }
            ActivityEvent::PastPlayCounted { at, amount, advanced } => {
                self.past_play_counted(player, member.played(), (*at, *amount), advanced)
            }
        };
        for Advance { goal, progress, .. } in event.advanced() {
            if let Goal::Score { event: contest, occurrence } = *goal {
                let live = self.events.entry(contest).or_default();
                live.contest(occurrence).score(player, *progress, position);
            }
        }
        event.advanced().iter().for_each(|advance| member.played().progress.has_advanced(advance));
        is_right.map_err(|it| (Check::Progress, it))
    }

    fn action(&self, done: &Done, member: &mut Member, told: &[Advance]) -> Result<(), String> {
        let Done { player, action, at, amount, .. } = *done;
        let is_open = member.opened_at.is_some();
        let played = member.played();
        let is_first = match action.as_str() {
            LOGIN => played.progress.login(player, at.date_naive()),
            _ => Ok(()),
        };
        if !is_open {
            return Err(format!("player {player} does something and has no account"));
        }
        is_first?;
        let advances = || {
            self.goals(played, action, at).filter_map(|goal| played.progress.advance(goal, amount))
        };
        if advances().eq(told.iter().copied()) {
            return Ok(());
        }
        difference(player, advances().collect(), told)
    }

    /// What an action may bring closer: missions on the board, and what the player has joined.
    fn goals<'a>(
        &'a self,
        played: &'a Played,
        action: Counter,
        at: DateTime<Utc>,
    ) -> impl Iterator<Item = OpenGoal> + 'a {
        let joined = played.joined.iter().filter(move |joined| self.counts(joined, at));
        self.board.goals(action, at).chain(joined.flat_map(move |joined| joined.goals(action)))
    }

    fn counts(&self, joined: &Joined, at: DateTime<Utc>) -> bool {
        let occurrence = joined.seat.occurrence;
        let live = || self.events.get(&joined.event);
        occurrence.contains(at) && live().is_some_and(|live| live.now().counts(occurrence, at))
    }

    fn past_play_counted(
        &mut self,
        player: PlayerId,
        played: &Played,
        (at, amount): (DateTime<Utc>, u64),
        told: &Advance,
    ) -> Result<(), String> {
        let Goal::Mission { mission: id, period } = told.goal else {
            return Err(format!(
                "player {player}: past play counts for missions, not {}",
                told.goal
            ));
        };
        let mission = self.board.mission(id);
        let asked = mission.filter(|mission| mission.counts_after.is_some());
        let Some(Mission { terms, .. }) = asked else {
            return Err(format!(
                "past play of player {player} is counted for mission {id}, for which it does not \
                 count, or all was counted"
            ));
        };
        self.past_play.count(player, (id, period), amount)?;
        let due = played.progress.advance(terms.goal(id, at), amount);
        difference(player, due.into_iter().collect(), std::slice::from_ref(told))
    }
}

impl Played {
    /// A deed is counted: it must be the next of those that were seen.
    fn counts(&mut self, counted: (u64, Deed)) -> Result<(), String> {
        let next = self.seen.pop_front();
        if next == Some(counted) {
            return Ok(());
        }
        let told = |seen: Option<(u64, Deed)>| match seen {
            Some((position, Deed { action, amount, at })) => {
                format!("{amount} {action} of {at} at position {position}")
            }
            None => "nothing".to_owned(),
        };
        Err(format!(
            "what is counted is {}, and what comes next is {}",
            told(Some(counted)),
            told(next)
        ))
    }
}

impl Joined {
    /// What something done brings closer of it.
    fn goals(&self, action: Counter) -> impl Iterator<Item = OpenGoal> {
        let (event, entry) = (self.event, &self.seat.entry);
        let occurrence = self.seat.occurrence.starts_at;
        let numbered = (0..=u8::MAX).zip(&entry.requirements);
        let mine = numbered.filter(move |(_, requirement)| requirement.counter == action);
        let requirements = mine.map(move |(number, requirement)| OpenGoal {
            goal: Goal::Requirement { event, occurrence, number },
            target: Some(requirement.target),
        });
        let score = OpenGoal { goal: Goal::Score { event, occurrence }, target: None };
        requirements.chain((entry.scored == Some(action)).then_some(score))
    }
}
