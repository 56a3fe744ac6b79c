//! Streams on their way into memory.

use domain::stored::StoredEvent;
use futures::{TryStreamExt, stream};

use super::{Bus, Unavailable};
use crate::cache::{StreamKey, Version};
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
        let loaded = self.read_version(&missing).await;
        // What was read may be newer than this node's head. After a confirmation it is not.
        let loaded = match self.confirm().await {
            Ok(_) => loaded,
            Err(unavailable) => Err(unavailable),
        };
        let failed = loaded.as_ref().err().copied();
        self.shared.node().end_load(missing.stream, loaded.ok());
        failed.map_or(Ok(()), Err)
    }

    async fn read_version(&self, missing: &Missing) -> Result<Version, Unavailable> {
        let StreamKey { aggregate_type, aggregate_id } = &missing.stream;
        let mut version = Version { state: (missing.empty)(), sequence: 0 };
        for event in self.read_stream(aggregate_type, aggregate_id).await? {
            if let Err(error) = version.state.apply(&event) {
                tracing::error!(%error, stream = %missing.stream, "a stored event cannot be read");
                return Err(Unavailable);
            }
            version.sequence = event.sequence;
        }
        Ok(version)
    }

    pub(crate) async fn read_stream(
        &self,
        aggregate_type: &'static str,
        aggregate_id: &str,
    ) -> Result<Vec<StoredEvent>, Unavailable> {
        Ok(self.shared.log.read_stream(aggregate_type, aggregate_id).await?)
    }
}
