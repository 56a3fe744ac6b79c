//! What benchmarks run on: databases, a running club, a long log. Each is made when the first
//! benchmark needs it, and shared by those after.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::{Context, Result, ensure};

use crate::Benchmark;
use crate::actions::{self, Reported};
use crate::claims::{self, Claimable, Claimer};
use crate::cpu::CpuMeter;
use crate::database::{self, Database};
use crate::game_servers::GameServer;
use crate::grants::{self, Giver};
use crate::identity::{self, Deed, Person};
use crate::live::{self, Company, Live};
use crate::load::{Plan, closed_loop, histogram, quantile_ms};
use crate::long_log::{self, Audit};
use crate::olap::{self, ClickHouse};
use crate::old_account::{self, Host};
use crate::options::Options;
use crate::players::{Accounts, Players, Request, Visitor, settle, worst_lag};
use crate::provider::ProviderTime;
use crate::publishing::{self, Broker, Publishing};
use crate::repeats::{Followed, Readings, Repeats};
use crate::report::{Beside, Measured, Outcome, SHOWN, thousands};
use crate::service::{self, Server};
use crate::{in_process, pgbench, stock};

/// Beyond its own time, what a repeat may take before the players' tokens run out.
const TOKENS_TO_SPARE: std::time::Duration = std::time::Duration::from_secs(30);

/// Makes and keeps the stages.
pub struct Stages {
    options: Options,
    server_url: String,
    folder: PathBuf,
    /// PostgreSQL with all its processes.
    postgres: CpuMeter,
    binaries: Option<PathBuf>,
    single_inserts: Option<Database>,
    stock: Option<Database>,
    club: Option<Club>,
    /// Of clubs that have been stopped.
    left: Vec<Database>,
    in_process: Option<Database>,
    live: Option<Database>,
    long_log: Option<Database>,
}

/// A running club with players signed in.
struct Club {
    database: Database,
    server: Server,
    players: Players,
    game_servers: Vec<GameServer>,
    /// How many missions were made to be claimed.
    claimable: usize,
    /// How many have signed up.
    newcomers: Arc<AtomicU64>,
}

impl Club {
    /// Before each repeat: nobody's token may run out in it.
    async fn stay_signed_in(&mut self, plan: Plan, count: usize) -> Result<()> {
        if !self.players.outlast(plan.warm_up + plan.window + TOKENS_TO_SPARE) {
            self.players = Players::sign_in(self.server.address, count).await?;
        }
        Ok(())
    }

    /// As many claims as one repeat may take.
    async fn claimable(&mut self, plan: Plan) -> Result<Arc<Claimable>> {
        let players = self.players.all();
        let until = self.claimable + claims::needed(plan, players.len());
        let parties = (self.players.admin(), &self.game_servers[0]);
        let numbers = self.claimable..until;
        let missions = claims::complete(self.server.address, parties, players, numbers).await?;
        self.claimable = until;
        Claimable::new(players, missions)
    }
}

impl Stages {
    /// None is made yet.
    pub fn new(options: Options, server_url: String, folder: PathBuf, postmaster: u32) -> Self {
        Self {
            options,
            server_url,
            folder,
            postgres: CpuMeter::new([postmaster]),
            binaries: None,
            single_inserts: None,
            stock: None,
            club: None,
            left: Vec::new(),
            in_process: None,
            live: None,
            long_log: None,
        }
    }

    /// Runs one benchmark, as often as the options say.
    pub async fn measure(&mut self, name: &'static str, benchmark: Benchmark) -> Result<Outcome> {
        if !benchmark.is_on_the_club() {
            self.stop_club().await?;
        }
        let measured = match benchmark {
            Benchmark::Actions => return self.actions(name).await,
            Benchmark::OldAccount => return self.old_account().await,
            Benchmark::Live(live) => return self.live(live).await,
            Benchmark::GrantBatches => return self.grant_batches(name).await,
            Benchmark::Claims { in_flight } => self.claims(name, in_flight).await,
            Benchmark::SingleInsert { clients } => self.single_insert(name, clients).await,
            Benchmark::Stock { in_flight } => self.stock(name, in_flight).await,
            Benchmark::HashAlone => self.hash_alone(name).await,
            Benchmark::Identity { deed, in_flight } => self.identity(name, deed, in_flight).await,
            Benchmark::Loopback { in_flight } => self.loopback(name, in_flight).await,
            Benchmark::Http { request, accounts, in_flight } => {
                self.http(name, request, accounts, in_flight).await
            }
            Benchmark::InProcess { nodes, in_flight } => {
                self.in_process(name, nodes, in_flight).await
            }
            Benchmark::CopyOut => self.copy_out(name).await,
            Benchmark::Kafka(who) => self.publish(name, who).await,
            Benchmark::Audit(audit) => self.audit(name, audit).await,
            Benchmark::OlapBackfill => self.olap_backfill(name).await,
            Benchmark::OlapBareInsert => self.olap_bare_insert(name).await,
            Benchmark::OlapVisible => self.olap_visible().await,
        };
        Ok(Outcome::from(measured?))
    }

    /// Throws everything away, unless it shall be kept for a look.
    pub async fn clean_up(mut self) -> Result<()> {
        self.stop_club().await?;
        let mut databases = self.left;
        databases.extend(self.single_inserts);
        databases.extend(self.stock);
        databases.extend(self.in_process);
        databases.extend(self.live);
        databases.extend(self.long_log);
        for database in databases {
            if self.options.keep {
                println!("kept: database {}", database.name());
            } else {
                database.drop().await?;
            }
        }
        Ok(())
    }

    fn plan(&self) -> Plan {
        self.options.plan()
    }

    /// The load generator's own process tree counts where the servers are inside it.
    fn postgres_and_this(&self) -> CpuMeter {
        self.postgres.and(std::process::id())
    }

    async fn single_insert(&mut self, name: &'static str, clients: usize) -> Result<Measured> {
        if self.single_inserts.is_none() {
            let database = Database::create(&self.server_url, "single_inserts").await?;
            pgbench::prepare(self.single_inserts.insert(database)).await?;
        }
        let database = self.single_inserts.as_ref().context("made above")?;
        let mut repeats = Repeats::of(name);
        for _ in 0..self.options.repeats() {
            let load =
                pgbench::insert(database, clients, self.plan(), &self.folder, &self.postgres);
            repeats.add(load.await?);
        }
        repeats.measured()
    }

    async fn stock(&mut self, name: &'static str, in_flight: usize) -> Result<Measured> {
        if self.stock.is_none() {
            let database = Database::create(&self.server_url, "stock").await?;
            stock::prepare(self.stock.insert(database)).await?;
        }
        let database = self.stock.as_ref().context("made above")?;
        let servers = self.postgres_and_this();
        let mut repeats = Repeats::of(name);
        for _ in 0..self.options.repeats() {
            let load = stock::grant(database, in_flight, self.plan(), &servers);
            repeats.add(load.await?);
        }
        repeats.measured()
    }

    async fn loopback(&mut self, name: &'static str, in_flight: usize) -> Result<Measured> {
        let server = Server::loopback(&self.folder.join("loopback.log")).await?;
        let meter = CpuMeter::new([server.id]);
        let requests = [crate::http::Template::command("/loopback", "none", "{\"gold\":1}")].into();
        let mut repeats = Repeats::of(name);
        for _ in 0..self.options.repeats() {
            let visitors =
                Visitor::connect(server.address, Request::Balance, &requests, in_flight).await?;
            let load = closed_loop(visitors, self.plan(), &meter);
            repeats.add(load.await?);
        }
        server.stop().await?;
        repeats.measured()
    }

    async fn http(
        &mut self,
        name: &'static str,
        request: Request,
        accounts: Accounts,
        in_flight: usize,
    ) -> Result<Measured> {
        self.start_club().await?;
        let (plan, repeats, count) = (self.plan(), self.options.repeats(), self.options.players());
        let club = self.club.as_mut().context("started above")?;
        let servers = self.postgres.and(club.server.id);
        settle(club.server.address).await?;
        let mut measured = Repeats::of(name);
        for _ in 0..repeats {
            club.stay_signed_in(plan, count).await?;
            let requests = club.players.requests(request, accounts);
            database::checkpoint(&self.server_url).await?;
            let before = database::log_length(&club.database.url).await?;
            let provider = ProviderTime::of(club.server.address).await?;
            let visitors =
                Visitor::connect(club.server.address, request, &requests, in_flight).await?;
            let load = closed_loop(visitors, plan, &servers).await?;
            let (follower, lag) = worst_lag(club.server.address).await?;
            let written = database::log_length(&club.database.url).await? - before;
            let least = load.operations * request.events();
            ensure!(
                u64::try_from(written)? >= least,
                "{} requests were answered well but left only {written} events",
                load.operations
            );
            eprintln!("  furthest behind: {follower}, {lag:.0} ms");
            if let Some(time) = ProviderTime::of(club.server.address).await?.since(provider) {
                eprintln!("  the provider took {time}");
            }
            measured.add_followed((load, lag));
        }
        measured.measured()
    }

    /// Admins give gold to many at once. In turns with the appends that this is held against: a machine
    /// that is slower for a minute is so for both.
    async fn grant_batches(&mut self, name: &'static str) -> Result<Outcome> {
        let (mut batches, mut appends) = (Repeats::of(name), Repeats::of(grants::APPENDS));
        for _ in 0..self.options.repeats() {
            batches.add_followed(self.grant_batch().await?);
            let appended = self.appends(1, grants::APPENDS_IN_FLIGHT, 1).await?;
            appended.into_iter().for_each(|append| appends.add_followed(append));
        }
        let appends =
            Beside { name: grants::APPENDS, unit: "commands/s", measured: appends.measured()? };
        Ok(Outcome { own: batches.measured()?, beside: vec![appends] })
    }

    async fn grant_batch(&mut self) -> Result<Followed> {
        self.start_club().await?;
        let (plan, count) = (self.plan(), self.options.players());
        let club = self.club.as_mut().context("started above")?;
        let (address, servers) = (club.server.address, self.postgres.and(club.server.id));
        club.stay_signed_in(plan, count).await?;
        settle(address).await?;
        database::checkpoint(&self.server_url).await?;
        let before = database::log_length(&club.database.url).await?;
        let givers = Giver::connect(address, &club.players).await?;
        let load = closed_loop(givers, plan, &servers).await?.in_batches_of(grants::BATCH as u64);
        let (follower, lag) = worst_lag(address).await?;
        let written = u64::try_from(database::log_length(&club.database.url).await? - before)?;
        ensure!(written >= load.operations, "{} grants left {written}", load.operations);
        eprintln!("  furthest behind: {follower}, {lag:.0} ms");
        Ok((load, lag))
    }

    /// Game servers report; the time until progress is shown stands beside.
    async fn actions(&mut self, name: &'static str) -> Result<Outcome> {
        self.start_club().await?;
        let (plan, repeats, count) = (self.plan(), self.options.repeats(), self.options.players());
        let club = self.club.as_mut().context("started above")?;
        let (address, servers) = (club.server.address, self.postgres.and(club.server.id));
        club.stay_signed_in(plan, count).await?;
        let mission = actions::set_up(address, &club.players).await?;
        let (mut measured, mut all_shown) = (Repeats::of(name), histogram()?);
        for _ in 0..repeats {
            settle(address).await?;
            database::checkpoint(&self.server_url).await?;
            let before = database::log_length(&club.database.url).await?;
            let parties = (club.game_servers.as_slice(), &club.players);
            let Reported { load, paced, shown, furthest_behind: (follower, lag) } =
                actions::report(address, parties, mission, plan, &servers).await?;
            let written = u64::try_from(database::log_length(&club.database.url).await? - before)?;
            let reported = load.operations + paced;
            ensure!(written >= reported, "{reported} actions left {written}");
            let (times, p99) = (shown.len(), quantile_ms(&shown, 0.99));
            eprintln!("  progress shown {times} times, p99 {p99:.1} ms");
            eprintln!("  furthest behind: {follower}, {lag:.0} ms");
            all_shown.add(shown)?;
            measured.add_followed((load, lag));
        }
        let shown = Beside { name: SHOWN, unit: "ms", measured: Measured::of_times(&all_shown) };
        Ok(Outcome { own: measured.measured()?, beside: vec![shown] })
    }

    /// Every repeat has missions of its own, which every player has completed.
    async fn claims(&mut self, name: &'static str, in_flight: usize) -> Result<Measured> {
        self.start_club().await?;
        let (plan, repeats, count) = (self.plan(), self.options.repeats(), self.options.players());
        let club = self.club.as_mut().context("started above")?;
        let (address, servers) = (club.server.address, self.postgres.and(club.server.id));
        let mut measured = Repeats::of(name);
        for _ in 0..repeats {
            club.stay_signed_in(plan, count).await?;
            let claimable = club.claimable(plan).await?;
            settle(address).await?;
            // What was made to be claimed would otherwise be vacuumed while claims are measured.
            database::analyze(&club.database.url).await?;
            database::checkpoint(&self.server_url).await?;
            let before = database::log_length(&club.database.url).await?;
            let claimers = Claimer::connect(address, &claimable, in_flight).await?;
            let load = closed_loop(claimers, plan, &servers).await?;
            let (follower, lag) = worst_lag(address).await?;
            let claimed = claimable.claimed();
            claims::insist_on_all(&club.database.url, before, claimed).await?;
            eprintln!("  furthest behind: {follower}, {lag:.0} ms");
            measured.add_followed((load, lag));
        }
        measured.measured()
    }

    /// What hashing costs, beside which signing up and in are looked at.
    async fn hash_alone(&mut self, name: &'static str) -> Result<Measured> {
        let mut repeats = Repeats::of(name);
        for _ in 0..self.options.repeats() {
            repeats.add(identity::hash_alone(self.plan()).await?);
        }
        repeats.measured()
    }

    async fn identity(
        &mut self,
        name: &'static str,
        deed: Deed,
        in_flight: usize,
    ) -> Result<Measured> {
        self.start_club().await?;
        let (plan, repeats, count) = (self.plan(), self.options.repeats(), self.options.players());
        let club = self.club.as_mut().context("started above")?;
        let (address, servers) = (club.server.address, self.postgres.and(club.server.id));
        let mut measured = Repeats::of(name);
        for _ in 0..repeats {
            settle(address).await?;
            database::checkpoint(&self.server_url).await?;
            let people = Person::connect(address, deed, count, &club.newcomers, in_flight).await?;
            let load = closed_loop(people, plan, &servers).await?;
            let (follower, lag) = worst_lag(address).await?;
            eprintln!("  furthest behind: {follower}, {lag:.0} ms");
            measured.add_followed((load, lag));
        }
        measured.measured()
    }

    /// In a club of its own: each finds a server that has not served anybody yet.
    async fn live(&mut self, live: Live) -> Result<Outcome> {
        let crowd = self.options.crowd();
        // Whatever is started from here on may have as many connections.
        tests::load::open_files(crowd.idle)?;
        if matches!(live, Live::BareIdle | Live::BareEcho) {
            let server = live::bare_server(&self.folder).await?;
            let measured = live::bare(live, &server, crowd).await;
            server.stop().await?;
            return measured;
        }
        let bin = self.binaries().await?;
        let url = self.live_database(crowd.players + 1).await?;
        // Hashing passwords leaves much memory behind, in which connections would find room for nothing.
        let server = Server::club(&bin, &url, &self.folder.join("live.log")).await?;
        let company = Company::sign_in(&server, crowd.players).await?;
        server.stop().await?;
        let server = Server::club(&bin, &url, &self.folder.join("live.log")).await?;
        let company = company.at(&server);
        settle(server.address).await?;
        let measured = live::measure(live, &server, &company, crowd).await;
        server.stop().await?;
        measured
    }

    /// A club with so many players, of which nothing runs.
    async fn live_database(&mut self, players: usize) -> Result<String> {
        let bin = self.binaries().await?;
        if self.live.is_none() {
            let database = Database::create(&self.server_url, "live").await?;
            let url = self.live.insert(database).url.clone();
            service::club(&bin, &url, &["migrate"]).await?;
            service::club(&bin, &url, &["seed", "--players", &players.to_string()]).await?;
        }
        Ok(self.live.as_ref().context("made above")?.url.clone())
    }

    /// In a club of its own.
    async fn old_account(&mut self) -> Result<Outcome> {
        let bin = self.binaries().await?;
        let database = Database::create(&self.server_url, "old_account").await?;
        let url = database.url.clone();
        let lived = old_account::live(&bin, &database).await;
        self.left.push(database);
        lived?;
        let host = Host { bin, url, log: self.folder.join("old_account.log") };
        host.measure(self.options.extent()).await
    }

    /// Migrates, seeds and starts a club, and signs its players in.
    async fn start_club(&mut self) -> Result<()> {
        if self.club.is_some() {
            return Ok(());
        }
        let bin = self.binaries().await?;
        let count = self.options.players();
        let database = Database::create(&self.server_url, "club").await?;
        service::club(&bin, &database.url, &["migrate"]).await?;
        service::club(&bin, &database.url, &["seed", "--players", &count.to_string()]).await?;
        let game_servers = GameServer::let_in(&bin, &database.url, actions::SERVERS).await?;
        let server = Server::club(&bin, &database.url, &self.folder.join("club.log")).await?;
        let players = Players::sign_in(server.address, count).await?;
        players.offer_package(server.address).await?;
        self.club = Some(Club {
            database,
            server,
            players,
            game_servers,
            claimable: 0,
            newcomers: Arc::default(),
        });
        Ok(())
    }

    /// Even an idle club would take time from what is measured next.
    async fn stop_club(&mut self) -> Result<()> {
        if let Some(club) = self.club.take() {
            self.left.push(club.database);
            club.server.stop().await?;
        }
        Ok(())
    }

    async fn binaries(&mut self) -> Result<PathBuf> {
        if self.binaries.is_none() {
            self.binaries = Some(service::binaries(self.options.bin_dir.as_deref()).await?);
        }
        self.binaries.clone().context("made above")
    }

    async fn in_process(
        &mut self,
        name: &'static str,
        nodes: usize,
        in_flight: usize,
    ) -> Result<Measured> {
        let mut repeats = Repeats::of(name);
        let appended = self.appends(nodes, in_flight, self.options.repeats()).await?;
        appended.into_iter().for_each(|append| repeats.add_followed(append));
        repeats.measured()
    }

    async fn appends(
        &mut self,
        nodes: usize,
        in_flight: usize,
        repeats: usize,
    ) -> Result<Vec<Followed>> {
        if self.in_process.is_none() {
            let database = Database::create(&self.server_url, "in_process").await?;
            in_process::prepare(self.in_process.insert(database)).await?;
        }
        let database = self.in_process.as_ref().context("made above")?;
        let (servers, time) = (self.postgres_and_this(), (self.plan(), repeats));
        in_process::append(database, nodes, in_flight, time, &servers).await
    }

    async fn copy_out(&mut self, name: &'static str) -> Result<Measured> {
        let (url, postgres) = (self.long_log().await?.0, self.postgres.clone());
        let mut readings = Readings::of(name);
        for _ in 0..self.options.repeats() {
            readings.add(long_log::copy_out(&url, &postgres).await?);
        }
        readings.measured()
    }

    async fn audit(&mut self, name: &'static str, audit: Audit) -> Result<Measured> {
        let bin = self.binaries().await?;
        let (url, length) = self.long_log().await?;
        let mut readings = Readings::of(name);
        for _ in 0..self.options.repeats() {
            let reading = long_log::audit(&bin, &url, audit, length, &self.postgres).await?;
            readings.add(reading);
        }
        readings.measured()
    }

    /// Each repeat to a topic of its own, on a broker of its own. A bare producer has in memory what the relay
    /// has published before.
    async fn publish(&mut self, name: &'static str, who: Publishing) -> Result<Measured> {
        let bin = self.binaries().await?;
        let (url, length) = self.long_log().await?;
        let mut readings = Readings::of(name);
        for _ in 0..self.options.repeats() {
            let broker = Broker::start(&self.folder).await?;
            let to = (&broker, "published");
            let relayed = publishing::relay(&bin, (&url, length), to, &self.postgres).await?;
            let reading = match who {
                Publishing::Relay => relayed,
                Publishing::Bare => {
                    let records = publishing::records(&broker, "published").await?;
                    publishing::bare(&broker, "again", records).await?
                }
            };
            readings.add(reading);
            broker.stop().await?;
        }
        readings.measured()
    }

    /// Each time into a database of its own.
    async fn olap_backfill(&mut self, name: &'static str) -> Result<Measured> {
        let bin = self.binaries().await?;
        let (url, length) = self.long_log().await?;
        let mut readings = Readings::of(name);
        for _ in 0..self.options.repeats() {
            let clickhouse = ClickHouse::fresh("bench_olap").await?;
            let into = (&clickhouse, length);
            let reading = olap::backfill(&bin, &url, into, &self.postgres).await?;
            readings.add(reading);
        }
        readings.measured()
    }

    async fn olap_bare_insert(&mut self, name: &'static str) -> Result<Measured> {
        let bin = self.binaries().await?;
        let (url, length) = self.long_log().await?;
        let clickhouse = ClickHouse::fresh("bench_olap").await?;
        olap::backfill(&bin, &url, (&clickhouse, length), &self.postgres).await?;
        let mut readings = Readings::of(name);
        for _ in 0..self.options.repeats() {
            let reading = olap::bare_insert(&clickhouse, &self.postgres).await?;
            readings.add(reading);
        }
        readings.measured()
    }

    async fn olap_visible(&mut self) -> Result<Measured> {
        let bin = self.binaries().await?;
        if self.in_process.is_none() {
            let database = Database::create(&self.server_url, "in_process").await?;
            in_process::prepare(self.in_process.insert(database)).await?;
        }
        let url = self.in_process.as_ref().context("made above")?.url.clone();
        let (plan, clickhouse) = (self.plan(), ClickHouse::fresh("bench_olap_visible").await?);
        let seen = crate::load::on_all_cores(move || async move {
            let granting = in_process::Granting::start(&url).await?;
            olap::visible(&bin, granting, clickhouse.into(), plan).await
        });
        Ok(Measured::of_times(&seen.await?))
    }

    /// The URL and the length of the long log, made by commands like any other.
    async fn long_log(&mut self) -> Result<(String, u64)> {
        if self.long_log.is_none() {
            eprintln!("making a log of {} events", thousands(self.options.events() as f64));
            let database = Database::create(&self.server_url, "long_log").await?;
            let database = self.long_log.insert(database);
            in_process::prepare(database).await?;
            in_process::fill(database, self.options.events()).await?;
            database::analyze(&database.url).await?;
        }
        let url = self.long_log.as_ref().context("made above")?.url.clone();
        let length = u64::try_from(database::log_length(&url).await?)?;
        Ok((url, length))
    }
}
