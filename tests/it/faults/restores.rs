//! The database goes back to an earlier moment: those who remember more are told so.

use serde_json::{Value, json};
use sqlx::Executor;
use tokio::time::{Duration, Instant, sleep};

use super::screen::Screen;
use crate::app::{App, PLAYER_ID, demo_database, replay};
use crate::database::Database;

const PATIENCE: Duration = Duration::from_secs(20);

/// Grants gold to the demo's player; the answer.
async fn grant(app: &App, gold: u64) -> Value {
    let admin = app.admin().await;
    let path = format!("/api/admin/users/{PLAYER_ID}/grant");
    let key = uuid::Uuid::now_v7().to_string();
    let body = json!({"gold": gold, "reason": "faults"});
    let answer = app.post_keyed(&path, &admin, &key, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body
}

/// Takes the last events away, as a restore does, without telling anybody.
async fn go_back(database: &Database, events: i64) {
    let mut superuser = database.superuser().await;
    superuser.execute("set session_replication_role = replica").await.unwrap();
    let head = "select max(position) from events";
    let head: i64 = sqlx::query_scalar(head).fetch_one(&mut superuser).await.unwrap();
    // In one transaction: nobody sees it half done.
    let back = format!(
        "begin; delete from events where position > {0}; \
         delete from event_texts where position > {0}; commit",
        head - events
    );
    superuser.execute(&*back).await.unwrap();
}

/// What `/ready` says of a follower, once it is in this state.
async fn follower_is(app: &App, name: &str, state: &str) -> Value {
    let latest = Instant::now() + PATIENCE;
    loop {
        let ready = app.get("/ready", None).await;
        let followers = ready.body["followers"].as_array().unwrap();
        let follower = followers.iter().find(|follower| follower["name"] == name).unwrap();
        if follower["state"] == state {
            return ready.body;
        }
        assert!(Instant::now() < latest, "{name} is never {state}: {}", ready.text);
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_cursor_from_before_a_restore_is_told_so_and_begins_anew() {
    let app = App::start_on(demo_database().await, &[]).await;
    grant(&app, 1).await;
    let token = app.player().await;
    let (screen, subscribed) = Screen::open(&app, &token, None).await;
    assert_eq!(subscribed["state"]["gold"], 1_001);
    let before = screen.cursor.clone();
    let original = app.database.clone();
    assert!(app.stop().await.success());
    let earlier = original.copied().await;

    // The original goes on for a while, and the client with it.
    let app = App::start_on(original, &[]).await;
    let (mut screen, resumed) = Screen::open(&app, &token, Some(&before)).await;
    assert_eq!(resumed["recovered"], true, "{resumed}");
    for _ in 0..5 {
        grant(&app, 100).await;
    }
    screen.shows(1_501).await;
    let lost = screen.cursor.clone();
    drop(app.kill().await);

    // Then it is lost, and the copy takes its place. Something else happens there, more of it.
    let app = App::start_on(earlier, &[]).await;
    for _ in 0..7 {
        grant(&app, 3).await;
    }
    let (mut screen, resumed) = Screen::open(&app, &token, Some(&lost)).await;
    assert_eq!(resumed["recovered"], false, "{resumed}");
    assert_eq!(resumed["state"]["gold"], 1_022, "{resumed}");
    grant(&app, 3).await;
    screen.shows(1_025).await;
    // A cursor of what both have in common goes on without a gap.
    let (mut screen, resumed) = Screen::open(&app, &token, Some(&before)).await;
    assert_eq!(resumed["recovered"], true, "{resumed}");
    let first = screen.next_balance().await;
    assert_eq!(first["data"]["gold"], 1_004, "{first}");
    screen.shows(1_025).await;
    let (code, said) = replay(&app.database, &["verify"]).await;
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test]
async fn a_node_whose_place_goes_ends_itself_and_the_next_one_serves_once_rebuilt() {
    let mut app = App::start().await;
    let mut last = Value::Null;
    for _ in 0..6 {
        last = grant(&app, 10).await;
    }
    follower_is(&app, "read_models", "following").await;
    let latest = Instant::now() + PATIENCE;
    while app.get("/ready", None).await.body["followers"][0]["position"] != last["position"] {
        assert!(Instant::now() < latest, "the read models do not catch up");
        sleep(Duration::from_millis(20)).await;
    }
    go_back(&app.database, 4).await;
    // Asked or not, it has nothing true to say any more. It may be gone already.
    let balance = app.http.get(format!("{}/api/users/balance", app.url)).send().await;
    assert!(balance.is_err() || balance.is_ok_and(|answer| !answer.status().is_success()));
    let ended = app.ended().await;
    assert!(!ended.success());
    let said = app.said();
    assert!(said.contains("the log does not hold this node's place"), "{said}");

    let database = app.database.clone();
    let url = database.url();
    let app = App::launch(database, &url, &[]).await;
    let ready = follower_is(&app, "read_models", "place_gone").await;
    assert_eq!(ready["status"], "not_ready", "{ready}");
    // What does not depend on read models is served, on the history that there is.
    assert_eq!(grant(&app, 10).await["new_gold_balance"], 1_030);
    let token = app.player().await;
    let statement = app.get("/api/users/statement", Some(&token)).await;
    assert_eq!(statement.status, 503, "a statement of another history: {}", statement.text);

    let (code, said) = replay(&app.database, &["verify"]).await;
    assert_eq!(code, Some(1), "{said}");
    let (code, said) = replay(&app.database, &["rebuild"]).await;
    assert_eq!(code, Some(0), "{said}");
    app.ready().await;
    let statement = app.get("/api/users/statement", Some(&token)).await;
    assert_eq!(statement.body["items"][0]["balance_after"], 1_030, "{}", statement.text);
    let (code, said) = replay(&app.database, &["verify"]).await;
    assert_eq!(code, Some(0), "{said}");
}
