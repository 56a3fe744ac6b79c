//! The club's time in this test: tokio's, which stands still while anybody works, and jumps besides.
//! Clocks of nodes are ahead of it by a little.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use commands::clock::Clock;
use tokio::time::Instant;

/// The true time.
pub struct Time {
    start: DateTime<Utc>,
    began: Instant,
    jumped_millis: AtomicI64,
}

impl Time {
    pub fn from(start: DateTime<Utc>) -> Self {
        Self { start, began: Instant::now(), jumped_millis: AtomicI64::new(0) }
    }

    pub fn now(&self) -> DateTime<Utc> {
        let passed = TimeDelta::from_std(self.began.elapsed()).unwrap();
        let jumped = TimeDelta::milliseconds(self.jumped_millis.load(Ordering::Relaxed));
        domain::stored::truncated(self.start + passed + jumped)
    }

    pub fn jump(&self, by: TimeDelta) {
        self.jumped_millis.fetch_add(by.num_milliseconds(), Ordering::Relaxed);
    }
}

/// A node's clock.
pub struct NodeClock {
    pub time: Arc<Time>,
    pub ahead: TimeDelta,
}

impl Clock for NodeClock {
    fn now(&self) -> DateTime<Utc> {
        self.time.now() + self.ahead
    }
}
