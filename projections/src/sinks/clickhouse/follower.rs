//! Feeds ClickHouse, on one node at a time. Its buffer is the page: what the engine gathers while the last insert
//! runs.

use std::future::Future;
use std::time::Duration;

use domain::stored::{Hash, Place, Recorded};
use sqlx::Connection;

use super::books::{self, Range};
use super::insert::{insert, months, refusal};
use super::{ClickHouse, backfill, migrations};
use crate::engine::{Follow, Outcome, PAGE_EVENTS, Pace};
use crate::feed::{self, Feed, FeedError, Page};
use crate::follower::{FollowerError, FollowerHandle};
use crate::lease::Link;

/// What it is called in `read.followers`, in `/ready`, and in its tokens. Forever.
pub const NAME: &str = "clickhouse";

/// ClickHouse likes few and large inserts; analysts do not mind a moment.
const PACE: Pace = Pace { busy: Duration::from_millis(400), awaited: Duration::from_millis(50) };
/// How often the lease is told that its holder is alive, while ClickHouse works.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// See the module.
pub(crate) struct Follower {
    pub(super) clickhouse: ClickHouse,
    pub(super) feed: Feed,
}

impl Follower {
    pub(crate) fn new(clickhouse: ClickHouse, feed: Feed) -> Self {
        Self { clickhouse, feed }
    }

    /// Where it stands, once what was under way is in.
    async fn resume(&mut self, link: &mut Link) -> Result<Place, FollowerError> {
        // Every time: whoever empties ClickHouse finds it filled again.
        migrations::migrate(&self.clickhouse).await.map_err(FollowerError::handler)?;
        let genesis = feed::genesis(link).await?;
        let own = self.own_place().await?.unwrap_or(genesis);
        let stored = books::place(link).await?.unwrap_or(genesis);
        for place in [own, stored] {
            if feed::hash_at(link, place.position).await? != Some(place.hash) {
                return Err(FeedError::PlaceGone(place.position).into());
            }
        }
        let pending = books::pending(link).await?;
        let tried = pending.map_or(stored, |range| range.to).position;
        let missing = stored.position.saturating_sub(own.position);
        let excused = books::count_set_aside(link, (own.position, stored.position)).await?;
        if own.position > tried || missing > excused {
            let (position, stored) = (own.position, stored.position);
            tracing::warn!(
                position,
                stored,
                "clickhouse has another place than was stored: its own counts"
            );
            books::forget(link).await?;
            books::put_place(link, &own).await?;
            return Ok(own);
        }
        let Some(range) = pending else { return Ok(stored) };
        let events = self.events(link, &stored, &range).await?;
        self.bring(link, &events).await?;
        Ok(range.to)
    }

    /// The last row in ClickHouse. Ranges go in one after the other, so all before it are in.
    async fn own_place(&self) -> Result<Option<Place>, FollowerError> {
        #[derive(clickhouse::Row, serde::Deserialize)]
        struct Last {
            position: u64,
            hash: [u8; 32],
        }
        let last =
            self.clickhouse.ask("select position, hash from events order by position desc limit 1");
        let last: Vec<Last> = last.rows().await.map_err(FollowerError::handler)?;
        Ok(last.first().map(|last| Place { position: last.position, hash: Hash(last.hash) }))
    }

    /// The events of a range that was tried before.
    async fn events(
        &self,
        link: &mut Link,
        after: &Place,
        range: &Range,
    ) -> Result<Vec<Recorded>, FollowerError> {
        let count = usize::try_from(range.to.position.saturating_sub(after.position));
        let events = feed::page(link, after, count.unwrap_or(usize::MAX)).await?;
        let is_whole = events.last().is_some_and(|last| last.place == range.to);
        if is_whole { Ok(events) } else { Err(FeedError::PlaceGone(range.to.position).into()) }
    }

    /// Brings events in that follow the place, and moves it.
    pub(super) async fn bring(
        &self,
        link: &mut Link,
        events: &[Recorded],
    ) -> Result<(), FollowerError> {
        for month in months(events) {
            self.bring_or_set_aside(link, month).await?;
        }
        Ok(())
    }

    /// What ClickHouse refuses for its content is halved until the one event is found.
    async fn bring_or_set_aside(
        &self,
        link: &mut Link,
        events: &[Recorded],
    ) -> Result<(), FollowerError> {
        let mut left = vec![events];
        while let Some(part) = left.pop() {
            let (Some(first), Some(last)) = (part.first(), part.last()) else { continue };
            let range = Range { from: first.place.position, to: last.place };
            books::begin(link, &range).await?;
            let token = format!("{NAME}:{}-{}", range.from, range.to.position);
            let inserted = alive(link, insert(&self.clickhouse, &token, part)).await?;
            match inserted {
                Ok(refused) => books::finish(link, &range, &refused).await?,
                Err(error) if error.is_about_the_rows() && part.len() > 1 => {
                    let (before, after) = part.split_at(part.len() / 2);
                    left.extend([after, before]);
                }
                Err(error) if error.is_about_the_rows() => {
                    tracing::error!(position = range.from, %error, "an event is set aside: clickhouse does not take it");
                    let refused = refusal(first, &error.to_string());
                    books::finish(link, &range, &[refused]).await?;
                }
                Err(error) => return Err(FollowerError::handler(error)),
            }
        }
        Ok(())
    }
}

/// Does this while the lease is kept.
async fn alive<T>(link: &mut Link, work: impl Future<Output = T>) -> Result<T, FollowerError> {
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return Ok(done),
            () = tokio::time::sleep(SIGN_OF_LIFE) => link.ping().await?,
        }
    }
}

impl Follow for Follower {
    const NAME: &'static str = NAME;
    const LEASED: bool = true;

    fn open<'a>(
        &'a mut self,
        link: &'a mut Link,
        handle: &'a FollowerHandle,
    ) -> Outcome<'a, Place> {
        Box::pin(async move {
            let place = self.resume(link).await?;
            backfill::catch_up(self, link, place, handle).await
        })
    }

    fn take<'a>(&'a mut self, link: &'a mut Link, page: &'a Page) -> Outcome<'a, ()> {
        Box::pin(async move {
            let events: Vec<Recorded> = page.events().cloned().collect();
            self.bring(link, &events).await?;
            match (page.end(), page.len() >= PAGE_EVENTS) {
                // Opened anew, it reads what it is behind in another way.
                (Some(end), true) if backfill::is_far_behind(link, &end).await? => {
                    Err(FollowerError::Superseded)
                }
                _ => Ok(()),
            }
        })
    }

    fn pace(&self) -> Option<Pace> {
        Some(PACE)
    }
}
