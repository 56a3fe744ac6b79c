//! PostgreSQL goes away under a running service, in one way or another.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection};
use tokio::time::{Instant, sleep, timeout};

use super::load::Load;
use super::screen::Screen;
use super::wire::Wire;
use crate::app::{App, PLAYER_ID, demo_database};
use crate::database::{Database, url};

const CLIENTS: usize = 12;
const CUTS: usize = 6;
const PATIENCE: Duration = Duration::from_secs(20);
const SETTINGS: [(&str, &str); 2] = [("CLUB_LIMITS", "off"), ("CLUB_CHECKOUT_GRACE_MS", "500")];

/// Ends every server process of the database.
pub async fn cut(database: &Database) -> u64 {
    let mut server = PgConnection::connect(&url("postgres")).await.unwrap();
    let all = format!(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{}'",
        database.name
    );
    server.execute(&*all).await.unwrap().rows_affected()
}

/// Lets nobody in, or everybody again.
async fn allow(database: &Database, allowed: bool) {
    let mut server = PgConnection::connect(&url("postgres")).await.unwrap();
    let allow = format!("alter database {} allow_connections {allowed}", database.name);
    server.execute(&*allow).await.unwrap();
}

/// Waits until `/ready` answers with a status.
async fn ready_is(app: &App, status: u16) {
    let latest = Instant::now() + PATIENCE;
    loop {
        let ready = app.call(Method::GET, "/ready", None, None).await;
        if ready.status == status {
            return;
        }
        assert!(Instant::now() < latest, "never {status}: {}", ready.text);
        sleep(Duration::from_millis(5)).await;
    }
}

async fn grant(app: &App, admin: &str, key: &str) -> crate::app::Answer {
    let path = format!("/api/admin/users/{PLAYER_ID}/grant");
    app.post_keyed(&path, admin, key, &json!({"gold": 1, "reason": "faults"})).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_all_its_connections_are_cut_it_says_so_and_recovers_by_itself() {
    let app = App::start_on(demo_database().await, &SETTINGS).await;
    let load = Load::sign_in(&app).await;
    let token = app.player().await;
    let (mut screen, _) = Screen::open(&app, &token, None).await;
    let clients = load.on(&app.url, CLIENTS);
    for number in 1..=CUTS {
        sleep(Duration::from_millis(300)).await;
        assert!(cut(&app.database).await > 5);
        ready_is(&app, 503).await;
        ready_is(&app, 200).await;
        // The feed goes on: the same screen sees what happens now.
        let granted = grant(&app, load.admin(), &format!("cut-{number}")).await;
        assert_eq!(granted.status, 200, "{}", granted.text);
        screen.shows(1_000 + number as u64).await;
    }
    clients.stop().await;
    let account = load.account_for(&app.database).await;
    println!("{account:?}");
    assert!(account.answers > 200, "not much of a test: {account:?}");
    assert!(app.stop().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_away_nobody_gets_an_unchecked_yes_and_nobody_waits_for_ever() {
    let app = App::start_on(demo_database().await, &SETTINGS).await;
    let load = Load::sign_in(&app).await;
    let token = app.player().await;
    let clients = load.on(&app.url, CLIENTS);
    sleep(Duration::from_millis(300)).await;
    allow(&app.database, false).await;
    cut(&app.database).await;
    sleep(Duration::from_millis(2_500)).await;
    app.get("/api/users/balance", Some(&token)).await.is_problem(503, "LOG_UNCONFIRMED");
    grant(&app, load.admin(), "away").await.is_problem(503, "LOG_UNCONFIRMED");
    assert_eq!(app.get("/ready", None).await.status, 503);
    assert_eq!(app.get("/health", None).await.status, 200);
    allow(&app.database, true).await;
    app.ready().await;
    assert_eq!(grant(&app, load.admin(), "away").await.status, 200);
    clients.stop().await;
    load.account_for(&app.database).await;
    assert!(app.stop().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_goes_silent_is_given_up_and_its_server_process_ended() {
    let database = demo_database().await;
    let wire = Wire::to(&database).await;
    let app = App::launch(database.clone(), &wire.url(), &SETTINGS).await;
    app.ready().await;
    let load = Load::sign_in(&app).await;
    let token = app.player().await;
    let clients = load.on(&app.url, CLIENTS);
    sleep(Duration::from_millis(300)).await;
    wire.silence("club appender");
    let unchecked = async {
        sleep(Duration::from_secs(3)).await;
        app.get("/api/users/balance", Some(&token)).await
    };
    let granting = timeout(PATIENCE, grant(&app, load.admin(), "silent"));
    let (granted, unchecked) = tokio::join!(granting, unchecked);
    unchecked.is_problem(503, "LOG_UNCONFIRMED");
    let granted = granted.expect("nobody waits for ever");
    assert!(granted.status == 200 || granted.status == 503, "{}", granted.text);
    app.ready().await;
    assert_eq!(grant(&app, load.admin(), "silent").await.status, 200);
    let appenders = "select count(*) from pg_stat_activity \
                     where application_name = 'club appender' and datname = current_database()";
    let mut superuser = database.superuser().await;
    let appenders: i64 = sqlx::query_scalar(appenders).fetch_one(&mut superuser).await.unwrap();
    assert_eq!(appenders, 1, "the old server process may still write");
    clients.stop().await;
    load.account_for(&database).await;
    assert!(app.stop().await.success());
}
