//! Who feeds ClickHouse is stopped, and the log goes back: each event is there once, or it is said why not.

use std::time::Duration;

use serde_json::json;
use tokio::process::Child;
use tokio::time::{Instant, sleep};

use super::load::Load;
use crate::app::{App, demo_database};
use crate::clickhouse::{ask, caught_up, follower_is, olap, shared_url, worker};
use crate::database::Database;

/// Whoever has the lease and does nothing for so long has lost it.
const LEASE_LOST: Duration = Duration::from_secs(7);

async fn count(url: &str, database: &Database, sql: &str) -> i64 {
    ask(&format!("{url}/?database={}", database.name), sql).await.unwrap().parse().unwrap()
}

/// ClickHouse and the log say the same: events by day, type and hash, and every sum of money.
pub async fn say_the_same(url: &str, database: &Database) {
    let head = caught_up(database, url).await;
    let (code, differences) = olap(database, url, &["compare"]).await;
    assert_eq!(code, Some(0), "{differences}");
    let rows = count(url, database, "select count() from events").await;
    assert_eq!(rows.cast_unsigned(), head, "each position once, merged or not");
    let mut log = database.superuser().await;
    let mut of_log =
        async |sql: &str| -> i64 { sqlx::query_scalar(sql).fetch_one(&mut log).await.unwrap() };
    let gold = "select coalesce(sum(gold_paid + gold_free), 0)::bigint from read.books where account = 'wallets'";
    let in_wallets = "select sum(paid + free) from daily_circulation";
    assert_eq!(count(url, database, in_wallets).await, of_log(gold).await);
    let cents = "select coalesce(sum((r.payload->'offer'->>'total_cents')::bigint), 0)::bigint
                   from events r join events c on c.event_type = 'purchase_completed'
                    and c.payload->>'receipt_code' = r.payload->>'receipt_code'
                  where r.event_type = 'purchase_requested'";
    let sold = "select toInt64(sum(sold_cents)) from daily_revenue";
    assert_eq!(count(url, database, sold).await, of_log(cents).await);
}

#[tokio::test]
async fn a_worker_that_was_stopped_and_goes_on_brings_nothing_in_twice() {
    let database = demo_database().await;
    let url = shared_url();
    let app = App::start_on(database.clone(), &[("CLUB_LIMITS", "off")]).await;
    let load = Load::sign_in(&app).await;
    let clients = load.on(&app.url, 4);
    let workers = [worker(&database, &url), worker(&database, &url)];
    for stopped in workers.iter().cycle().take(4) {
        sleep(Duration::from_secs(1)).await;
        signal(stopped, "STOP").await;
        // As long as it takes until the other one has the lease.
        sleep(LEASE_LOST).await;
        signal(stopped, "CONT").await;
    }
    clients.stop().await;
    load.account_for(&database).await;
    say_the_same(&url, &database).await;
    for mut worker in workers {
        signal(&worker, "TERM").await;
        let ended = tokio::time::timeout(Duration::from_secs(20), worker.wait()).await;
        assert!(ended.expect("it ends when asked to").unwrap().success());
    }
}

async fn signal(worker: &Child, name: &str) {
    let id = worker.id().unwrap().to_string();
    let sent = tokio::process::Command::new("kill").args([format!("-{name}"), id]).status().await;
    assert!(sent.unwrap().success());
}

#[tokio::test]
async fn a_restored_database_stops_the_sink_and_says_so_until_clickhouse_is_made_anew() {
    let database = demo_database().await;
    let url = shared_url();
    let settings = [("CLICKHOUSE_URL", &*url), ("CLICKHOUSE_DATABASE", &*database.name)];
    let app = App::start_on(database.clone(), &[]).await;
    assert!(app.stop().await.success());
    let earlier = database.copied().await;
    let app = App::start_on(database.clone(), &settings).await;
    let admin = app.admin().await;
    let gift = json!({"gold": 7, "reason": "lost"});
    app.post_keyed("/api/admin/users/23/grant", &admin, "lost", &gift).await;
    caught_up(&database, &url).await;
    drop(app.kill().await);
    let app = App::start_on(earlier.clone(), &settings).await;
    let admin = app.admin().await;
    let before = count(&url, &database, "select count() from events").await;
    for key in ["other", "another", "one more"] {
        let gift = json!({"gold": 3, "reason": "found"});
        app.post_keyed("/api/admin/users/23/grant", &admin, key, &gift).await;
    }
    let gone = follower_is(&app, "place_gone").await;
    assert!(gone["error"].as_str().unwrap().contains("has gone from the log"), "{gone}");
    assert_eq!(count(&url, &database, "select count() from events").await, before);
    assert_eq!(app.get("/ready", None).await.status, 200);
    // What an operator does: an empty ClickHouse is filled from the first event.
    ask(&url, &format!("drop database {}", database.name)).await.unwrap();
    follower_is(&app, "following").await;
    let head = earlier.head().await;
    let latest = Instant::now() + Duration::from_secs(30);
    while count(&url, &database, "select count() from events").await != head {
        assert!(Instant::now() < latest, "it is not filled again");
        sleep(Duration::from_millis(50)).await;
    }
}
