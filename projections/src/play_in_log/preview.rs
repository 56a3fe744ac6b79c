//! What an event would have paid to those who played in the last days.
//!
//! What it cannot know: ranks and segments (so whoever asks says who is eligible), when players would
//! have joined (here with the first thing that they did), and whether they would have claimed what
//! was complete (here all do).

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use chrono::{DateTime, Duration, TimeDelta, Utc};
use domain::id::{PlayerId, ProductId};
use domain::live_event::{LiveEventTerms, Requirement, reward_of};
use domain::reward::Rewards;
use domain::schedule::Occurrence;
use serde::Serialize;
use sqlx::PgPool;

use super::{Action, FoldError, actions, position_at};

/// Clocks of those who report play are ahead of the log's by no more than this.
const AHEAD: Duration = TimeDelta::hours(1);
/// What is reported later than this after the end of an occurrence is not looked at: so few
/// occurrences are open at once, and memory is bounded by players.
const LATE: Duration = TimeDelta::days(1);

/// What an event would have paid.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// How many players would have taken part, each counted once.
    pub players: u64,
    /// How often it would have been completed.
    pub completions: u64,
    /// What all of that, and all places, would have paid.
    #[serde(flatten)]
    pub paid: Paid,
    /// Each occurrence, in order.
    pub occurrences: Vec<PreviewLine>,
}

/// What an occurrence would have paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PreviewLine {
    /// Which.
    #[serde(flatten)]
    pub occurrence: Occurrence,
    /// How many players would have taken part.
    pub players: u64,
    /// How many would have completed it.
    pub completions: u64,
    /// How many places would have been rewarded.
    pub places: u64,
    /// What all of that would have paid.
    #[serde(flatten)]
    pub paid: Paid,
}

/// What rewards come to, together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Paid {
    /// Gold.
    pub gold: u64,
    /// Vip points.
    pub vip_points: u64,
    /// Experience.
    pub xp: u64,
    /// Items, by product.
    pub items: BTreeMap<ProductId, u64>,
}

impl Paid {
    fn add(&mut self, rewards: &Rewards, times: u64) {
        let more = |has: &mut u64, each: u64| {
            *has = has.saturating_add(each.saturating_mul(times));
        };
        more(&mut self.gold, rewards.gold.amount());
        more(&mut self.vip_points, rewards.vip_points);
        more(&mut self.xp, rewards.xp);
        // What nobody has got is no line.
        for item in rewards.items.iter().filter(|_| times > 0) {
            let has = self.items.entry(item.product_id).or_default();
            more(has, u8::from(item.quantity).into());
        }
    }

    fn add_all(&mut self, other: &Self) {
        self.gold = self.gold.saturating_add(other.gold);
        self.vip_points = self.vip_points.saturating_add(other.vip_points);
        self.xp = self.xp.saturating_add(other.xp);
        for (product, count) in &other.items {
            let has = self.items.entry(*product).or_default();
            *has = has.saturating_add(*count);
        }
    }
}

/// For [`preview`]: all players may join.
#[must_use]
pub fn everybody(_: PlayerId) -> bool {
    true
}

/// What an event on these terms would have paid to those who played in the last `days` days.
///
/// Its pattern is laid over the past, whatever its own window says; an occurrence that only reaches
/// into these days is looked at whole. An event that does not come again is looked at as if these days
/// were its time. Whoever did anything in an occurrence has joined it, in this order while there are
/// seats, if `is_eligible`: ranks and segments are not in what players did.
///
/// # Errors
/// If not everything could be read.
pub async fn preview(
    pool: &PgPool,
    terms: &LiveEventTerms,
    days: u32,
    now: DateTime<Utc>,
    is_eligible: impl Fn(PlayerId) -> bool + Send + 'static,
) -> Result<Preview, FoldError> {
    let occurrences = occurrences(terms, days, now);
    let Some(first) = occurrences.first() else { return Ok(Preview::default()) };
    let from = first.starts_at.checked_sub_signed(AHEAD).unwrap_or(first.starts_at);
    let after = position_at(pool, from).await?;
    let trial = Trial::new(terms.clone(), &occurrences);
    let trial = actions(pool, (after, u64::MAX), trial, move |trial, action| {
        trial.take(action, &is_eligible);
    });
    Ok(trial.await?.finish())
}

fn occurrences(terms: &LiveEventTerms, days: u32, now: DateTime<Utc>) -> Vec<Occurrence> {
    let from = now.checked_sub_signed(TimeDelta::days(days.into()));
    let from = from.unwrap_or(DateTime::UNIX_EPOCH);
    let Some(recurrence) = &terms.recurrence else {
        return vec![Occurrence { starts_at: from, ends_at: now }];
    };
    let first = recurrence.occurrence_at(from).or_else(|| recurrence.next_after(from));
    let following = |last: &Occurrence| recurrence.next_after(last.starts_at);
    std::iter::successors(first, following).take_while(|next| next.starts_at < now).collect()
}

/// The event, as if it had been there.
struct Trial {
    terms: LiveEventTerms,
    /// Occurrences for which something may still be reported, in order.
    open: VecDeque<Course>,
    players: HashSet<PlayerId>,
    preview: Preview,
}

/// What is done in an occurrence.
struct Course {
    occurrence: Occurrence,
    players: HashMap<PlayerId, Play>,
}

/// What a player has done in an occurrence.
struct Play {
    progress: Vec<u64>,
    score: u64,
    scored_position: u64,
}

impl Trial {
    fn new(terms: LiveEventTerms, occurrences: &[Occurrence]) -> Self {
        let course =
            |occurrence: &Occurrence| Course { occurrence: *occurrence, players: HashMap::new() };
        let open = occurrences.iter().map(course).collect();
        Self { terms, open, players: HashSet::new(), preview: Preview::default() }
    }

    fn take(&mut self, action: &Action, is_eligible: &impl Fn(PlayerId) -> bool) {
        while self.open.front().is_some_and(|course| course.is_over(action.recorded_at)) {
            self.close_first();
        }
        let begun = self.open.partition_point(|course| course.occurrence.starts_at <= action.at);
        let Some(course) = begun.checked_sub(1).and_then(|last| self.open.get_mut(last)) else {
            return;
        };
        if course.occurrence.contains(action.at) && is_eligible(action.player) {
            course.take(action, &self.terms);
        }
    }

    fn finish(mut self) -> Preview {
        while self.close_first() {}
        self.preview.players = count(self.players.len());
        self.preview
    }

    /// Counts what the first occurrence pays; answers whether there was one.
    fn close_first(&mut self) -> bool {
        let Some(course) = self.open.pop_front() else { return false };
        self.players.extend(course.players.keys());
        let line = course.line(&self.terms);
        self.preview.completions = self.preview.completions.saturating_add(line.completions);
        self.preview.paid.add_all(&line.paid);
        self.preview.occurrences.push(line);
        true
    }
}

impl Course {
    fn is_over(&self, now: DateTime<Utc>) -> bool {
        let closes_at = self.occurrence.ends_at.checked_add_signed(LATE);
        closes_at.is_some_and(|closes_at| closes_at <= now)
    }

    fn take(&mut self, action: &Action, terms: &LiveEventTerms) {
        let taken = u32::try_from(self.players.len()).unwrap_or(u32::MAX);
        let is_full = terms.capacity.is_some_and(|capacity| taken >= capacity);
        if is_full && !self.players.contains_key(&action.player) {
            return;
        }
        let play = self.players.entry(action.player).or_insert_with(|| Play {
            progress: vec![0; terms.requirements.len()],
            score: 0,
            scored_position: 0,
        });
        play.take(action, terms);
    }

    fn line(&self, terms: &LiveEventTerms) -> PreviewLine {
        let completed = self.players.values().filter(|play| play.meets(&terms.requirements));
        let completions = count(completed.count());
        let mut paid = Paid::default();
        paid.add(&terms.rewards, completions);
        let places = self.rank(terms, &mut paid);
        let (occurrence, players) = (self.occurrence, count(self.players.len()));
        PreviewLine { occurrence, players, completions, places, paid }
    }

    /// Adds what places pay, and answers how many do.
    fn rank(&self, terms: &LiveEventTerms, paid: &mut Paid) -> u64 {
        let Some(board) = &terms.leaderboard else { return 0 };
        let mut scored: Vec<_> = self.players.iter().filter(|(_, play)| play.score > 0).collect();
        scored.sort_by_key(|(player, play)| (Reverse(play.score), play.scored_position, **player));
        let places = (1..).take(scored.len());
        let rewards = places.map_while(|place| reward_of(&board.tiers, place));
        rewards.fold(0, |places, rewards| {
            paid.add(rewards, 1);
            places + 1
        })
    }
}

impl Play {
    fn take(&mut self, action: &Action, terms: &LiveEventTerms) {
        for (has, needs) in self.progress.iter_mut().zip(&terms.requirements) {
            if needs.counter == action.action {
                *has = has.saturating_add(action.amount);
            }
        }
        if terms.leaderboard.as_ref().is_some_and(|board| board.counter == action.action) {
            self.score = self.score.saturating_add(action.amount);
            self.scored_position = action.position;
        }
    }

    fn meets(&self, requirements: &[Requirement]) -> bool {
        self.progress.iter().zip(requirements).all(|(has, needs)| *has >= needs.target)
    }
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
