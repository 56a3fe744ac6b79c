//! The role `seed`: demo data. What is there already stays as it is, so it can run at every start.

mod invites;
mod packages;
mod people;
mod play;
mod products;
mod services;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use commands::clock::SystemClock;
use commands::events::EventChange;
use commands::{Caller, Commands, Failure};
use domain::id::{MissionId, PlayerId};
use domain::identity::Identity;
use domain::live_event::EventStatus;
use domain::package::PackageRefusal;
use domain::product::ProductRefusal;
use domain::promo::PromoRefusal;
use domain::role::BuiltIn;
use futures::{StreamExt, TryStreamExt, stream};
use sqlx::PgPool;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::app;
use crate::auth::password;
use crate::config::{Config, DatabaseConfig, Unsafe};
use crate::database;
use people::{DEMO, Person};

/// The password of every player for load tests.
const BENCH_PASSWORD: &str = "bench-password";
/// Accounts opened at once.
const AT_ONCE: usize = 512;
const CLOSE_PATIENCE: Duration = Duration::from_secs(10);

/// Brings the demo data in, and `players` players for load tests.
///
/// # Errors
/// In production, or if the database cannot be reached.
pub async fn run(config: &Config, players: u32) -> anyhow::Result<()> {
    if config.environment.is_production() {
        bail!("demo data has well-known passwords: ENVIRONMENT=production refuses it");
    }
    database::insist_on_migrations(&config.database).await?;
    let pool = database::main_pool(&config.database).await?;
    // Nobody sends messages to this process.
    let (_, nowhere) = watch::channel(None);
    let commands = app::start_commands(config, &pool, Arc::new(SystemClock), nowhere).await?;
    let people = demo_people(&pool, &commands).await?;
    if players > 0 {
        bench_players(&pool, players).await?;
    }
    let services = services::enter(&pool).await?;
    let opened = open_accounts(&pool, &commands).await?;
    give_roles(&commands).await?;
    let defined = define_products(&commands).await?;
    let packages = define_packages(&commands).await?;
    let promos = define_promos(&commands).await?;
    let invites = invites::create(&commands).await?;
    let events = define_events(&commands).await?;
    let missions = define_missions(&commands).await?;
    let closed = tokio::time::timeout(CLOSE_PATIENCE, commands.bus.close()).await;
    closed.context("the log did not take everything in time: run it again")?;
    let (products, play) = (defined, events + missions);
    tracing::info!(
        people,
        services,
        opened,
        products,
        packages,
        promos,
        invites,
        play,
        "demo data is in"
    );
    Ok(())
}

/// Enters the demo's users who are not there yet, under their own numbers.
async fn demo_people(pool: &PgPool, commands: &Commands) -> anyhow::Result<usize> {
    let known: Vec<String> =
        sqlx::query_scalar("select site_id from identity.users where id <= 24")
            .fetch_all(pool)
            .await?;
    let mut hashing = JoinSet::new();
    for person in DEMO.iter().filter(|person| !known.iter().any(|id| id == person.site_id)) {
        if is_erased(commands, person).await? {
            continue;
        }
        hashing.spawn_blocking(move || anyhow::Ok((person, password::hash_now(person.password)?)));
    }
    let mut entered = 0;
    while let Some(hashed) = hashing.join_next().await {
        let (person, hash) = hashed??;
        entered += enter(pool, person, &hash).await?;
    }
    if entered > 0 {
        skip_their_numbers(pool).await?;
    }
    Ok(entered)
}

/// Who was erased does not come back.
async fn is_erased(commands: &Commands, person: &Person) -> anyhow::Result<bool> {
    let erasure = commands.erasure(PlayerId(person.id)).await;
    Ok(erasure.context("the log cannot be read")?.is_some())
}

async fn enter(pool: &PgPool, person: &Person, hash: &str) -> anyhow::Result<usize> {
    let done = sqlx::query(
        "insert into identity.users
                (id, site_id, nickname, phone_number, password_hash, state, created_at)
         values ($1, $2, $3, $4, $5, 'pending', now())
         on conflict do nothing",
    )
    .bind(person.id)
    .bind(person.site_id)
    .bind(person.nickname)
    .bind(person.phone_number)
    .bind(hash)
    .execute(pool)
    .await?;
    Ok(usize::try_from(done.rows_affected())?)
}

/// Whoever signs up next gets number 25. The service's role may only draw numbers, not set them.
async fn skip_their_numbers(pool: &PgPool) -> anyhow::Result<()> {
    let last = i64::try_from(DEMO.len())?;
    let draw = "select nextval(pg_get_serial_sequence('identity.users', 'id'))";
    while sqlx::query_scalar::<_, i64>(draw).fetch_one(pool).await? < last {}
    Ok(())
}

/// Enters players for load tests; they share one hash, since nobody protects them.
async fn bench_players(pool: &PgPool, players: u32) -> anyhow::Result<()> {
    let hash = tokio::task::spawn_blocking(|| password::hash_now(BENCH_PASSWORD)).await??;
    sqlx::query(
        "insert into identity.users
                (site_id, nickname, phone_number, password_hash, state, created_at)
         select name, name, '0199' || lpad(n::text, 9, '0'), $2, 'pending', now()
           from generate_series(1, $1) as n,
                lateral (select 'bench' || lpad(n::text, greatest(4, length(n::text)), '0')) as l (name)
          where not exists (select from identity.users u where u.site_id = name)
         on conflict do nothing",
    )
    .bind(i64::from(players))
    .bind(hash)
    .execute(pool)
    .await?;
    Ok(())
}

/// Opens every account that is reserved and not opened yet, but for those of people who came with an
/// invite, or were signed up by the staff, and were cut off: they finish it themselves.
async fn open_accounts(pool: &PgPool, commands: &Commands) -> anyhow::Result<usize> {
    let pending: Vec<i64> = sqlx::query_scalar(
        "select id from identity.users where state = 'pending' and invite_code is null and made_by is null
          order by id",
    )
    .fetch_all(pool)
    .await?;
    let caller = Caller::system("seed");
    let open = |id: &i64| commands_open(commands, &caller, PlayerId(*id));
    stream::iter(pending.iter().map(open)).buffered(AT_ONCE).try_collect::<()>().await?;
    sqlx::query("update identity.users set state = 'active' where id = any($1)")
        .bind(&pending)
        .execute(pool)
        .await?;
    Ok(pending.len())
}

/// Gives the demo's staff their roles, unless somebody has given them others.
async fn give_roles(commands: &Commands) -> anyhow::Result<()> {
    for person in DEMO.iter().filter(|person| person.role != BuiltIn::Player) {
        let player = PlayerId(person.id);
        let known = commands.standing(player, Identity::role).await;
        let has_none = known.context("the log cannot be read")?.is_none();
        if has_none && !is_erased(commands, person).await? {
            let role = person.role.name().parse()?;
            let given = commands.give_role(&Caller::system("seed"), None, player, role).await;
            given.with_context(|| format!("the role of user {player}"))?;
        }
    }
    Ok(())
}

async fn commands_open(
    commands: &Commands,
    caller: &Caller,
    player: PlayerId,
) -> anyhow::Result<()> {
    let opened = commands.open_account(caller, player).await;
    opened.map(drop).with_context(|| format!("account {player} cannot be opened"))
}

/// Puts the demo's products into the catalogue, unless they are there, with whatever terms.
async fn define_products(commands: &Commands) -> anyhow::Result<usize> {
    let mut defined = 0;
    for (product, terms) in products::all()? {
        match commands.define_product(&Caller::system("seed"), product, terms).await {
            Ok(committed) => defined += committed.events.len(),
            Err(Failure::Refused { refusal: ProductRefusal::AlreadyDefined, .. }) => {}
            Err(failure) => return Err(failure).context(format!("product {product}")),
        }
    }
    Ok(defined)
}

/// Offers the demo's limited packages, unless they are there, with whatever terms.
async fn define_packages(commands: &Commands) -> anyhow::Result<usize> {
    let mut defined = 0;
    for (package, terms) in packages::all()? {
        match commands.define_package(&Caller::system("seed"), package, terms).await {
            Ok(committed) => defined += committed.events.len(),
            Err(Failure::Refused { refusal: PackageRefusal::AlreadyDefined, .. }) => {}
            Err(failure) => return Err(failure).context(format!("package {package}")),
        }
    }
    Ok(defined)
}

/// Makes the demo's promotions, unless they are there, with whatever terms.
async fn define_promos(commands: &Commands) -> anyhow::Result<usize> {
    let mut defined = 0;
    for (promo, terms) in packages::promos()? {
        match commands.define_promo(&Caller::system("seed"), promo, terms).await {
            Ok(committed) => defined += committed.events.len(),
            Err(Failure::Refused { refusal: PromoRefusal::AlreadyDefined, .. }) => {}
            Err(failure) => return Err(failure).context(format!("promotion {promo}")),
        }
    }
    Ok(defined)
}

/// Publishes the demo's events, unless they are there, with whatever terms and in whatever state.
async fn define_events(commands: &Commands) -> anyhow::Result<usize> {
    let (caller, mut defined) = (Caller::system("seed"), 0);
    for (event, terms) in play::events()? {
        let is_known = commands.event_now(event).await.context("the log cannot be read")?;
        if is_known.is_some_and(|known| known.status != EventStatus::Draft) {
            continue;
        }
        let made = commands.define_event(&caller, event, terms).await;
        made.with_context(|| format!("event {event}"))?;
        let published = commands.change_event(&caller, event, EventChange::Publish).await;
        defined += published.with_context(|| format!("event {event}"))?.events.len();
    }
    Ok(defined)
}

/// Puts the demo's missions on the board, unless as many are there.
async fn define_missions(commands: &Commands) -> anyhow::Result<usize> {
    let mut defined = 0;
    for (number, terms) in (1..).zip(play::missions()?) {
        let known = commands.mission_now(MissionId(number)).await;
        if known.context("the log cannot be read")?.is_none() {
            let added = commands.add_mission(&Caller::system("seed"), terms, None).await;
            added.with_context(|| format!("mission {number}"))?;
            defined += 1;
        }
    }
    Ok(defined)
}

/// What of the demo lets somebody in, which production must not have.
///
/// # Errors
/// If the database cannot be reached.
pub async fn demo_credentials(config: &DatabaseConfig) -> anyhow::Result<Vec<Unsafe>> {
    let pool = database::service_pool(config, 1).await?;
    let found = [
        demo_accounts(&pool).await?,
        services::demo_service(&pool).await?,
        invites::open_invite(&pool).await?,
    ];
    Ok(found.into_iter().flatten().collect())
}

/// Accounts that open with the demo's passwords.
async fn demo_accounts(pool: &PgPool) -> anyhow::Result<Option<Unsafe>> {
    let names: Vec<&str> = DEMO.iter().map(|person| person.site_id).collect();
    let stored: Vec<(String, String)> = sqlx::query_as(
        "select site_id, password_hash from identity.users
          where site_id = any($1) or site_id = 'bench0001' order by id",
    )
    .bind(&names)
    .fetch_all(pool)
    .await?;
    let mut verifying = JoinSet::new();
    for (site_id, hash) in stored {
        let person = DEMO.iter().find(|person| person.site_id == site_id);
        let password = person.map_or(BENCH_PASSWORD, |person| person.password);
        verifying.spawn_blocking(move || password::verify_now(password, &hash).then_some(site_id));
    }
    let mut open: Vec<String> = verifying.join_all().await.into_iter().flatten().collect();
    open.sort();
    Ok((!open.is_empty()).then(|| Unsafe::DemoAccounts(open.join(", "))))
}
