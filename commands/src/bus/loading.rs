//! Streams on their way into memory, and their snapshots.

use domain::aggregate::Aggregate;
use domain::stored::StoredEvent;
use futures::{TryStreamExt, stream};

use super::{Bus, LOOK_ATTEMPTS, Unavailable};
use crate::cache::{StreamKey, Version};
use crate::snapshot::{self, Due};
use crate::world::Missing;

/// Streams that one warming up loads at once.
const WARMING: usize = 64;

impl Bus {
    /// Loads those of the streams that are not in memory, many at once: a command that touches a
    /// hundred of them would otherwise find them missing one after another. Whether they are still
    /// there when the command comes is up to the cache; if not, they are loaded again.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn warm(&self, streams: &[Missing]) -> Result<(), Unavailable> {
        let cold: Vec<Missing> = {
            let mut node = self.shared.node();
            streams.iter().filter(|missing| !node.cache.touch(&missing.stream)).cloned().collect()
        };
        let loads = cold.into_iter().map(|missing| Ok(self.load_aside(missing)));
        stream::iter(loads).try_for_each_concurrent(WARMING, |load| load).await
    }

    /// Loads in a task of its own: a load that was begun must end, whoever hangs up.
    pub(super) async fn load_aside(&self, missing: Missing) -> Result<(), Unavailable> {
        let bus = self.clone();
        let load = tokio::spawn(async move { bus.load(missing).await });
        load.await.unwrap_or(Err(Unavailable))
    }

    /// Brings a stream into memory: its state at the node's head.
    pub(super) async fn load(&self, missing: Missing) -> Result<(), Unavailable> {
        let waiting = self.shared.node().begin_load(&missing.stream);
        if let Some(done) = waiting {
            // The sender is dropped when the load has ended, well or not; the caller looks again.
            let _ = done.await;
            return Ok(());
        }
        let loaded = self.read_confirmed(&missing).await;
        let failed = loaded.as_ref().err().copied();
        self.shared.node().end_load(missing.stream, loaded.ok());
        failed.map_or(Ok(()), Err)
    }

    async fn read_confirmed(&self, missing: &Missing) -> Result<Version, Unavailable> {
        let version = self.read_snapshot(missing).await?;
        let start = version.sequence;
        let version = self.read_on(&missing.stream, version).await?;
        // What was read may be newer than this node's head. After a confirmation it is not.
        let seen = self.confirm().await?;
        let every = self.shared.limits.snapshot_every;
        let is_long = every > 0 && version.sequence - start > every;
        if is_long && version.state.shape().is_some() {
            let stream = missing.stream.clone();
            self.shared.keep(Due { stream, version: version.fork(), seen });
        }
        Ok(version)
    }

    /// Where to start reading a stream: its snapshot, if there is one that counts.
    async fn read_snapshot(&self, missing: &Missing) -> Result<Version, Unavailable> {
        let mut version = Version { state: (missing.empty)(), sequence: 0 };
        let Some(shape) = version.state.shape() else { return Ok(version) };
        let found = self.shared.log.find_snapshot(&missing.stream, shape).await?;
        let Some(snapshot) = found else { return Ok(version) };
        match version.state.restore(&snapshot.state) {
            Ok(()) => version.sequence = snapshot.sequence,
            Err(error) => {
                tracing::warn!(%error, stream = %missing.stream, "a snapshot cannot be read");
            }
        }
        Ok(version)
    }

    async fn read_on(
        &self,
        stream: &StreamKey,
        mut version: Version,
    ) -> Result<Version, Unavailable> {
        let StreamKey { aggregate_type, aggregate_id } = stream;
        for event in self.read_stream((aggregate_type, aggregate_id, version.sequence)).await? {
            if let Err(error) = version.state.apply(&event) {
                tracing::error!(%error, %stream, "a stored event cannot be read");
                return Err(Unavailable);
            }
            version.sequence = event.sequence;
        }
        Ok(version)
    }

    /// The events of a stream after a sequence.
    pub(crate) async fn read_stream(
        &self,
        stream: (&'static str, &str, u64),
    ) -> Result<Vec<StoredEvent>, Unavailable> {
        Ok(self.shared.log.read_stream(stream).await?)
    }

    /// Stores a snapshot of a stream's durable state now, at this node's head. Does nothing for a
    /// family that has none ([`Aggregate::SNAPSHOT`]), or if there is a newer one.
    ///
    /// # Errors
    /// If the log cannot be reached.
    pub async fn snapshot<A: Aggregate>(&self, id: A::Id) -> Result<(), Unavailable> {
        if A::SNAPSHOT.is_none() {
            return Ok(());
        }
        let stream = StreamKey::of::<A>(id);
        for _ in 0..LOOK_ATTEMPTS {
            let due = self.shared.node().due_snapshot(&stream);
            if let Some(due) = due {
                return Ok(snapshot::store(self.log(), due).await?);
            }
            self.load_aside(Missing::of::<A>(id)).await?;
        }
        Err(Unavailable)
    }
}
