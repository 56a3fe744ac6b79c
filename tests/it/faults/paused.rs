//! One of two nodes is stopped in the middle of a batch, while it holds the log's lock.

use std::time::Duration;

use serde_json::json;
use sqlx::PgConnection;
use tokio::time::{Instant, sleep, timeout};

use super::load::{LONGEST_WAIT, Load};
use crate::app::{Answer, App, PLAYER_ID, demo_database};

const PAUSES: usize = 3;
const PAUSE: Duration = Duration::from_millis(3_500);
/// How long the other node may take to answer: the server's patience with a transaction that does
/// nothing is 2 s.
const LONGEST_ANSWER: Duration = Duration::from_secs(6);
const CLIENTS: usize = 8;
/// Nobody else's commands concern this player.
const APART: (&str, i64) = ("dahye", 24);

/// Stops the node at a moment at which its appender has a transaction open.
async fn stop_in_mid_batch(app: &App, superuser: &mut PgConnection) {
    let idle = "select count(*) from pg_stat_activity \
                where application_name = 'club appender' and datname = current_database() \
                  and state = 'idle in transaction' \
                  and state_change < clock_timestamp() - interval '20 ms'";
    for _ in 0..500 {
        app.signal("STOP").await;
        sleep(Duration::from_millis(30)).await;
        let held: i64 = sqlx::query_scalar(idle).fetch_one(&mut *superuser).await.unwrap();
        if held > 0 {
            return;
        }
        app.signal("CONT").await;
        sleep(Duration::from_millis(rand::random_range(1..20))).await;
    }
    panic!("the node never has a transaction open");
}

/// What each session of this database is at, and who is in its way.
async fn sessions(superuser: &mut PgConnection) -> String {
    let sessions = "select string_agg(concat_ws(' | ', pid, 'waits for ' || pg_blocking_pids(pid)::text, \
                    application_name, state, wait_event, clock_timestamp() - state_change, \
                    left(query, 100)), E'\n') \
                    from pg_stat_activity where datname = current_database()";
    sqlx::query_scalar(sessions).fetch_one(superuser).await.unwrap()
}

/// Grants until the answer is yes; the answer.
async fn granted(app: &App, admin: &str, key: &str) -> Answer {
    loop {
        let answer = grant(app, &grant_path(), admin, key).await;
        if answer.status == 200 {
            return answer;
        }
        assert_eq!(answer.status, 503, "{}", answer.text);
        println!("503 {}", answer.text);
        sleep(Duration::from_millis(20)).await;
    }
}

/// Grants, and does not wait until read models show it: a stopped node may hold their lease for a while.
async fn grant(app: &App, path: &str, admin: &str, key: &str) -> Answer {
    let request = app.http.post(format!("{}{path}", app.url)).bearer_auth(admin);
    let body = json!({"gold": 5, "reason": "faults"});
    Answer::read(request.header("Idempotency-Key", key).json(&body).send().await.unwrap()).await
}

fn grant_path() -> String {
    format!("/api/admin/users/{}/grant", APART.1)
}

/// What a paused node is asked meanwhile: a balance, and a repeat of what the other one has done.
/// It may refuse, but what it says must be true.
async fn ask_the_paused(
    app: &App,
    player: String,
    admin: String,
    key: String,
) -> impl Future<Output = (Answer, Answer)> + use<> {
    let (http, url) = (reqwest::Client::new(), app.url.clone());
    let balance = http.get(format!("{url}/api/users/balance")).bearer_auth(player).send();
    let body = json!({"gold": 5, "reason": "faults"});
    let repeat = http.post(format!("{url}{}", grant_path())).bearer_auth(admin);
    let repeat = repeat.header("Idempotency-Key", key).json(&body).send();
    let both = tokio::spawn(async move {
        let (balance, repeat) = tokio::join!(balance, repeat);
        (Answer::read(balance.unwrap()).await, Answer::read(repeat.unwrap()).await)
    });
    // Long enough for both requests to arrive.
    sleep(Duration::from_millis(200)).await;
    async move { timeout(LONGEST_WAIT, both).await.expect("nobody waits for ever").unwrap() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_stopped_in_mid_batch_holds_nobody_up_and_comes_back_without_a_wrong_word() {
    let database = demo_database().await;
    let a = App::start_on(database.clone(), &[("CLUB_LIMITS", "off")]).await;
    let b = App::start_on(database.clone(), &[("CLUB_LIMITS", "off")]).await;
    let load = Load::sign_in(&a).await;
    let player = a.sign_in("/api/auth/login", (APART.0, "1234")).await;
    let mut superuser = database.superuser().await;
    let clients = [load.on(&a.url, CLIENTS), load.on(&b.url, CLIENTS)];
    for pause in 0..PAUSES {
        stop_in_mid_batch(&a, &mut superuser).await;
        let stopped_at = Instant::now();
        let key = format!("pause-{pause}");
        let granting = granted(&b, load.admin(), &key);
        let Ok(done) = timeout(LONGEST_ANSWER, granting).await else {
            panic!("the other node does not go on: {}", sessions(&mut superuser).await);
        };
        println!("the other node took {:?}", stopped_at.elapsed());
        let asked = ask_the_paused(&a, player.clone(), load.admin().to_owned(), key).await;
        tokio::time::sleep_until(stopped_at + PAUSE).await;
        a.signal("CONT").await;
        let (balance, repeat) = asked.await;
        println!("it says {} {}", balance.status, repeat.status);
        if balance.status != 503 {
            assert_eq!(balance.body["gold"], done.body["new_gold_balance"], "{}", balance.text);
        }
        if repeat.status != 503 {
            assert_eq!(repeat.body, done.body, "{}", repeat.text);
        }
        a.ready().await;
    }
    for clients in clients {
        clients.stop().await;
    }
    let account = load.account_for(&database).await;
    println!("{account:?}");
    assert!(account.answers > 200, "not much of a test: {account:?}");
    assert!(a.stop().await.success() && b.stop().await.success());
}

#[tokio::test]
async fn a_stopped_node_does_not_keep_the_read_models_to_itself() {
    let database = demo_database().await;
    // The first one works for the followers, the second stands by.
    let a = App::start_on(database.clone(), &[("CLUB_LIMITS", "off")]).await;
    let b = App::start_on(database, &[("CLUB_LIMITS", "off")]).await;
    let (player, admin) = (b.player().await, b.admin().await);
    a.signal("STOP").await;
    let path = format!("/api/admin/users/{PLAYER_ID}/grant");
    let granted = grant(&b, &path, &admin, "stopped").await;
    assert_eq!(granted.status, 200, "{}", granted.text);
    let shown = async {
        loop {
            let statement = b.http.get(format!("{}/api/users/statement", b.url));
            let statement = statement.bearer_auth(&player);
            let statement =
                statement.header("X-Min-Position", granted.body["position"].to_string());
            let statement = Answer::read(statement.send().await.unwrap()).await;
            if statement.status == 200 {
                return statement;
            }
            assert_eq!(statement.status, 503, "{}", statement.text);
        }
    };
    let statement = timeout(LONGEST_WAIT, shown).await.expect("the other node takes over");
    assert_eq!(statement.body["items"][0]["balance_after"], 1_005, "{}", statement.text);
    a.signal("CONT").await;
    a.ready().await;
    let granted = grant(&a, &path, &admin, "going-on").await;
    assert_eq!(granted.body["new_gold_balance"], 1_010, "{}", granted.text);
    assert!(a.stop().await.success() && b.stop().await.success());
}
