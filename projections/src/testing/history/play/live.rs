//! Events: drawn up, joined, claimed, ended; their leaderboards frozen, and places rewarded.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};
use domain::account::AccountCommand;
use domain::aggregate::Aggregate;
use domain::id::{LiveEventId, PlayerId};
use domain::live_event::{
    Eligibility, EventKind, EventStatus, Leaderboard, LiveEventCommand, LiveEventTerms,
    Requirement, Segment, Tier, reward_of,
};
use domain::offer::Rank;
use domain::reward::Rewards;
use domain::schedule::{Occurrence, Recurrence};
use domain::stored::StoredEvent;
use rand::Rng;

use super::super::History;

/// When an occurrence begins, of which event.
type Course = (LiveEventId, DateTime<Utc>);

/// What is known of occurrences beside their streams.
#[derive(Default)]
pub(super) struct Courses {
    joined: BTreeMap<Course, Occurrence>,
    /// The score of each player, and how many deeds there were when it was reached.
    scores: BTreeMap<Course, BTreeMap<i64, (u64, usize)>>,
    payouts: Vec<Payout>,
}

/// Places that are being rewarded, the next one first.
struct Payout {
    event: LiveEventId,
    occurrence_at: DateTime<Utc>,
    tiers: Vec<Tier>,
    places: VecDeque<(u32, i64, u64)>,
    rewarded: u32,
}

const MOST_EVENTS: i64 = 8;

impl History {
    /// Every leaderboard: its players, the first one first, with their scores.
    pub(crate) fn leaderboards(
        &self,
    ) -> impl Iterator<Item = (LiveEventId, DateTime<Utc>, Vec<(PlayerId, u64)>)> + '_ {
        self.play.live.scores.keys().map(|course| {
            let places = self.places(*course).map(|(_, player, score)| (PlayerId(player), score));
            (course.0, course.1, places.collect())
        })
    }

    fn places(&self, course: Course) -> impl Iterator<Item = (u32, i64, u64)> + use<> {
        let scores = self.play.live.scores.get(&course).cloned().unwrap_or_default();
        let mut places: Vec<_> = scores.into_iter().collect();
        places.sort_by_key(|(player, (score, since))| (Reverse(*score), *since, *player));
        (1..).zip(places).map(|(place, (player, (score, _)))| (place, player, score))
    }

    pub(super) fn define_events(&mut self, out: &mut Vec<StoredEvent>) {
        let plain = self.event(None);
        let login = LiveEventTerms {
            recurrence: recurrence("0 0 * * *", "Asia/Seoul"),
            auto_claim: true,
            ..plain
        };
        let welcome = LiveEventTerms {
            requirements: vec![needs("play_count", 10)],
            ends_at: Some(self.now() + TimeDelta::days(100_000)),
            ..self.event(None)
        };
        let contest = LiveEventTerms {
            recurrence: recurrence("0 0 * * 1,4", "UTC"),
            requirements: vec![needs("play_count", 3), needs("win_count", 2)],
            capacity: Some(12),
            leaderboard: Some(self.leaderboard()),
            ..self.event(None)
        };
        for terms in [login, welcome, contest] {
            self.add_event(terms, out);
        }
    }

    fn event(&mut self, ends_at: Option<DateTime<Utc>>) -> LiveEventTerms {
        LiveEventTerms {
            name: "주말 \"이벤트\"".into(),
            name_en: "Weekend".into(),
            kind: EventKind::Special,
            starts_at: self.now(),
            ends_at,
            recurrence: None,
            eligibility: Eligibility::default(),
            capacity: None,
            requirements: vec![],
            rewards: self.rewards(),
            auto_claim: false,
            priority: self.random.random_range(0..3),
            claim_hours: 30,
            leaderboard: None,
        }
    }

    fn leaderboard(&mut self) -> Leaderboard {
        let first = Tier { last_place: 1, rewards: self.rewards() };
        let others = Tier { last_place: 3, rewards: self.rewards() };
        Leaderboard { counter: "win_count".parse().unwrap(), tiers: vec![first, others] }
    }

    fn add_event(&mut self, terms: LiveEventTerms, out: &mut Vec<StoredEvent>) {
        let (at, last) = (self.now(), self.play.events.last_key_value().map_or(0, |(id, _)| id.0));
        let id = LiveEventId(last + 1);
        let event = self.play.events.entry(id).or_default();
        event.ask(id, &LiveEventCommand::Define { at, terms }, out);
        event.ask(id, &LiveEventCommand::Publish { at }, out);
    }

    fn any_event(&mut self) -> LiveEventId {
        let index = self.random.random_range(0..self.play.events.len());
        *self.play.events.keys().nth(index).unwrap()
    }

    pub(super) fn work_on_events(&mut self, out: &mut Vec<StoredEvent>) {
        let (at, id) = (self.now(), self.any_event());
        let command = match self.random.random_range(0..8) {
            0 if id.0 < MOST_EVENTS && self.play.events.len() < 8 => {
                let ends_at = Some(at + TimeDelta::days(self.random.random_range(1..9)));
                let min_rank = [Rank::Standard, Rank::Vip][self.random.random_range(0..2)];
                let segment = Segment::ALL[self.random.random_range(0..4)];
                let terms = LiveEventTerms {
                    eligibility: Eligibility { min_rank, segment },
                    requirements: vec![needs("win_count", 3)],
                    leaderboard: Some(self.leaderboard()),
                    ..self.event(ends_at)
                };
                return self.add_event(terms, out);
            }
            1 => LiveEventCommand::Pause { at },
            // Some stay for good.
            2 if id.0 > 3 => LiveEventCommand::End { at },
            3 => LiveEventCommand::StopPayout { at },
            4 => LiveEventCommand::ResumePayout { at },
            5 => self.revision(id),
            _ => LiveEventCommand::Publish { at },
        };
        self.play.events.entry(id).or_default().ask(id, &command, out);
    }

    fn revision(&mut self, id: LiveEventId) -> LiveEventCommand {
        let (at, rewards, more) = (self.now(), self.rewards(), self.random.random_range(0..3));
        let (_, terms) = self.play.events[&id].state.terms().unwrap();
        let mut terms = LiveEventTerms { rewards, ..terms.clone() };
        terms.capacity = terms.capacity.map(|capacity| capacity + more);
        LiveEventCommand::Revise { at, terms, versions: None }
    }

    pub(super) fn join_some(&mut self, player: i64, out: &mut Vec<StoredEvent>) {
        for _ in 0..3 {
            let event = self.any_event();
            self.join(player, event, out);
        }
    }

    /// The participation and its seat together, or not at all.
    fn join(&mut self, player: i64, event_id: LiveEventId, out: &mut Vec<StoredEvent>) {
        let at = self.now();
        let Ok(seat) = self.play.events[&event_id].state.seat(at) else { return };
        let rank = self.identities.get(&player).map_or(Rank::Standard, |it| it.state.rank());
        let (occurrence, entry) = (seat.occurrence, seat.entry.clone());
        let join = AccountCommand::JoinEvent { at, event_id, seat, rank };
        let account = self.accounts.get_mut(&player).unwrap();
        let Ok(joined) = account.state.decide(&join) else { return };
        let event = self.play.events.get_mut(&event_id).unwrap();
        let take = LiveEventCommand::TakeSeat { at, occurrence_at: occurrence.starts_at };
        let (false, Ok(taken)) = (joined.is_empty(), event.state.decide(&take)) else { return };
        account.tell(player, &joined, out);
        event.tell(event_id, &taken, out);
        self.play.live.joined.insert((event_id, occurrence.starts_at), occurrence);
        if entry.auto_claim && entry.requirements.is_empty() {
            self.have_paid(player, (event_id, true, false), &entry.rewards, out);
        }
    }

    pub(super) fn claim_event(&mut self, player: i64, out: &mut Vec<StoredEvent>) {
        let forced = self.random.random_ratio(1, 6);
        let joined = self.accounts[&player].state.participations();
        let joined: Vec<_> = joined.map(|(event, joined)| (event, joined.clone())).collect();
        for (event, joined) in joined {
            let status = self.play.events[&event].state.status();
            if status == EventStatus::Draft || status == EventStatus::Paused && !forced {
                continue;
            }
            let activity = self.play.activities.get(&player);
            let meets = |occurrence, count| {
                count == 0 || activity.is_some_and(|it| it.state.meets(event, occurrence, count))
            };
            let is_complete = meets(joined.occurrence.starts_at, joined.requirement_count());
            self.have_paid(player, (event, is_complete, forced), &joined.entry.rewards, out);
        }
    }

    fn have_paid(
        &mut self,
        player: i64,
        (event_id, is_complete, forced): (LiveEventId, bool, bool),
        rewards: &Rewards,
        out: &mut Vec<StoredEvent>,
    ) {
        let (at, payment) = (self.now(), self.payment(rewards));
        let claim = AccountCommand::ClaimEvent { at, event_id, is_complete, forced, payment };
        self.ask_to_pay(player, &claim, rewards, out);
    }

    /// Remembers the scores of a player who has just done something.
    pub(super) fn has_scored(&mut self, player: i64) {
        let (since, activity) = (self.play.deeds.len(), &self.play.activities[&player].state);
        for (event, joined) in self.accounts[&player].state.participations() {
            let course = (event, joined.occurrence.starts_at);
            let score = activity.score(course.0, course.1);
            let scores = self.play.live.scores.get(&course);
            let before = scores.and_then(|scores| scores.get(&player)).map_or(0, |it| it.0);
            if score > before {
                let scores = self.play.live.scores.entry(course).or_default();
                scores.insert(player, (score, since));
            }
        }
    }

    /// Goes on rewarding places, or freezes a leaderboard whose occurrence is over.
    pub(super) fn pay_out(&mut self, out: &mut Vec<StoredEvent>) {
        let Some(index) = self.one_of(self.play.live.payouts.len()) else {
            return self.freeze(out);
        };
        let payout = self.play.live.payouts.swap_remove(index);
        if let Some(payout) = self.pay_place(payout, out) {
            self.play.live.payouts.push(payout);
        }
    }

    fn pay_place(&mut self, mut payout: Payout, out: &mut Vec<StoredEvent>) -> Option<Payout> {
        let (at, event_id, occurrence_at) = (self.now(), payout.event, payout.occurrence_at);
        if self.play.events[&event_id].state.payout_is_stopped() {
            return Some(payout);
        }
        let next = payout.places.pop_front();
        let paid = next.and_then(|next| Some((next, reward_of(&payout.tiers, next.0)?.clone())));
        let Some(((place, player, score), rewards)) = paid else {
            let places = payout.rewarded;
            let finish = LiveEventCommand::FinishPayout { at, occurrence_at, places };
            self.play.events.entry(event_id).or_default().ask(event_id, &finish, out);
            return None;
        };
        let payment = self.payment(&rewards);
        let reward = AccountCommand::RewardPlace {
            at,
            event_id,
            occurrence_at,
            place,
            score,
            rewards: rewards.clone(),
            payment,
        };
        payout.rewarded += u32::from(self.ask_to_pay(player, &reward, &rewards, out));
        Some(payout)
    }

    fn freeze(&mut self, out: &mut Vec<StoredEvent>) {
        let (at, event) = (self.now(), self.any_event());
        let courses = self.play.live.joined.range((event, DateTime::UNIX_EPOCH)..);
        let mine = courses.take_while(|((id, _), _)| *id == event);
        let over = mine.filter(|(_, occurrence)| occurrence.ends_at <= at).last();
        let Some((&(_, occurrence_at), _)) = over else { return };
        let freeze = LiveEventCommand::FreezeLeaderboard { at, occurrence_at };
        let Some((_, terms)) = self.play.events[&event].state.terms() else { return };
        let Some(board) = &terms.leaderboard else { return };
        let tiers = board.tiers.clone();
        if self.play.events.entry(event).or_default().ask(event, &freeze, out) {
            let places = self.places((event, occurrence_at)).collect();
            let payout = Payout { event, occurrence_at, tiers, places, rewarded: 0 };
            self.play.live.payouts.push(payout);
        }
    }
}

fn needs(counter: &str, target: u64) -> Requirement {
    Requirement { counter: counter.parse().unwrap(), target }
}

fn recurrence(cron: &str, zone: &str) -> Option<Recurrence> {
    let json = serde_json::json!({ "cron": cron, "zone": zone });
    Some(serde_json::from_value(json).unwrap())
}
