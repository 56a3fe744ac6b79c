//! The live feed: what an idle connection costs, how soon players hear of what happens to them, and
//! whether screens that do not keep up are anybody else's concern. In a club of its own, beside a bare
//! websocket server.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::load::{
    Active, ActiveFigures, Bare, Club, Idle, IdleFigures, Member, Plan as LivePlan, Quantiles,
    Slow, open_files, resident,
};
use tokio::time::sleep;

use crate::load::Plan;
use crate::report::{Beside, Measured, Outcome};
use crate::service::Server;

/// Events a second.
const RATE: f64 = 1_000.0;
/// Before memory is looked at.
const REST: Duration = Duration::from_secs(3);
/// Screens that do not keep up, and what would come to them.
const SLOW_SCREENS: usize = 20;
const FLOOD: f64 = 1_000.0;
/// Of players that `club seed --players` makes.
const NAMES: (&str, &str) = ("bench", "bench-password");

/// Which of the measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Live {
    /// Connections that are only there.
    Idle,
    /// Players to whom things happen.
    Active,
    /// The same, while others do not read what is sent to them.
    SlowReaders,
    /// Connections to a bare server.
    BareIdle,
    /// Echoes of a bare server.
    BareEcho,
}

/// How much of it.
#[derive(Debug, Clone, Copy)]
pub struct Crowd {
    pub idle: usize,
    pub players: usize,
    pub plan: Plan,
}

impl Crowd {
    fn plan(self) -> LivePlan {
        let rate = RATE.min(self.players as f64);
        LivePlan { rate, warm_up: self.plan.warm_up, window: self.plan.window }
    }
}

/// Everybody who takes part.
pub struct Company {
    club: Club,
    staff: Member,
    players: Vec<Member>,
}

impl Company {
    /// The same people, at another server.
    pub fn at(self, server: &Server) -> Self {
        Self { club: Club::at(server.address), ..self }
    }

    /// Signs everybody in, and one player more, of whom the slow screens are.
    pub async fn sign_in(server: &Server, players: usize) -> Result<Self> {
        let club = Club::at(server.address);
        let staff = club.staff("admin", "admin123").await?;
        let players = club.players(players + 1, NAMES, |_| {}).await?;
        Ok(Self { club, staff, players })
    }
}

/// What is measured of the club.
pub async fn measure(
    live: Live,
    server: &Server,
    company: &Company,
    crowd: Crowd,
) -> Result<Outcome> {
    match live {
        Live::Idle => idle(server, company, crowd.idle).await,
        Live::Active => active(company, crowd).await,
        Live::SlowReaders => slow_readers(company, crowd).await,
        Live::BareIdle | Live::BareEcho => bare(live, server, crowd).await,
    }
}

/// What is measured of the bare server.
pub async fn bare(live: Live, server: &Server, crowd: Crowd) -> Result<Outcome> {
    if live == Live::BareEcho {
        let echoes = Bare::open(server.address, crowd.players).await?.echo(crowd.plan()).await?;
        return Ok(of_times(&echoes).into());
    }
    open_files(crowd.idle)?;
    let before = resident(server.id)?;
    let open = Bare::open(server.address, crowd.idle).await?;
    sleep(REST).await;
    let figures = IdleFigures::new(crowd.idle, before, resident(server.id)?, 0);
    drop(open);
    Ok(Measured::of_bytes(figures.bytes_each).into())
}

/// Starts the bare server.
pub async fn bare_server(folder: &Path) -> Result<Server> {
    Server::this_program("--bare-server", &folder.join("bare.log")).await
}

async fn idle(server: &Server, company: &Company, count: usize) -> Result<Outcome> {
    open_files(count)?;
    sleep(REST).await;
    let before = resident(server.id)?;
    let idle = Idle::open(&company.club, &company.players, count, |_| {}).await?;
    sleep(REST).await;
    let figures = IdleFigures::new(count, before, resident(server.id)?, idle.cuts());
    ensure!(figures.cuts == 0, "{} connections were lost", figures.cuts);
    let (before, after) = (before as f64 / 1e6, figures.resident_after as f64 / 1e6);
    eprintln!("  {count} connections: {before:.1} MB before, {after:.1} MB with them");
    Ok(Measured::of_bytes(figures.bytes_each).into())
}

async fn listen(company: &Company) -> Result<Active> {
    let players = company.players.split_last().context("no players")?.1;
    Active::listen(&company.club, &company.staff, players, |_| {}).await
}

async fn active(company: &Company, crowd: Crowd) -> Result<Outcome> {
    let figures = listen(company).await?.run(crowd.plan(), None, |_| {}).await?;
    whole(&figures)?;
    let measured = of_times(&figures.from_answer);
    let beside = Beside { name: "live_active_1000_from_answer", unit: "ms", measured };
    Ok(Outcome { own: of_times(&figures.from_request), beside: vec![beside] })
}

/// First with screens that read all of the flood, then with as many that read nothing.
async fn slow_readers(company: &Company, crowd: Crowd) -> Result<Outcome> {
    let player = company.players.last().context("no players")?;
    let mut all = Vec::new();
    for read in [true, false] {
        let slow = Slow { screens: SLOW_SCREENS, flood: FLOOD, read };
        let mut active = listen(company).await?;
        let figures = active.run(crowd.plan(), Some((slow, player)), |_| {}).await?;
        whole(&figures)?;
        if !read {
            let closed = active.closed_as_too_slow().await;
            eprintln!("  {closed} of {SLOW_SCREENS} slow screens were closed with 4408");
        }
        all.push(of_times(&figures.from_request));
    }
    let beside = Beside { name: "live_quick_readers", unit: "ms", measured: all[0] };
    Ok(Outcome { own: all[1], beside: vec![beside] })
}

fn whole(figures: &ActiveFigures) -> Result<()> {
    let ActiveFigures { lost, repeated, cuts, gaps, events, rate, .. } = figures;
    eprintln!("  {events} events, {rate:.0} a second; {cuts} connections lost, {gaps} gaps");
    ensure!(*lost == 0 && *repeated == 0, "{lost} events were lost and {repeated} came twice");
    Ok(())
}

fn of_times(times: &Quantiles) -> Measured {
    Measured::of_quantiles(times.p50_ms, times.p99_ms, times.p999_ms)
}
