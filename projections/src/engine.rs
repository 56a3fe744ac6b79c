//! The one engine that moves every follower along the log: lease, place, pages, pace, failures.
//!
//! A follower that fails tries again by itself, later and later, and holds up nobody else. On
//! shutdown it finishes the page it is at.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::stored::Place;
use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::checkpoint;
use crate::feed::{Feed, POLL, Page, Subscription};
use crate::follower::{
    FollowerError, FollowerHandle, FollowerState, FollowerStatus, Reaction, Sink,
};
use crate::lease::Link;
use crate::position::{from_sql, to_sql};
use crate::sinks::clickhouse::{self, ClickHouse};
use crate::tables::Tables;

mod handlers;

use handlers::{Reacting, Sinking};

/// Events in one page at most (a batch that has been handed over is never cut).
pub const PAGE_EVENTS: usize = 5_000;
/// The first pause after a failure; each further one is twice as long.
pub const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause after a failure.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How often a node that stands by looks whether the lease is free, and how far the holder is.
const STAND_BY: Duration = POLL;
/// The same while somebody waits for a position.
const STAND_BY_AWAITED: Duration = Duration::from_millis(10);

/// How often a follower of the kind `tables` takes a page. The defaults were
/// measured: a page for every batch costs the log half of its throughput.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// From the beginning of a page to the next one at least, when busy.
    pub busy: Duration,
    /// The same when a reader waits.
    pub awaited: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { busy: Duration::from_millis(20), awaited: Duration::from_millis(2) }
    }
}

/// Whether the process is ending: `true`, or a sender that is gone, means end.
pub type Shutdown = watch::Receiver<bool>;

pub(crate) type Outcome<'a, T> = BoxFuture<'a, Result<T, FollowerError>>;

/// What the engine moves along the log.
pub(crate) trait Follow: Send + 'static {
    const NAME: &'static str;
    /// Whether one node at a time works for it.
    const LEASED: bool;

    /// Where it stands. Asked at the start, after errors, and when it has been superseded.
    fn open<'a>(&'a mut self, link: &'a mut Link, handle: &'a FollowerHandle)
    -> Outcome<'a, Place>;

    /// Takes a page. `Superseded` opens it anew at once.
    fn take<'a>(&'a mut self, link: &'a mut Link, page: &'a Page) -> Outcome<'a, ()>;

    /// There was nothing new.
    fn idle(&mut self) -> Outcome<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// How often it takes a page; at once, if `None`.
    fn pace(&self) -> Option<Pace> {
        None
    }
}

/// Starts followers and knows them all.
#[derive(Debug)]
pub struct Engine {
    followers: Followers,
    shutdown: Shutdown,
    tasks: JoinSet<()>,
}

impl Engine {
    /// An engine without followers. Needs a tokio runtime.
    #[must_use]
    pub fn new(feed: Feed, shutdown: Shutdown) -> Self {
        let followers = Followers { feed, handles: Arc::default() };
        let mut tasks = JoinSet::new();
        tasks.spawn(report(followers.clone(), shutdown.clone()));
        Self { followers, shutdown, tasks }
    }

    /// Starts the follower that keeps all read models, and builds them first where they are not
    /// there or are another version's.
    pub fn read_models(&mut self, pace: Pace) -> FollowerHandle {
        self.start(Tables::new(self.followers.feed.pool().clone(), pace))
    }

    /// Starts a reaction, where it left off or with the first event.
    pub fn react(&mut self, reaction: impl Reaction) -> FollowerHandle {
        self.start(Reacting::new(reaction))
    }

    /// Starts a sink where it says.
    pub fn sink(&mut self, sink: impl Sink) -> FollowerHandle {
        let feed = self.followers.feed.clone();
        self.start(Sinking::new(sink, feed))
    }

    /// Starts what feeds ClickHouse, where ClickHouse says it stands.
    pub fn clickhouse(&mut self, clickhouse: ClickHouse) -> FollowerHandle {
        let feed = self.followers.feed.clone();
        self.start(clickhouse::Follower::new(clickhouse, feed))
    }

    /// Shows a follower that other processes run, as far as it has come.
    pub fn look_on(&mut self, name: &'static str) -> FollowerHandle {
        let handle = FollowerHandle::new(name);
        self.followers.add(handle.clone());
        let feed = self.followers.feed.clone();
        self.tasks.spawn(look_on(name, feed, handle.clone(), self.shutdown.clone()));
        handle
    }

    /// All followers started so far and later, to ask how they are.
    #[must_use]
    pub fn followers(&self) -> Followers {
        self.followers.clone()
    }

    /// Waits until all have ended, after the shutdown was announced: each finishes its page.
    pub async fn stopped(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }

    fn start<F: Follow>(&mut self, follower: F) -> FollowerHandle {
        let handle = FollowerHandle::new(F::NAME);
        self.followers.add(handle.clone());
        let feed = self.followers.feed.clone();
        self.tasks.spawn(run(follower, feed, handle.clone(), self.shutdown.clone()));
        handle
    }
}

/// The followers of this process.
#[derive(Debug, Clone)]
pub struct Followers {
    feed: Feed,
    handles: Arc<Mutex<Vec<FollowerHandle>>>,
}

impl Followers {
    /// How each of them is. If the log cannot be read, lags are given as 0 and the followers' own
    /// states tell.
    pub async fn status(&self) -> Vec<FollowerStatus> {
        let handles = self.handles();
        let positions: Vec<u64> = handles.iter().map(FollowerHandle::position).collect();
        let lags = self.lags(&positions).await.unwrap_or_default();
        let lags = lags.into_iter().chain(std::iter::repeat((0, 0)));
        handles.iter().zip(lags).map(|(handle, (events, ms))| handle.status(events, ms)).collect()
    }

    /// For each position: events behind it, and how many milliseconds the first has waited.
    async fn lags(&self, positions: &[u64]) -> Result<Vec<(u64, u64)>, FollowerError> {
        let stored: Vec<i64> = positions.iter().map(|p| to_sql(*p)).collect::<Result<_, _>>()?;
        let rows: Vec<(i64, Option<i64>)> = sqlx::query_as(
            "select coalesce((select position from events order by position desc limit 1), 0),
                    (select (extract(epoch from now() - e.recorded_at) * 1000)::bigint
                       from events e where e.position = at.position + 1)
               from unnest($1::bigint[]) with ordinality at (position, n) order by n",
        )
        .bind(stored)
        .fetch_all(self.feed.pool())
        .await?;
        positions
            .iter()
            .zip(rows)
            .map(|(position, (head, waited_ms))| {
                let events = from_sql(head)?.saturating_sub(*position);
                Ok((events, u64::try_from(waited_ms.unwrap_or(0)).unwrap_or(0)))
            })
            .collect()
    }

    fn add(&self, handle: FollowerHandle) {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
    }

    fn handles(&self) -> Vec<FollowerHandle> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Keeps the gauges of how followers are up to date, once a second.
async fn report(followers: Followers, mut shutdown: Shutdown) {
    while !pause(Duration::from_secs(1), &mut shutdown).await {
        followers.status().await.iter().for_each(record);
    }
}

/// Stands by for ever.
async fn look_on(name: &'static str, feed: Feed, handle: FollowerHandle, mut shutdown: Shutdown) {
    loop {
        match place_of(name, &feed).await {
            Ok(place) => {
                handle.stands_at(place);
                handle.is_now(FollowerState::StandingBy);
            }
            Err(error) => handle.has_failed(&error),
        }
        if pause(STAND_BY, &mut shutdown).await {
            return;
        }
    }
}

async fn place_of(name: &str, feed: &Feed) -> Result<u64, FollowerError> {
    let mut connection = feed.pool().acquire().await?;
    let live = checkpoint::live(&mut connection, name).await?;
    Ok(live.map_or(0, |live| live.place.position))
}

fn record(status: &FollowerStatus) {
    let gauge = metrics::gauge!("club_follower_lag_events", "follower" => status.name);
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    gauge.set(status.lag_events as f64);
    let gauge = metrics::gauge!("club_follower_lag_seconds", "follower" => status.name);
    gauge.set(Duration::from_millis(status.lag_ms).as_secs_f64());
    let gauge = metrics::gauge!("club_follower_well", "follower" => status.name);
    gauge.set(f64::from(u8::from(status.state.is_well())));
}

/// Sleeps; answers whether the process is ending.
async fn pause(duration: Duration, shutdown: &mut Shutdown) -> bool {
    tokio::select! {
        () = sleep(duration) => false,
        () = ending(shutdown) => true,
    }
}

async fn ending(shutdown: &mut Shutdown) {
    // An error is a sender that is gone: the process is ending too.
    let _ = shutdown.wait_for(|ending| *ending).await;
}

async fn run<F: Follow>(follower: F, feed: Feed, handle: FollowerHandle, mut shutdown: Shutdown) {
    let mut attendant = Attendant { follower, feed, handle, progressed: false };
    let mut next_pause = FIRST_PAUSE;
    while let Err(error) = attendant.attend(&mut shutdown).await {
        attendant.handle.has_failed(&error);
        metrics::counter!("club_follower_failures_total", "follower" => F::NAME).increment(1);
        if std::mem::take(&mut attendant.progressed) {
            next_pause = FIRST_PAUSE;
        }
        let (follower, pause_ms) = (F::NAME, next_pause.as_millis());
        tracing::warn!(follower, pause_ms, %error, "a follower failed and will try again");
        if pause(next_pause, &mut shutdown).await {
            break;
        }
        next_pause = (next_pause * 2).min(LONGEST_PAUSE);
    }
    attendant.handle.is_now(FollowerState::Stopped);
}

struct Attendant<F> {
    follower: F,
    feed: Feed,
    handle: FollowerHandle,
    progressed: bool,
}

impl<F: Follow> Attendant<F> {
    /// Follows until shutdown (`Ok`) or a failure. Between pages everything may be dropped, within
    /// a page nothing is.
    async fn attend(&mut self, shutdown: &mut Shutdown) -> Result<(), FollowerError> {
        let mut link = tokio::select! {
            link = self.link() => link?,
            () = ending(shutdown) => return Ok(()),
        };
        let mut subscription = tokio::select! {
            subscription = self.open(&mut link) => subscription?,
            () = ending(shutdown) => return Ok(()),
        };
        let mut last_page = Instant::now();
        loop {
            let next = tokio::select! {
                biased;
                () = ending(shutdown) => return Ok(()),
                next = subscription.next(&mut link, PAGE_EVENTS, self.handle.wake()) => next?,
            };
            let Some(mut page) = next else {
                self.handle.is_now(FollowerState::Following);
                self.follower.idle().await?;
                continue;
            };
            if let Some(pace) = self.follower.pace().filter(|_| page.len() < PAGE_EVENTS) {
                rest(pace, last_page, &self.handle, shutdown).await;
                subscription.gather(&mut page, PAGE_EVENTS);
            }
            last_page = Instant::now();
            match self.take(&mut link, &page).await {
                Err(FollowerError::Superseded) => tokio::select! {
                    anew = self.open(&mut link) => subscription = anew?,
                    () = ending(shutdown) => return Ok(()),
                },
                taken => taken?,
            }
        }
    }

    /// Connects, and waits for the lease. A node that stands by still knows how far the follower
    /// is, for those who wait here.
    async fn link(&mut self) -> Result<Link, FollowerError> {
        let mut link = Link::open(self.feed.pool()).await?;
        if !F::LEASED {
            return Ok(link);
        }
        while !link.try_lease(F::NAME).await? {
            if let Some(live) = checkpoint::live(&mut link, F::NAME).await? {
                self.handle.has_generation(live.generation);
                self.handle.stands_at(live.place.position);
            }
            self.handle.is_now(FollowerState::StandingBy);
            let awaited = self.handle.is_awaited();
            sleep(if awaited { STAND_BY_AWAITED } else { STAND_BY }).await;
        }
        Ok(link)
    }

    async fn open(&mut self, link: &mut Link) -> Result<Subscription, FollowerError> {
        let place = self.follower.open(link, &self.handle).await?;
        self.handle.stands_at(place.position);
        Ok(self.feed.subscribe(place))
    }

    async fn take(&mut self, link: &mut Link, page: &Page) -> Result<(), FollowerError> {
        self.follower.take(link, page).await?;
        if let Some(end) = page.end() {
            self.handle.stands_at(end.position);
        }
        self.handle.is_now(FollowerState::Following);
        self.progressed = true;
        Ok(())
    }
}

/// Lets events gather when pages follow each other: until `since` is as long ago as the pace asks,
/// or as short as it allows once somebody waits.
fn rest<'a>(
    pace: Pace,
    since: Instant,
    handle: &'a FollowerHandle,
    shutdown: &'a mut Shutdown,
) -> BoxFuture<'a, ()> {
    Box::pin(async move {
        while !handle.is_awaited() {
            tokio::select! {
                () = sleep_until(since + pace.busy) => return,
                () = ending(shutdown) => return,
                () = handle.wake().notified() => {}
            }
        }
        sleep_until(since + pace.awaited).await;
    })
}

#[cfg(test)]
mod tests;
