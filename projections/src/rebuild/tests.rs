//! A rebuilt generation shows what the live one shows, and nobody has to wait for it.

use std::time::{Duration, Instant};

use sqlx::{Executor, PgPool, Row};
use tokio::sync::watch;

use super::{Comparison, IfDifferent, Rebuilt, rebuild};
use crate::engine::{Engine, Pace};
use crate::feed::Feed;
use crate::follower::FollowerHandle;
use crate::read_models::{self, Entry, balances, books};
use crate::tables::Generation;
use crate::testing::{Writer, another_history, as_service, big_database, database};
use crate::{checkpoint, feed};

const SOON: Duration = Duration::from_secs(20);

async fn built(pool: &PgPool) -> Rebuilt {
    rebuild(pool, IfDifferent::Stop, |_| {}).await.unwrap()
}

/// Every row of every read model, as text, in order.
async fn shown(pool: &PgPool) -> Vec<String> {
    let mut all = Vec::new();
    for model in read_models::all() {
        let sql = format!("select t::text from read.{} t order by 1", model.name());
        let rows = pool.fetch_all(sql.as_str()).await.unwrap();
        all.extend(rows.iter().map(|row| format!("{} {}", model.name(), row.get::<String, _>(0))));
    }
    all
}

/// Takes the log into the live generation by pages of this many events, as the follower does.
async fn follow(pool: &PgPool, page_events: usize) {
    let mut connection = pool.acquire().await.unwrap();
    loop {
        let live = checkpoint::live(&mut connection, read_models::NAME).await.unwrap().unwrap();
        // A new one each time: killed after each page.
        let mut generation = Generation::new(live, "live");
        let page = feed::page(&mut connection, &live.place, page_events).await.unwrap();
        let Some(last) = page.last() else { return };
        for recorded in &page {
            generation.fold(&Entry::read(recorded).unwrap());
        }
        generation.commit(&mut connection, &last.place).await.unwrap();
    }
}

fn start(pool: &PgPool) -> (Engine, FollowerHandle, watch::Sender<bool>) {
    let (stop, shutdown) = watch::channel(false);
    let mut engine = Engine::new(Feed::polling(pool.clone()), shutdown);
    let handle = engine.read_models(Pace::default());
    (engine, handle, stop)
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_any_size_and_a_rebuild_show_the_same() {
    for (seed, page_events) in [(1, 1), (2, 3), (3, 17), (4, 100), (5, 5_000)] {
        let pool = database().await;
        let mut writer = Writer::new(&pool, seed).await;
        assert_eq!(built(&pool).await.position, 0);
        writer.write(700).await;
        follow(&pool, page_events).await;
        let incremental = shown(&pool).await;
        assert!(incremental.len() > 300);

        let rebuilt = built(&pool).await;
        let position = writer.head.position;
        assert_eq!(rebuilt.comparison, Comparison::Equal { position });
        assert_eq!((rebuilt.generation, rebuilt.position), (2, position));
        assert_eq!(shown(&pool).await, incremental);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_was_not_committed_is_taken_again_and_one_that_was_is_not() {
    let pool = database().await;
    let mut writer = Writer::new(&pool, 6).await;
    built(&pool).await;
    let page = writer.write(200).await;
    let mut connection = pool.acquire().await.unwrap();
    let live = checkpoint::live(&mut connection, read_models::NAME).await.unwrap().unwrap();
    let fold = || {
        let mut generation = Generation::new(live, "live");
        page.iter().for_each(|recorded| generation.fold(&Entry::read(recorded).unwrap()));
        generation
    };
    let mut transaction = sqlx::Connection::begin(&mut *connection).await.unwrap();
    fold().bring(&mut transaction, &writer.head).await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(books::totals(&pool).await.unwrap().rows, []);

    fold().commit(&mut connection, &writer.head).await.unwrap();
    let once = shown(&pool).await;
    let again = fold().commit(&mut connection, &writer.head).await.unwrap_err();
    assert!(matches!(again, crate::follower::FollowerError::Superseded), "{again}");
    assert_eq!(shown(&pool).await, once);
    built(&pool).await;
    assert_eq!(shown(&pool).await, once);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_under_way_stops_nobody() {
    let pool = database().await;
    let mut writer = Writer::new(&pool, 7).await;
    let (engine, handle, stop) = start(&pool);
    writer.write(1_000).await;
    assert!(handle.wait_for(writer.head.position, SOON).await);

    let rebuilding = tokio::spawn({
        let pool = pool.clone();
        async move {
            for generation in 2..6 {
                let rebuilt = built(&pool).await;
                assert_eq!(rebuilt.generation, generation);
                assert!(matches!(rebuilt.comparison, Comparison::Equal { .. }), "{rebuilt:?}");
            }
        }
    });
    let mut seen = 0;
    while !rebuilding.is_finished() {
        writer.write(20).await;
        assert!(handle.wait_for(writer.head.position, SOON).await);
        let now = balances::of_each(&pool, &[]).await.unwrap().position;
        assert!(now >= seen, "readers went back from {seen} to {now}");
        seen = now;
    }
    rebuilding.await.unwrap();
    writer.write(20).await;
    assert!(handle.wait_for(writer.head.position, SOON).await);
    let status = &engine.followers().status().await[0];
    assert_eq!((status.generation, status.position), (5, writer.head.position));
    let followed = shown(&pool).await;
    stop.send_replace(true);
    engine.stopped().await;

    built(&pool).await;
    assert_eq!(shown(&pool).await, followed);
    let kept: Vec<String> = sqlx::query_scalar(
        "select tablename::text from pg_tables where schemaname = 'read' and tablename ~ '^bal'
          order by 1",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(kept, ["balances_g5", "balances_g6"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generation_that_differs_is_not_promoted_unless_asked() {
    let pool = database().await;
    let mut writer = Writer::new(&pool, 8).await;
    writer.write(500).await;
    built(&pool).await;
    let right = shown(&pool).await;
    let position: i64 = sqlx::query_scalar("select max(position) from read.balances")
        .fetch_one(&pool)
        .await
        .unwrap();
    let spoil = format!("update read.balances set gold_paid = 77 where position = {position}");
    pool.execute(spoil.as_str()).await.unwrap();
    let error = rebuild(&pool, IfDifferent::Stop, |_| {}).await.unwrap_err();
    let message =
        format!("balances of the new generation differs from the live one at position {position}");
    assert!(error.to_string().starts_with(&message), "{error}");
    assert_ne!(shown(&pool).await, right);

    let rebuilt = rebuild(&pool, IfDifferent::Promote, |_| {}).await.unwrap();
    assert!(matches!(rebuilt.comparison, Comparison::Different { .. }));
    assert_eq!(shown(&pool).await, right);
}

/// Whose tables they are: followers that work on connections of their own work as their pool does,
/// whatever the login is, or the auditor could not read, drop or replace what they have made.
#[tokio::test(flavor = "multi_thread")]
async fn the_auditor_rebuilds_what_the_followers_of_a_club_have_made() {
    let pool = database().await;
    let mut writer = Writer::new(&pool, 10).await;
    writer.write(300).await;
    let (engine, handle, stop) = start(&as_service(&pool).await);
    assert!(handle.wait_for(writer.head.position, SOON).await);
    stop.send_replace(true);
    engine.stopped().await;

    let auditor = as_service(&pool).await;
    for generation in 2..5 {
        let rebuilt = built(&auditor).await;
        let position = writer.head.position;
        assert_eq!(rebuilt.comparison, Comparison::Equal { position });
        assert_eq!(rebuilt.generation, generation);
    }
    let owners: Vec<String> = sqlx::query_scalar(
        "select distinct relowner::regrole::text from pg_class
          where relnamespace = 'read'::regnamespace and relkind in ('r', 'v')
            and relname <> 'followers'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(owners, ["club_service"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_and_a_place_that_has_gone_are_built_anew() {
    let pool = database().await;
    let mut writer = Writer::new(&pool, 9).await;
    writer.write(300).await;
    built(&pool).await;
    sqlx::query("update read.followers set version = version - 1").execute(&pool).await.unwrap();
    let (engine, handle, stop) = start(&pool);
    assert!(handle.wait_for(writer.head.position, SOON).await);
    assert_eq!(engine.followers().status().await[0].generation, 2);
    stop.send_replace(true);
    engine.stopped().await;

    sqlx::query("update read.followers set hash = $1 where state = 'live'")
        .bind(&another_history(1).hash.0[..])
        .execute(&pool)
        .await
        .unwrap();
    let rebuilt = built(&pool).await;
    assert!(matches!(rebuilt.comparison, Comparison::NotCompared { .. }), "{rebuilt:?}");
    assert_eq!(rebuilt.position, writer.head.position);
    let kept: Vec<i32> =
        sqlx::query_scalar("select generation from read.followers").fetch_all(&pool).await.unwrap();
    assert_eq!(kept, [rebuilt.generation], "what has lost its place is nothing to go back to");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: run it in release"]
async fn a_million_events() {
    let pool = big_database(1_000_000, 10_000).await;
    if checkpoint::live(&mut pool.acquire().await.unwrap(), read_models::NAME)
        .await
        .unwrap()
        .is_none()
    {
        let first = built(&pool).await;
        println!("first: {first:?}");
    }
    for _ in 0..3 {
        let started = Instant::now();
        let rebuilt = built(&pool).await;
        let seconds = started.elapsed().as_secs_f64();
        println!("{rebuilt:?}\n{:.0} events/s", rebuilt.position as f64 / seconds);
    }
}

/// How fast pages are taken, and what they cost the database: tables that follow.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: run it in release"]
async fn pages_of_a_big_log() {
    for page_events in [100, 500, 5_000] {
        let pool = big_database(100_000, 1_000).await;
        let mut connection = crate::lease::Link::open(&pool).await.unwrap();
        let backend: i32 = sqlx::query_scalar("select pg_backend_pid()")
            .fetch_one(&mut *connection)
            .await
            .unwrap();
        pool.execute("update read.followers set state = 'retired'").await.ok();
        pool.execute("delete from read.followers").await.unwrap();
        let tables = "select tablename::text from pg_tables where schemaname = 'read'
                         and tablename <> 'followers'";
        for table in sqlx::query_scalar::<_, String>(tables).fetch_all(&pool).await.unwrap() {
            pool.execute(format!("drop table read.{table} cascade").as_str()).await.unwrap();
        }
        built(&pool).await;
        let place = feed::genesis(&mut connection).await.unwrap();
        for model in read_models::all() {
            let table = read_models::table(model.name(), 1);
            pool.execute(format!("truncate {table}").as_str()).await.unwrap();
        }
        sqlx::query("update read.followers set position = 0, hash = $1")
            .bind(&place.hash.0[..])
            .execute(&pool)
            .await
            .unwrap();
        let live = checkpoint::live(&mut connection, read_models::NAME).await.unwrap().unwrap();
        let mut generation = Generation::new(live, "live");
        let (backend_before, own_before) = (cpu_ticks(backend), cpu_ticks(std::process::id()));
        let started = Instant::now();
        let mut reading = Duration::ZERO;
        loop {
            let reading_since = Instant::now();
            let after = generation.checkpoint.place;
            let page = feed::page(&mut connection, &after, page_events).await.unwrap();
            reading += reading_since.elapsed();
            let Some(last) = page.last() else { break };
            for recorded in &page {
                generation.fold(&Entry::read(recorded).unwrap());
            }
            generation.commit(&mut connection, &last.place).await.unwrap();
        }
        let seconds = (started.elapsed() - reading).as_secs_f64();
        println!(
            "pages of {page_events}: {:.0} events/s; us of CPU an event, reading included: \
             database {:.1}, own {:.1}",
            100_000.0 / seconds,
            (cpu_ticks(backend) - backend_before) as f64 * 10_000.0 / 100_000.0,
            (cpu_ticks(std::process::id()) - own_before) as f64 * 10_000.0 / 100_000.0
        );
    }
}

/// User and system time of a process, in hundredths of a second.
fn cpu_ticks(process: impl std::fmt::Display) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
