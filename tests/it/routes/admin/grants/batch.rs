//! `/api/admin/grants`.

use serde_json::{Value, json};
use sqlx::query_as;

use crate::app::{Answer, App, demo_database, replay};
use crate::provider::wait_for;

const GRANTS: &str = "/api/admin/grants";
const REASON: &str = "for everybody who was there";

fn line(key: &str, user: i64, gold: u64) -> Value {
    json!({"key": key, "user_id": user, "gold": gold})
}

async fn give(app: &App, token: &str, lines: &[Value]) -> Answer {
    app.post(GRANTS, Some(token), json!({"reason": REASON, "lines": lines})).await
}

/// What became of each line: its status, or why it was refused.
fn told(answer: &Answer) -> Vec<&str> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let results = answer.body["results"].as_array().unwrap().iter();
    let told = results.map(|result| match result["status"].as_str().unwrap() {
        "refused" => result["code"].as_str().unwrap(),
        status => status,
    });
    told.collect()
}

#[tokio::test]
async fn each_line_is_given_once_for_ever_and_stops_no_other() {
    let app = App::start().await;
    let admin = app.admin().await;
    let fresh = uuid::Uuid::now_v7().to_string();
    let lines = [
        line("l-1", 23, 10),
        line("l-2", 4_711, 10),
        line(&fresh, 6, 20),
        line("l-3", 7, 100_000),
        line("l-1", 23, 10),
        line("l-1", 23, 11),
        line("l-4", 23, 30),
        line("l-2", 4_711, 10),
        line("l-2", 23, 10),
    ];
    let first = give(&app, &admin, &lines).await;
    let expected = [
        "granted",
        "UNKNOWN_USER",
        "granted",
        "APPROVAL_NEEDED",
        "duplicate",
        "IDEMPOTENCY_KEY_REUSED",
        "granted",
        "UNKNOWN_USER",
        "IDEMPOTENCY_KEY_REUSED",
    ];
    assert_eq!(told(&first), expected);
    let results = &first.body["results"];
    assert_eq!(results[0]["new_gold_balance"], 1_010);
    assert_eq!(results[6]["new_gold_balance"], 1_040);
    assert_eq!(results[0]["receipt_code"].as_str().unwrap().len(), 12);
    assert_eq!(results[4]["receipt_code"], results[0]["receipt_code"]);
    assert!(results[1].get("receipt_code").is_none(), "{}", first.text);
    let head = app.database.head().await;
    assert_eq!(first.body["position"], head);

    // The same again, also when nothing is in memory: as it was then.
    let app = App::start_on(app.kill().await, &[]).await;
    for _ in 0..2 {
        let again = give(&app, &admin, &lines).await;
        assert_eq!(told(&again), expected.map(|told| told.replace("granted", "duplicate")));
        for (line, result) in again.body["results"].as_array().unwrap().iter().enumerate() {
            for name in ["key", "new_gold_balance", "receipt_code"] {
                assert_eq!(result[name], results[line][name], "{name} of {line}");
            }
        }
        assert_eq!(app.database.head().await, head, "nothing was written");
    }
    // What was refused has left its key free.
    assert_eq!(told(&give(&app, &admin, &[line("l-2", 7, 5)]).await), ["granted"]);
    let player = app.player().await;
    let balance = app.get("/api/users/balance", Some(&player)).await.body;
    assert_eq!((&balance["gold"], &balance["gold_paid"]), (&json!(1_040), &json!(0)));
    let (code, said) = replay(&app.database, &["verify"]).await;
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test]
async fn a_key_belongs_to_one_wish_of_one_admin() {
    let app = App::start().await;
    let admin = app.admin().await;
    let wish = json!({"gold": 1, "reason": REASON});
    assert_eq!(app.post_keyed("/api/admin/users/23/grant", &admin, "k", &wish).await.status, 200);
    let batch = give(&app, &admin, &[line("k", 23, 1), line("l", 23, 1)]).await;
    assert_eq!(told(&batch), ["IDEMPOTENCY_KEY_REUSED", "granted"]);
    let used = app.post_keyed("/api/admin/users/23/grant", &admin, "l", &wish).await;
    used.is_problem(422, "IDEMPOTENCY_KEY_REUSED");
    let other = json!({"reason": "another reason", "lines": [line("l", 23, 1)]});
    let other = app.post(GRANTS, Some(&admin), other).await;
    assert_eq!(told(&other), ["IDEMPOTENCY_KEY_REUSED"]);
    let operator = app.sign_in("/api/auth/admin/login", ("operator", "operator123")).await;
    assert_eq!(told(&give(&app, &operator, &[line("k", 23, 1)]).await), ["granted"]);
}

#[tokio::test]
async fn a_line_that_does_not_fit_leaves_room_for_the_next() {
    let app = App::start_on(demo_database().await, &[("CLUB_APPROVAL_THRESHOLD", MOST)]).await;
    let admin = app.admin().await;
    let lines = [line("a", 23, FITS), line("b", 23, 1), line("c", 6, 1)];
    assert_eq!(
        told(&give(&app, &admin, &lines).await),
        ["granted", "BALANCE_TOO_LARGE", "granted"]
    );
}

const MOST: &str = "1000000000000000";
/// What an account with the bonus of signing up can take.
const FITS: u64 = 1_000_000_000_000_000 - 1_000;

#[tokio::test]
async fn every_lines_reason_stands_beside_the_log() {
    let app = App::start().await;
    let admin = app.admin().await;
    let lines = [line("a", 23, 1), line("b", 4_711, 1), line("c", 6, 1)];
    assert_eq!(told(&give(&app, &admin, &lines).await), ["granted", "UNKNOWN_USER", "granted"]);
    let mut superuser = app.database.superuser().await;
    let kept = "select event_type, text from event_texts join events using (position) \
                order by position";
    let kept: Vec<(String, String)> = query_as(kept).fetch_all(&mut superuser).await.unwrap();
    let one = ("gold_granted".to_owned(), REASON.to_owned());
    assert_eq!(kept, [one.clone(), one]);
    let by = "select metadata->>'player' from events where event_type = 'gold_granted' \
              order by position";
    let players: Vec<(String,)> = query_as(by).fetch_all(&mut superuser).await.unwrap();
    assert_eq!(players, [("23".to_owned(),), ("6".to_owned(),)]);
}

#[tokio::test]
async fn a_thousand_lines_are_one_append() {
    let app = App::start().await;
    let admin = app.admin().await;
    let before = app.database.head().await;
    let keys: Vec<String> = (0..1_000).map(|_| uuid::Uuid::now_v7().to_string()).collect();
    let numbered = (0_i64..).zip(&keys);
    let lines: Vec<_> = numbered.map(|(number, key)| line(key, 6 + number % 19, 1)).collect();
    let given = give(&app, &admin, &lines).await;
    assert_eq!(told(&given), ["granted"; 1_000]);
    assert_eq!(app.database.head().await, before + 1_000);
    let times = "select count(distinct recorded_at) from events where position > $1";
    let times: (i64,) =
        query_as(times).bind(before).fetch_one(&mut app.database.superuser().await).await.unwrap();
    assert_eq!(times, (1,));
    assert_eq!(told(&give(&app, &admin, &lines).await), ["duplicate"; 1_000]);
    let one_more = [&lines[..], &[line("one-more", 23, 1)]].concat();
    give(&app, &admin, &one_more).await.is_problem(422, "VALIDATION_FAILED");
}

#[tokio::test]
async fn a_batch_counts_as_one_grant_and_so_does_its_repeat() {
    let app = App::start_on(demo_database().await, &[("CLUB_LIMIT_GRANTS", "2/60")]).await;
    let admin = app.admin().await;
    let batch = |name: &str| [1, 2, 3].map(|number| line(&format!("{name}-{number}"), 23, 1));
    for name in ["a", "b", "a", "b"] {
        assert_eq!(give(&app, &admin, &batch(name)).await.status, 200, "{name}");
    }
    let refused = give(&app, &admin, &batch("c")).await;
    refused.is_problem(429, "RATE_LIMIT");
    assert_eq!(refused.body["limit"], "grants");
    // Behind a line that was given, others are not free.
    let hidden = [&batch("a")[..], &batch("c")].concat();
    give(&app, &admin, &hidden).await.is_problem(429, "RATE_LIMIT");
    let wish = json!({"gold": 1, "reason": "one more"});
    let one = app.post_keyed("/api/admin/users/23/grant", &admin, "g", &wish).await;
    one.is_problem(429, "RATE_LIMIT");
    wait_for(&app, 60).await;
    assert_eq!(told(&give(&app, &admin, &batch("c")).await), ["granted"; 3]);
}

#[tokio::test]
async fn a_batch_is_refused_whole_to_whom_and_for_what_it_should_be() {
    let app = App::start().await;
    let (player, admin) = (app.player().await, app.admin().await);
    let before = app.database.events().await;
    let good = [line("k", 23, 1)];
    let nobody = app.post(GRANTS, None, json!({"reason": REASON, "lines": good})).await;
    nobody.is_problem(401, "UNAUTHENTICATED");
    give(&app, &player, &good).await.is_problem(403, "FORBIDDEN");
    let support = app.sign_in("/api/auth/admin/login", ("support", "support123")).await;
    give(&app, &support, &good).await.is_problem(403, "FORBIDDEN");
    for bad in [
        json!({"lines": good}),
        json!({"reason": REASON}),
        json!({"reason": REASON, "lines": []}),
        json!({"reason": "x", "lines": good}),
        json!({"reason": REASON, "lines": [line("k k", 23, 1)]}),
        json!({"reason": REASON, "lines": [line("k", 23, 0)]}),
        json!({"reason": REASON, "lines": [line("k", -1, 1)]}),
        json!({"reason": REASON, "lines": good, "gold": 1}),
    ] {
        let answer = app.post(GRANTS, Some(&admin), bad.clone()).await;
        answer.is_problem(422, "VALIDATION_FAILED");
    }
    assert_eq!(app.database.events().await, before);
}
