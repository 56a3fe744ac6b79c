//! Game servers that report what players do, again and again until they are told that it was taken:
//! in batches that overlap those before, and sometimes in two at once.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::nodes::{Nodes, Written};
use crate::service::Service;

/// New actions before each batch, at most.
const NEW: usize = 12;
/// Actions that wait for an answer, at most.
const WAITING: usize = 60;
/// So many that were taken before may be in a batch, too.
const TAKEN_BEFORE: usize = 8;
/// Between two batches.
const PAUSE: Duration = Duration::from_millis(5);

/// Something that a player did.
#[derive(Debug, Clone)]
pub struct Action {
    pub id: String,
    pub player: i64,
    pub kind: &'static str,
    pub amount: u64,
    /// When; that it is recorded says when, if not given.
    pub at: Option<DateTime<Utc>>,
}

impl Action {
    /// Anything that any of these may have done at one of these moments, or now.
    pub fn random(players: &[i64], moments: &[DateTime<Utc>]) -> Self {
        // Half of the ids are time-ordered, the others could be from any time.
        let time_ordered = rand::random_ratio(1, 2);
        let id = if time_ordered { uuid::Uuid::now_v7() } else { uuid::Uuid::new_v4() };
        Self {
            id: id.to_string(),
            player: players[rand::random_range(0..players.len())],
            kind: ["play_count", "play_count", "win_count"][rand::random_range(0..3)],
            amount: rand::random_range(1..=3),
            at: moments.get(rand::random_range(0..=moments.len())).copied(),
        }
    }

    /// As it is reported.
    pub fn report(&self) -> Value {
        let Self { id, player, kind, amount, at } = self;
        let mut report =
            json!({"action_id": id, "user_id": player, "action_type": kind, "amount": amount});
        if let Some(at) = at {
            report["at"] = json!(at);
        }
        report
    }
}

/// Game servers at work.
pub struct Reporters {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<Vec<Action>>,
}

impl Reporters {
    /// So many, for these players.
    pub fn start(
        nodes: &Arc<Nodes>,
        service: &Service,
        count: usize,
        (players, moments): (&[i64], &[DateTime<Utc>]),
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for _ in 0..count {
            let (nodes, service) = (nodes.clone(), service.clone());
            let reporter = Reporter { nodes, service, actions: Vec::new(), taken: 0 };
            let what = (players.to_vec(), moments.to_vec());
            tasks.spawn(reporter.keep_reporting(what, stop.clone()));
        }
        Self { stop, tasks }
    }

    /// Lets each be told of all that it has reported; what that was.
    pub async fn stop(self) -> Vec<Vec<Action>> {
        self.stop.store(true, Ordering::Relaxed);
        self.tasks.join_all().await
    }
}

struct Reporter {
    nodes: Arc<Nodes>,
    service: Service,
    /// All of them, in order.
    actions: Vec<Action>,
    /// So many of them are known to be taken.
    taken: usize,
}

impl Reporter {
    async fn keep_reporting(
        mut self,
        (players, moments): (Vec<i64>, Vec<DateTime<Utc>>),
        stop: Arc<AtomicBool>,
    ) -> Vec<Action> {
        loop {
            let is_over = stop.load(Ordering::Relaxed);
            if is_over && self.taken == self.actions.len() {
                return self.actions;
            }
            if !is_over && self.actions.len() - self.taken < WAITING {
                let new =
                    (0..rand::random_range(1..=NEW)).map(|_| Action::random(&players, &moments));
                self.actions.extend(new);
            }
            let told = self.report_some().await;
            self.taken = self.taken.max(told.unwrap_or(0));
            sleep(PAUSE).await;
        }
    }

    /// Reports a batch, one time in four two at once; up to which action all are taken now.
    async fn report_some(&self) -> Option<usize> {
        let node = rand::random_range(0..2);
        if rand::random_ratio(1, 4) {
            let both = (self.report(node, self.batch()), self.report(node + 1, self.batch()));
            let (one, two) = tokio::join!(both.0, both.1);
            return one.max(two);
        }
        self.report(node, self.batch()).await
    }

    /// Some that were taken before, and then some of those that wait, in their order: so whichever
    /// batch comes first, no action comes before one that was done before it.
    fn batch(&self) -> Range<usize> {
        let from = self.taken - rand::random_range(0..=TAKEN_BEFORE.min(self.taken));
        from..rand::random_range(self.taken + 1..=self.actions.len())
    }

    async fn report(&self, node: usize, batch: Range<usize>) -> Option<usize> {
        let actions: Vec<Value> = self.actions[batch.clone()].iter().map(Action::report).collect();
        let (status, body) = self.nodes.report(node, &self.service, &actions).await?;
        let count = |name: &str| body[name].as_u64().unwrap_or(0);
        let all = u64::try_from(batch.len()).unwrap();
        assert_eq!((status, count("accepted") + count("duplicates")), (200, all), "{body}");
        Some(batch.end)
    }
}

/// Every action is in the log once, those of a player in the order in which each game server has
/// reported them. Each of them by its id.
pub fn check_once_and_in_order<'a>(
    log: &[Written],
    reported: &'a [Vec<Action>],
) -> HashMap<&'a str, &'a Action> {
    let ids = log.iter().filter(|it| it.kind == "action_recorded");
    let ids = ids.map(|it| it.payload["action_id"].as_str().unwrap());
    // Those with a slash are the club's own.
    let ids = ids.filter(|id| !id.contains('/')).enumerate();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (place, id) in ids {
        assert_eq!(places.insert(id, place), None, "{id} is in the log twice");
    }
    let mut known = HashMap::new();
    for actions in reported {
        let mut last: HashMap<i64, usize> = HashMap::new();
        for action in actions {
            let place = places.remove(action.id.as_str());
            let place = place.unwrap_or_else(|| panic!("{action:?} was taken, and is lost"));
            let before = last.insert(action.player, place);
            assert!(before.is_none_or(|before| before < place), "{action:?} is out of order");
            known.insert(action.id.as_str(), action);
        }
    }
    assert!(places.is_empty(), "nobody has reported {places:?}");
    known
}
