//! Players to whom things happen, at a rate that does not wait for answers, and who listen; and
//! screens that do not keep up, which must be nobody else's concern.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout};

use super::club::{Club, Member};
use super::figures::ActiveFigures;
use super::receipts::{Asked, Receipts};
use super::source::ManyDoors;
use crate::live::{Change, Client, Cut, Update};

/// Requests under way at most. More are asked for at a time only if the server is behind.
const WRITERS: usize = 64;
/// Grants in one request of a flood.
const BATCH: usize = 50;
/// How long it may take until everybody listens, and until everybody has stopped.
const PATIENCE: Duration = Duration::from_secs(120);

/// What shall happen.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Events a second, each of a player by turns.
    pub rate: f64,
    /// Before anything is counted.
    pub warm_up: Duration,
    /// What is measured.
    pub window: Duration,
}

/// Screens of one more player, to whom far more happens than to others.
#[derive(Debug, Clone, Copy)]
pub struct Slow {
    /// How many.
    pub screens: usize,
    /// Events a second.
    pub flood: f64,
    /// Whether they read what comes.
    pub read: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Active {
    club: Club,
    staff: Member,
    receipts: Receipts,
    listening: JoinSet<()>,
    players: Vec<Member>,
    ready: Arc<AtomicUsize>,
    /// Raised when screens that do not read shall read on.
    go_on: watch::Sender<bool>,
    too_slow: Arc<AtomicU64>,
}

impl Active {
    /// Lets these players listen, a screen each; waits until all do, and tells how many do.
    ///
    /// # Errors
    /// If they cannot.
    pub async fn listen(
        club: &Club,
        staff: &Member,
        players: &[Member],
        tell: impl Fn(usize),
    ) -> Result<Self> {
        let mut active = Self {
            club: club.clone(),
            staff: staff.clone(),
            receipts: Receipts::default(),
            listening: JoinSet::new(),
            players: players.to_vec(),
            ready: Arc::default(),
            go_on: watch::channel(false).0,
            too_slow: Arc::default(),
        };
        for (number, player) in players.iter().enumerate() {
            let client = club.listen(player, number);
            let (receipts, ready) = (active.receipts.clone(), Arc::clone(&active.ready));
            active.listening.spawn(receive(client, number, receipts, ready));
        }
        active.until_ready(players.len(), tell).await?;
        Ok(active)
    }

    async fn until_ready(&self, screens: usize, tell: impl Fn(usize)) -> Result<()> {
        let all = async {
            while self.ready.load(Ordering::Relaxed) < screens {
                tell(self.ready.load(Ordering::Relaxed));
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(PATIENCE, all).await.with_context(|| {
            format!("only {} of {screens} screens listen", self.ready.load(Ordering::Relaxed))
        })
    }

    /// Carries the plan out, with slow screens of that player if there shall be any. Tells the seconds
    /// that are left.
    ///
    /// # Errors
    /// If the club does not answer as it should.
    pub async fn run(
        &mut self,
        plan: Plan,
        slow: Option<(Slow, &Member)>,
        tell: impl Fn(u64),
    ) -> Result<ActiveFigures> {
        let mut working = JoinSet::new();
        if let Some((slow, player)) = slow {
            self.look_on(slow, player).await?;
            let (club, staff, player) = (self.club.clone(), self.staff.clone(), player.id);
            let until = Instant::now() + plan.warm_up + plan.window;
            working.spawn(flood(club, staff, player, slow.flood, until));
        }
        let begin = Instant::now();
        for number in 0..WRITERS {
            let (club, staff) = (self.club.clone(), self.staff.clone());
            let players: Arc<[i64]> = self.players.iter().map(|player| player.id).collect();
            working.spawn(write(
                (club, staff),
                players,
                self.receipts.clone(),
                (number, begin),
                plan,
            ));
        }
        let until = begin + plan.warm_up + plan.window;
        while Instant::now() < until {
            tell(until.saturating_duration_since(Instant::now()).as_secs());
            sleep(Duration::from_millis(250).min(until.saturating_duration_since(Instant::now())))
                .await;
        }
        let done = async {
            while let Some(worked) = working.join_next().await {
                worked??;
            }
            anyhow::Ok(())
        };
        timeout(PATIENCE, done).await.context("the club does not answer any more")??;
        self.receipts.complete().await;
        // Every screen tells what it has counted with each change; marks come to all.
        self.receipts.figures(self.players.len(), plan.window)
    }

    async fn look_on(&mut self, slow: Slow, player: &Member) -> Result<()> {
        let before = self.ready.load(Ordering::Relaxed);
        for number in 0..slow.screens {
            let client = self.club.listen_narrowly(player, self.players.len() + number);
            let (ready, too_slow) = (Arc::clone(&self.ready), Arc::clone(&self.too_slow));
            let go_on = (!slow.read).then(|| self.go_on.subscribe());
            self.listening.spawn(dawdle(client, go_on, ready, too_slow));
        }
        self.until_ready(before + slow.screens, |_| {}).await
    }

    /// Lets slow screens read on; how many of them find that they were closed for it, once all had
    /// the time to.
    pub async fn closed_as_too_slow(&self) -> u64 {
        self.go_on.send_replace(true);
        sleep(Duration::from_secs(3)).await;
        self.too_slow.load(Ordering::Relaxed)
    }
}

async fn receive(
    mut client: Client<ManyDoors>,
    number: usize,
    receipts: Receipts,
    ready: Arc<AtomicUsize>,
) {
    let mut is_new = true;
    loop {
        match client.next().await {
            Change::Told { position, update: Update::Balance(_), .. } => {
                receipts.received(position);
            }
            Change::State { .. } | Change::Resumed { .. } => {
                if std::mem::take(&mut is_new) {
                    ready.fetch_add(1, Ordering::Relaxed);
                }
            }
            Change::Ended(_) => return receipts.counted(number, client.counts()),
            Change::Told { .. }
            | Change::Connected { .. }
            | Change::Mark { .. }
            | Change::Refused { .. }
            | Change::Cut(_) => {}
        }
        receipts.counted(number, client.counts());
    }
}

/// Stops reading once it listens, until it is told to go on.
async fn dawdle(
    mut client: Client<ManyDoors>,
    mut go_on: Option<watch::Receiver<bool>>,
    ready: Arc<AtomicUsize>,
    too_slow: Arc<AtomicU64>,
) {
    let mut is_new = true;
    loop {
        match client.next().await {
            Change::State { .. } if std::mem::take(&mut is_new) => {
                ready.fetch_add(1, Ordering::Relaxed);
                if let Some(go_on) = &mut go_on
                    && go_on.wait_for(|go_on| *go_on).await.is_err()
                {
                    return;
                }
            }
            Change::Cut(Cut::Closed { code: 4408, .. }) => {
                too_slow.fetch_add(1, Ordering::Relaxed);
            }
            Change::Ended(_) => return,
            _ => {}
        }
    }
}

/// Every so-many-th event, at its time, whether the one before was slow or not.
async fn write(
    (club, staff): (Club, Member),
    players: Arc<[i64]>,
    receipts: Receipts,
    (first, begin): (usize, Instant),
    plan: Plan,
) -> Result<()> {
    for number in (first..).step_by(WRITERS) {
        let at = begin + Duration::from_secs_f64(number as f64 / plan.rate);
        if at >= begin + plan.warm_up + plan.window {
            return Ok(());
        }
        sleep_until(at.into()).await;
        let asked = Instant::now();
        let position = club.grant(&staff, players[number % players.len()]).await?;
        let is_measured = at >= begin + plan.warm_up;
        receipts.asked(Asked { position, asked, answered: Instant::now(), is_measured });
    }
    bail!("there are no more numbers")
}

async fn flood(club: Club, staff: Member, player: i64, rate: f64, until: Instant) -> Result<()> {
    let every = Duration::from_secs_f64(BATCH as f64 / rate);
    let mut at = Instant::now();
    while at < until {
        sleep_until(at.into()).await;
        club.grants(&staff, player, BATCH).await?;
        at = (at + every).max(Instant::now());
    }
    Ok(())
}
