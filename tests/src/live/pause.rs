//! How long a client waits before it comes back: by chance, or all would come at the same time; and
//! longer with every failure, or a server that is down would be kept down.

use std::time::Duration;

/// See the module.
#[derive(Debug)]
pub(super) struct Pause {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Pause {
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    /// It went well.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// After one more failure.
    pub fn next(&mut self) -> Duration {
        let most = self.first.saturating_mul(1 << self.failures.min(16)).min(self.longest);
        self.failures += 1;
        by_chance(most)
    }

    /// After a restart that every client has seen.
    pub fn spread(&mut self) -> Duration {
        let most = self.first.saturating_mul(8).min(self.longest);
        self.failures += 1;
        by_chance(most)
    }
}

fn by_chance(most: Duration) -> Duration {
    if most.is_zero() { most } else { rand::random_range(Duration::ZERO..=most) }
}
