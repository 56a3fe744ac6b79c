//! What play comes to, added up by hand: from what was reported and spent, in the order of the log,
//! and from nothing that the log says of progress.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Datelike, Days, NaiveDate, Utc};
use serde_json::{Value, json};

use super::super::nodes::Written;
use super::super::reporters::Action;

/// What the fold looks at, and what is to be held against it.
pub const KINDS: [&str; 5] =
    ["action_recorded", "gold_spent", "event_joined", "event_claimed", "mission_claimed"];

#[derive(Debug, Clone, Copy)]
pub struct Mission {
    pub id: i64,
    pub counter: &'static str,
    pub target: u64,
    pub period: &'static str,
    pub gold: u64,
}

/// Those that are there from the beginning.
pub const DEMO_MISSIONS: [Mission; 4] = [
    Mission { id: 1, counter: "play_count", target: 1, period: "daily", gold: 100 },
    Mission { id: 2, counter: "play_count", target: 5, period: "daily", gold: 500 },
    Mission { id: 3, counter: "win_count", target: 3, period: "daily", gold: 1_000 },
    Mission { id: 4, counter: "play_count", target: 20, period: "weekly", gold: 5_000 },
];

impl Mission {
    /// The day on which the period of a moment begins.
    fn period_at(&self, at: DateTime<Utc>) -> Option<NaiveDate> {
        let day = at.date_naive();
        match self.period {
            "daily" => Some(day),
            "weekly" => Some(day - Days::new(day.weekday().num_days_from_monday().into())),
            _ => None,
        }
    }
}

#[derive(Debug, Clone)]
pub struct LiveEvent {
    pub id: i64,
    pub requirements: Vec<(&'static str, u64)>,
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
    pub gold: u64,
}

/// Gold that was spent, and how often it was counted as play.
#[derive(Debug)]
pub struct Spent {
    pub player: i64,
    pub amount: u64,
    pub counted: u32,
    at: DateTime<Utc>,
}

/// See the module.
pub struct Fold<'a> {
    missions: &'a [Mission],
    events: &'a [LiveEvent],
    /// By player and mission: the period, and how far.
    progress: BTreeMap<(i64, i64), (Option<NaiveDate>, u64)>,
    /// By player and event that was joined: how far each requirement is.
    joined: BTreeMap<(i64, i64), Vec<u64>>,
    /// By position.
    pub spent: BTreeMap<u64, Spent>,
}

impl<'a> Fold<'a> {
    pub fn new(missions: &'a [Mission], events: &'a [LiveEvent]) -> Self {
        let (progress, joined, spent) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { missions, events, progress, joined, spent }
    }

    pub fn take_all(&mut self, log: &[Written], actions: &HashMap<&str, &Action>) {
        for written in log {
            match &*written.kind {
                "action_recorded" => self.action(written, actions),
                "gold_spent" => self.spend(written),
                "event_joined" => {
                    let event = written.payload["event_id"].as_i64().unwrap();
                    let found = self.events.iter().find(|known| known.id == event).unwrap();
                    let none = vec![0; found.requirements.len()];
                    let before = self.joined.insert((written.player(), event), none);
                    assert_eq!(before, None, "{written:?} was joined before");
                }
                _ => {}
            }
        }
    }

    fn spend(&mut self, written: &Written) {
        let gold = &written.payload["movement"]["gold"];
        let amount = ["free", "paid"].map(|kind| gold[kind].as_u64().unwrap_or(0)).iter().sum();
        let spent = Spent { player: written.player(), amount, counted: 0, at: written.at() };
        self.spent.insert(written.position, spent);
    }

    fn action(&mut self, written: &Written, actions: &HashMap<&str, &Action>) {
        let id = written.payload["action_id"].as_str().unwrap();
        if let Some(action) = actions.get(id) {
            assert_eq!(written.player(), action.player, "{written:?}");
            let at = action.at.unwrap_or_else(|| written.at());
            return self.count(action.player, (action.kind, action.amount), at);
        }
        match id.split_once('/') {
            Some(("deeds", position)) => {
                let spent = self.spent.get_mut(&position.parse().unwrap()).unwrap();
                spent.counted += 1;
                let (player, amount, at) = (spent.player, spent.amount, spent.at);
                assert_eq!(written.player(), player, "{written:?}");
                self.count(player, ("spend_gold", amount), at);
            }
            // No mission counts that somebody was there.
            Some(("login", _)) => {}
            _ => panic!("nobody has reported {written:?}"),
        }
    }

    fn count(&mut self, player: i64, (counter, amount): (&str, u64), at: DateTime<Utc>) {
        for mission in self.missions.iter().filter(|mission| mission.counter == counter) {
            let period = mission.period_at(at);
            let has = self.progress.entry((player, mission.id)).or_insert((period, 0));
            if has.0 < period {
                *has = (period, 0);
            }
            // What is reported after its period is over counts for nothing that is shown.
            if has.0 == period {
                has.1 = (has.1 + amount).min(mission.target);
            }
        }
        for event in self.events.iter().filter(|it| it.starts_at <= at && at < it.ends_at) {
            let Some(has) = self.joined.get_mut(&(player, event.id)) else { continue };
            for ((needed, target), has) in event.requirements.iter().zip(has) {
                if *needed == counter {
                    *has = (*has + amount).min(*target);
                }
            }
        }
    }

    /// Everything as lists of player, mission, period, progress, and whether that is complete.
    pub fn progress(&self) -> impl Iterator<Item = Value> {
        self.progress.iter().map(|((player, mission), (period, progress))| {
            let found = self.missions.iter().find(|known| known.id == *mission).unwrap();
            let period = period.map_or("once".to_owned(), |day| day.to_string());
            json!([player, mission, period, progress, *progress == found.target])
        })
    }

    /// What is complete was claimed once, and nothing else; what that has paid each player.
    pub fn check_events_claimed(&self, log: &[Written]) -> HashMap<i64, u64> {
        let mut paid: HashMap<i64, u64> = HashMap::new();
        for ((player, event), has) in &self.joined {
            let found = self.events.iter().find(|known| known.id == *event).unwrap();
            let is_complete =
                found.requirements.iter().zip(has).all(|((_, target), n)| target == n);
            let claims = log.iter().filter(|it| {
                it.kind == "event_claimed"
                    && it.player() == *player
                    && it.payload["event_id"] == *event
            });
            let times = claims.count();
            assert_eq!(
                times,
                usize::from(is_complete),
                "event {event} of player {player}: {has:?}"
            );
            *paid.entry(*player).or_default() += found.gold * times as u64;
        }
        paid
    }
}
