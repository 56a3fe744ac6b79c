//! How far a player is with everything, told as small as it can be: a line for each goal that has
//! come closer, and only in the latest period or occurrence in which it did.

use std::cmp::Ordering;

use chrono::NaiveDate;
use domain::activity::{Advance, Goal, MissionPeriod, OpenGoal};
use domain::id::{LiveEventId, MissionId, PlayerId};
use domain::live_event::Seat;

/// See the module.
#[derive(Default)]
pub(super) struct Progress {
    lines: Vec<Line>,
    last_login: Option<NaiveDate>,
}

struct Line {
    goal: Goal,
    progress: u64,
    is_complete: bool,
}

impl Progress {
    /// How far a goal is, and whether it is complete: once so, always.
    fn of(&self, goal: Goal) -> (u64, bool) {
        let line = self.lines.iter().find(|line| line.goal == goal);
        line.map_or((0, false), |line| (line.progress, line.is_complete))
    }

    pub(super) fn of_mission(&self, mission: MissionId, period: MissionPeriod) -> (u64, bool) {
        self.of(Goal::Mission { mission, period })
    }

    /// Whether everything is done that a seat takes.
    pub(super) fn meets(&self, event: LiveEventId, seat: &Seat) -> bool {
        let occurrence = seat.occurrence.starts_at;
        let numbered = (0..=u8::MAX).zip(&seat.entry.requirements);
        numbered
            .map(|(number, _)| self.of(Goal::Requirement { event, occurrence, number }))
            .all(|(_, is_complete)| is_complete)
    }

    /// Where so much more brings a goal; nowhere, if it is complete or its time is over.
    pub(super) fn advance(&self, open: OpenGoal, amount: u64) -> Option<Advance> {
        let OpenGoal { goal, target } = open;
        if self.lines.iter().any(|line| age(line.goal, goal) == Some(Ordering::Greater)) {
            return None;
        }
        let (before, is_complete) = self.of(goal);
        let progress = before.saturating_add(amount).min(target.unwrap_or(u64::MAX));
        (!is_complete).then_some(Advance { goal, progress, target })
    }

    /// A goal has come closer, rightly or not.
    pub(super) fn has_advanced(&mut self, advance: &Advance) {
        let Advance { goal, progress, .. } = *advance;
        let is_complete = advance.is_complete();
        if let Some(line) = self.lines.iter_mut().find(|line| line.goal == goal) {
            (line.progress, line.is_complete) = (progress, is_complete);
            return;
        }
        self.lines.retain(|line| age(line.goal, goal).is_none_or(Ordering::is_eq));
        self.lines.push(Line { goal, progress, is_complete });
    }

    /// The player was there on a day.
    pub(super) fn login(&mut self, player: PlayerId, day: NaiveDate) -> Result<(), String> {
        let last = self.last_login;
        self.last_login = last.max(Some(day));
        match last {
            Some(last) if day <= last => {
                Err(format!("the login of player {player} on {day} or a later day counts again"))
            }
            _ => Ok(()),
        }
    }
}

/// Whether the period or occurrence of one goal is earlier than that of another, if both are about
/// the same mission or event.
fn age(one: Goal, other: Goal) -> Option<Ordering> {
    match (one, other) {
        (
            Goal::Mission { mission: one, period: first },
            Goal::Mission { mission: other, period: second },
        ) => (one == other).then(|| first.cmp(&second)),
        (
            Goal::Requirement { event: one, occurrence: first, .. }
            | Goal::Score { event: one, occurrence: first },
            Goal::Requirement { event: other, occurrence: second, .. }
            | Goal::Score { event: other, occurrence: second },
        ) => (one == other).then(|| first.cmp(&second)),
        (Goal::Mission { .. }, _) | (_, Goal::Mission { .. }) => None,
    }
}

/// What is wrong with the progress that an action is said to make. The order of goals means nothing.
pub(super) fn difference(
    player: PlayerId,
    mut due: Vec<Advance>,
    told: &[Advance],
) -> Result<(), String> {
    let mut told = told.to_vec();
    due.sort_by_key(|advance| advance.goal);
    told.sort_by_key(|advance| advance.goal);
    if let Some(wrong) = told.iter().find(|advance| !due.contains(advance)) {
        let due = due.iter().find(|due| due.goal == wrong.goal);
        let due = due.map_or_else(|| "this brings it no closer".to_owned(), so_far);
        let (goal, wrong) = (wrong.goal, so_far(wrong));
        return Err(format!("player {player} is said to be {wrong} with {goal}, and {due}"));
    }
    if let Some(missing) = due.iter().find(|advance| !told.contains(advance)) {
        let (goal, due) = (missing.goal, so_far(missing));
        return Err(format!("player {player} is {due} with {goal} by this, and nobody says so"));
    }
    if told.len() != due.len() {
        return Err(format!("player {player} is said to come closer to one goal twice at once"));
    }
    Ok(())
}

fn so_far(advance: &Advance) -> String {
    match advance.target {
        Some(target) => format!("at {} of {target}", advance.progress),
        None => format!("at {}", advance.progress),
    }
}
