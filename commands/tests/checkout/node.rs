//! A node of the club: it works until it crashes, in the middle of whatever it does.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use commands::Commands;
use commands::approvals::ApprovalPolicy;
use commands::bus::{Bus, Limits};
use commands::clock::Clock;
use commands::codes::Codes;
use commands::context::FingerprintKey;
use commands::log::Log;
use commands::log::memory::{Faults, MemoryDatabase, MemoryLog};
use commands::reactions::checkout::Checkout;
use commands::shop::{PendingPurchases, ShopPolicy};
use domain::stored::Place;
use tokio::task::{JoinHandle, JoinSet};

use crate::bank::{Bank, Line};
use crate::players::{Ask, Told};
use crate::time::{NodeClock, Time};

/// What all nodes have in common.
#[derive(Clone)]
pub struct Outside {
    pub database: MemoryDatabase,
    pub bank: Bank,
    pub time: Arc<Time>,
    pub policy: ShopPolicy,
    /// The stored place of the checkout reaction.
    pub place: Arc<Mutex<Place>>,
}

/// See the module.
pub struct Node {
    pub commands: Commands,
    /// What clients have asked of it and are waiting for.
    pub calls: JoinSet<(Ask, Told)>,
    log: Arc<MemoryLog>,
    line: Arc<Line>,
    outside: Outside,
    reaction: Option<JoinHandle<()>>,
}

impl Node {
    pub async fn start(outside: &Outside, faults: Faults, ahead: TimeDelta, seed: u64) -> Self {
        // One that has little room refuses now and then.
        let queue = if faults.slow > 400 { 2 } else { 1_000 };
        let log = Arc::new(outside.database.connect(faults, seed));
        let line = Arc::new(Line::new(outside.bank.clone()));
        let clock: Arc<dyn Clock> = Arc::new(NodeClock { time: outside.time.clone(), ahead });
        // A cache of a few streams, so that loading and pushing out happen all the time.
        let limits = Limits {
            batch: 8,
            queue,
            cache_bytes: 3_000,
            keys: 4,
            poll: Duration::from_secs(2),
            ..Limits::default()
        };
        let bus = Bus::start(log.clone(), clock.clone(), limits).await.unwrap();
        let commands = Commands {
            codes: Codes::new(log.clone()),
            bus,
            clock,
            provider: line.clone(),
            fingerprints: FingerprintKey::new(b"test"),
            policy: outside.policy,
            approvals: ApprovalPolicy::default(),
            pending: PendingPurchases::default(),
            streak_grace_days: 0,
        };
        let (calls, outside) = (JoinSet::new(), outside.clone());
        Self { commands, calls, log, line, outside, reaction: None }
    }

    /// From now on nobody hears of it any more. What it has sent arrives all the same.
    pub fn crash(&mut self) {
        self.log.cut();
        self.line.cut();
        self.calls.abort_all();
        self.stop_reaction();
    }

    pub fn stop_reaction(&mut self) {
        if let Some(reaction) = self.reaction.take() {
            reaction.abort();
        }
    }

    /// This node leads the checkout reaction, from the stored place on.
    pub fn start_reaction(&mut self) {
        let mut reaction = Reaction::resume(self.commands.clone(), self.log.clone(), &self.outside);
        self.reaction = Some(tokio::spawn(async move {
            loop {
                reaction.round().await;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }));
    }

    pub fn reaction(&self) -> Reaction {
        Reaction::resume(self.commands.clone(), self.log.clone(), &self.outside)
    }
}

/// The checkout reaction, as the service runs it.
pub struct Reaction {
    checkout: Checkout,
    log: Arc<MemoryLog>,
    read: u64,
    place: Arc<Mutex<Place>>,
}

impl Reaction {
    fn resume(commands: Commands, log: Arc<MemoryLog>, outside: &Outside) -> Self {
        let place = *outside.place.lock().unwrap();
        let checkout = Checkout::new(commands, place);
        Self { checkout, log, read: place.position, place: outside.place.clone() }
    }

    pub async fn round(&mut self) {
        let tail = self.log.read_tail(self.read, 1_000).await.unwrap();
        self.read += tail.events.len() as u64;
        self.checkout.note(&tail.events).unwrap();
        self.checkout.finish_overdue().await;
        *self.place.lock().unwrap() = self.checkout.place();
    }
}
