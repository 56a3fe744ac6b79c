//! The follower that keeps the read models: a page's effect on all of them and its place commit in
//! one transaction, so each event counts exactly once, whatever crashes.

use domain::stored::Place;
use sqlx::{Connection, PgConnection, PgPool};

use crate::checkpoint::{self, Checkpoint};
use crate::engine::{Follow, Outcome, Pace};
use crate::feed::Page;
use crate::follower::{FollowerError, FollowerHandle, FollowerState};
use crate::lease::Link;
use crate::read_models::{self, Entry, ReadModel};
use crate::rebuild::{IfDifferent, Progress, rebuild};

/// All read models of the live generation.
pub(crate) struct Tables {
    pool: PgPool,
    pace: Pace,
    generation: Option<Generation>,
}

impl Tables {
    pub(crate) fn new(pool: PgPool, pace: Pace) -> Self {
        Self { pool, pace, generation: None }
    }

    /// The live generation; builds one where there is none, or one of another version.
    async fn live_or_build(
        &mut self,
        link: &mut Link,
        handle: &FollowerHandle,
    ) -> Result<Checkpoint, FollowerError> {
        let live = checkpoint::live(link, Self::NAME).await?;
        if let Some(live) = live.filter(|live| live.version == read_models::version()) {
            return Ok(live);
        }
        handle.is_now(FollowerState::Building);
        let tell = |Progress { done, total }| tracing::debug!(done, total, "building read models");
        link.work_elsewhere().await?;
        let built = rebuild(&self.pool, IfDifferent::Promote, tell).await;
        link.work_here().await?;
        let built = built.map_err(|error| FollowerError::Rebuild(error.to_string()))?;
        let (generation, position) = (built.generation, built.position);
        tracing::info!(generation, position, "built a generation of the read models");
        checkpoint::live(link, Self::NAME).await?.ok_or(FollowerError::Superseded)
    }
}

impl Follow for Tables {
    const NAME: &'static str = read_models::NAME;
    const LEASED: bool = true;

    fn open<'a>(
        &'a mut self,
        link: &'a mut Link,
        handle: &'a FollowerHandle,
    ) -> Outcome<'a, Place> {
        Box::pin(async move {
            let live = self.live_or_build(link, handle).await?;
            handle.has_generation(live.generation);
            self.generation = Some(Generation::new(live, "live"));
            Ok(live.place)
        })
    }

    fn take<'a>(&'a mut self, link: &'a mut Link, page: &'a Page) -> Outcome<'a, ()> {
        Box::pin(async move {
            let (Some(generation), Some(end)) = (&mut self.generation, page.end()) else {
                return Ok(());
            };
            for recorded in page.events() {
                generation.fold(&Entry::read(recorded)?);
            }
            generation.commit(link, &end).await
        })
    }

    fn pace(&self) -> Option<Pace> {
        Some(self.pace)
    }
}

/// One set of tables and how far it has come.
pub(crate) struct Generation {
    pub(crate) checkpoint: Checkpoint,
    state: &'static str,
    models: Vec<Box<dyn ReadModel>>,
}

impl Generation {
    /// A generation in this state, with nothing gathered.
    pub(crate) fn new(checkpoint: Checkpoint, state: &'static str) -> Self {
        Self { checkpoint, state, models: read_models::all() }
    }

    /// Gathers what an event changes.
    pub(crate) fn fold(&mut self, entry: &Entry<'_>) {
        for model in &mut self.models {
            model.fold(entry);
        }
    }

    /// Brings what was gathered into the tables and moves the place, in one transaction. The place
    /// moves first: whoever has been superseded has done no work, and two who want the same page
    /// meet at one row.
    pub(crate) async fn commit(
        &mut self,
        connection: &mut PgConnection,
        to: &Place,
    ) -> Result<(), FollowerError> {
        let mut transaction = connection.begin().await?;
        self.bring(&mut transaction, to).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The same in a transaction that the caller ends; on an error nothing that was gathered is
    /// of use any more.
    pub(crate) async fn bring(
        &mut self,
        transaction: &mut PgConnection,
        to: &Place,
    ) -> Result<(), FollowerError> {
        let at = &self.checkpoint;
        if !checkpoint::advance(transaction, read_models::NAME, self.state, at, to).await? {
            return Err(FollowerError::Superseded);
        }
        for model in &mut self.models {
            model.upsert(transaction, at.generation).await?;
        }
        self.checkpoint.place = *to;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
