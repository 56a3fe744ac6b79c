//! Limits of the write side. Every wait and every queue has one.

use std::time::Duration;

/// See the module.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Commands in one batch.
    pub batch: usize,
    /// Batches under way on the connection.
    pub in_flight: usize,
    /// Once others have written, batches take the log's lock at once, until so many of them in a row
    /// found nothing new. 0: every batch first tries the head that the node knows.
    pub calm: u8,
    /// Commands waiting; more are refused with [`Failure::Overloaded`].
    pub queue: usize,
    /// Bytes of states in memory.
    pub cache_bytes: usize,
    /// Idempotency keys in memory, in each of two generations.
    pub keys: usize,
    /// What a caller is told to wait when the queue is full.
    pub retry_after: Duration,
    /// How long a caller waits for the log.
    pub patience: Duration,
    /// How often an idle node looks whether others have written.
    pub poll: Duration,
    /// Batches that a slow follower may lie behind before it must read from the log.
    pub handover: usize,
    /// Events of a stream from one snapshot to the next, in families that have any: whoever writes the
    /// last of them, or has to read more than these, has one stored. 0: only on demand.
    pub snapshot_every: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            batch: 512,
            in_flight: 2,
            calm: 4,
            queue: 10_000,
            cache_bytes: 256 << 20,
            keys: 1_000_000,
            retry_after: Duration::from_secs(1),
            patience: Duration::from_secs(10),
            poll: Duration::from_millis(250),
            handover: 1_024,
            snapshot_every: 500,
        }
    }
}
