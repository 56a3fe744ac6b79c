//! `/api/admin/approvals`, and what asks for approval.

use serde_json::{Value, json};
use sqlx::query_scalar;

use crate::app::{ADMIN, Answer, App, PLAYER_ID, demo_database, replay};
use crate::log::entries;
use crate::provider::wait_for;

const GRANT: &str = "/api/admin/users/23/grant";
const REWARDS: &str = "/api/admin/rewards";
const APPROVALS: &str = "/api/admin/approvals";
/// The demo's first and second admin, and its operator, who is made a third.
const MAKER: i64 = 1;
const CHECKER: i64 = 2;
const A_DAY: u32 = 86_400;

async fn second_admin(app: &App) -> String {
    app.sign_in("/api/auth/admin/login", ("admin2", ADMIN.1)).await
}

async fn operator(app: &App) -> String {
    app.made_admin(4, ("operator", "operator123")).await
}

/// Asks for so much gold for the demo's player; the id of the request.
async fn ask_for(app: &App, token: &str, key: &str, gold: u64) -> String {
    let wish = json!({"gold": gold, "reason": "a tournament's first prize"});
    let asked = app.post_keyed(GRANT, token, key, &wish).await;
    assert_eq!(asked.status, 200, "{}", asked.text);
    assert_eq!(asked.body["status"], "awaiting_approval", "{}", asked.text);
    asked.body["approval_id"].as_str().unwrap().to_owned()
}

async fn approve(app: &App, token: &str, id: &str) -> Answer {
    app.post(&format!("{APPROVALS}/{id}/approve"), Some(token), json!({})).await
}

async fn reject(app: &App, token: &str, id: &str, reason: &str) -> Answer {
    let wish = json!({ "reason": reason });
    app.post(&format!("{APPROVALS}/{id}/reject"), Some(token), wish).await
}

/// The ids of the requests with a status.
async fn listed(app: &App, token: &str, status: &str) -> Vec<String> {
    let page = app.get(&format!("{APPROVALS}?status={status}"), Some(token)).await;
    assert_eq!(page.status, 200, "{}", page.text);
    let items = page.body["items"].as_array().unwrap().iter();
    items.map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

async fn gold(app: &App) -> Value {
    let player = app.player().await;
    app.get("/api/users/balance", Some(&player)).await.body["gold"].clone()
}

async fn is_clean(app: &App) {
    let (code, said) = replay(&app.database, &["verify"]).await;
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test]
async fn so_much_gold_waits_until_another_admin_agrees_and_is_given_once() {
    let app = App::start().await;
    let (maker, checker) = (app.admin().await, second_admin(&app).await);
    let operator = operator(&app).await;
    let less = json!({"gold": 99_999, "reason": "just below"});
    let given = app.post_keyed(GRANT, &maker, "g-1", &less).await;
    assert_eq!(given.body["status"], "executed", "{}", given.text);
    assert!(given.body.get("approval_id").is_none(), "{}", given.text);

    let wish = json!({"gold": 100_000, "reason": "for the winner of the lottery"});
    let asked = app.post_keyed(GRANT, &maker, "g-2", &wish).await;
    let expected = json!({"success": true, "granted": 0, "new_gold_balance": 100_999,
        "receipt_code": null, "status": "awaiting_approval"});
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&asked.body[name], value, "{name} of {}", asked.text);
    }
    assert!(asked.body["expires_at"].is_string(), "{}", asked.text);
    let again = app.post_keyed(GRANT, &maker, "g-2", &wish).await;
    assert_eq!(again.body, asked.body);
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(gold(&app).await, 100_999, "nothing has moved");

    let id = asked.body["approval_id"].as_str().unwrap();
    approve(&app, &maker, id).await.is_problem(403, "MAKER_IS_CHECKER");
    let one = app.get(&format!("{APPROVALS}/{id}"), Some(&maker)).await;
    let href = format!("{APPROVALS}/{id}");
    let expected = json!({"kind": "grant", "href": href, "lines": 1, "id": id, "status": "open", "maker": MAKER, "checker": null,
        "user_id": PLAYER_ID, "gold": 100_000, "reason": "for the winner of the lottery",
        "receipt_code": null, "expires_at": asked.body["expires_at"], "ended_at": null});
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&one.body[name], value, "{name} of {}", one.text);
    }

    let first = approve(&app, &checker, id).await;
    assert_eq!(first.status, 200, "{}", first.text);
    assert_eq!(first.body["granted"], 100_000);
    assert_eq!(first.body["new_gold_balance"], 200_999);
    assert_eq!(first.body["receipt_code"].as_str().unwrap().len(), 12);
    assert_eq!(first.body["position"], app.database.head().await);
    let before = app.database.events().await;
    for token in [&checker, &operator] {
        assert_eq!(approve(&app, token, id).await.body, first.body, "agreed to once more");
    }
    approve(&app, &maker, id).await.is_problem(403, "MAKER_IS_CHECKER");
    reject(&app, &checker, id, "too late").await.is_problem(409, "APPROVAL_ENDED");
    assert_eq!(app.database.events().await, before);
    assert_eq!(gold(&app).await, 200_999);

    let one = app.get(&format!("{APPROVALS}/{id}"), Some(&maker)).await.body;
    assert_eq!((&one["status"], &one["checker"]), (&json!("approved"), &json!(CHECKER)));
    assert_eq!(one["receipt_code"], first.body["receipt_code"]);
    is_clean(&app).await;
}

#[tokio::test]
async fn the_log_shows_who_asked_and_who_agreed_and_no_reason() {
    let app = App::start().await;
    let (maker, checker) = (app.admin().await, second_admin(&app).await);
    let id = ask_for(&app, &maker, "g-1", 500_000).await;
    assert_eq!(approve(&app, &checker, &id).await.status, 200);
    let log = entries(&app.database).await;
    let [asked, agreed, given] = log.last_chunk().unwrap();
    let actor = |entry: &crate::log::Entry| {
        let said: Value = serde_json::from_str(&entry.recorded.event.metadata).unwrap();
        assert_eq!(said["player"], PLAYER_ID.to_string());
        (entry.recorded.event.event_type.to_string(), said["actor_id"].clone())
    };
    assert_eq!(actor(asked), ("grant_requested".to_owned(), json!(MAKER.to_string())));
    assert_eq!(actor(agreed), ("grant_approved".to_owned(), json!(CHECKER.to_string())));
    assert_eq!(actor(given), ("gold_granted".to_owned(), json!(CHECKER.to_string())));
    assert_eq!(agreed.recorded.recorded_at, given.recorded.recorded_at, "one append");

    let mut superuser = app.database.superuser().await;
    let told = "select count(*) from events where concat(payload, metadata) like '%tournament%'";
    assert_eq!(query_scalar::<_, i64>(told).fetch_one(&mut superuser).await.unwrap(), 0);
    let erased = "delete from event_texts where text like '%tournament%'";
    assert_eq!(sqlx::query(erased).execute(&mut superuser).await.unwrap().rows_affected(), 1);
    let one = app.get(&format!("{APPROVALS}/{id}"), Some(&maker)).await;
    assert_eq!((&one.body["reason"], &one.body["gold"]), (&Value::Null, &json!(500_000)));
    is_clean(&app).await;
}

#[tokio::test]
async fn nothing_comes_of_what_is_rejected_or_taken_back() {
    let app = App::start().await;
    let (maker, checker) = (app.admin().await, second_admin(&app).await);
    let rejected = ask_for(&app, &maker, "g-1", 100_000).await;
    let said = reject(&app, &checker, &rejected, "once is enough").await;
    assert_eq!((said.status.as_u16(), &said.body["status"]), (200, &json!("rejected")));
    assert_eq!(said.body["position"], app.database.head().await);
    let again = reject(&app, &checker, &rejected, "once more").await;
    assert_eq!(again.body, said.body, "{}", again.text);
    let refused = approve(&app, &checker, &rejected).await;
    refused.is_problem(409, "APPROVAL_ENDED");
    assert_eq!(refused.body["approval_status"], "rejected");
    let one = app.get(&format!("{APPROVALS}/{rejected}"), Some(&maker)).await.body;
    assert_eq!((&one["checker"], &one["rejection"]), (&json!(CHECKER), &json!("once is enough")));

    let taken_back = ask_for(&app, &maker, "g-2", 100_000).await;
    assert_eq!(reject(&app, &maker, &taken_back, "a typing error").await.status, 200);
    approve(&app, &checker, &taken_back).await.is_problem(409, "APPROVAL_ENDED");
    assert_eq!(gold(&app).await, 1_000);
    assert_eq!(listed(&app, &maker, "rejected").await, [taken_back, rejected]);
    is_clean(&app).await;
}

#[tokio::test]
async fn what_nobody_decides_about_in_time_never_happens() {
    let app = App::start().await;
    let (maker, checker) = (app.admin().await, second_admin(&app).await);
    let early = ask_for(&app, &maker, "g-1", 100_000).await;
    wait_for(&app, 60).await;
    let late = ask_for(&app, &maker, "g-2", 100_000).await;
    assert_eq!(listed(&app, &maker, "open").await, [late.as_str(), &early]);
    wait_for(&app, A_DAY - 30).await;
    let (maker, checker_again) = (app.admin().await, second_admin(&app).await);
    assert_ne!(checker, checker_again, "tokens do not last that long");
    let checker = checker_again;
    assert_eq!(listed(&app, &maker, "expired").await, [early.as_str()]);
    for refused in
        [approve(&app, &checker, &early).await, reject(&app, &checker, &early, "no").await]
    {
        refused.is_problem(409, "APPROVAL_EXPIRED");
        assert!(refused.body["expired_at"].is_string(), "{}", refused.text);
    }
    assert_eq!(approve(&app, &checker, &late).await.status, 200);
    wait_for(&app, A_DAY).await;
    let checker = second_admin(&app).await;
    assert_eq!(approve(&app, &checker, &late).await.body["granted"], 100_000, "it was in time");
    assert_eq!(listed(&app, &checker, "open").await, Vec::<String>::new());
    assert_eq!(gold(&app).await, 101_000);
    is_clean(&app).await;
}

#[tokio::test]
async fn nobody_agrees_to_gold_of_their_own() {
    let app = App::start().await;
    let (maker, checker) = (app.admin().await, second_admin(&app).await);
    let wish = json!({"gold": 100_000, "reason": "for a colleague"});
    let path = format!("/api/admin/users/{CHECKER}/grant");
    let asked = app.post_keyed(&path, &maker, "own", &wish).await;
    let id = asked.body["approval_id"].as_str().unwrap();
    approve(&app, &checker, id).await.is_problem(403, "PLAYER_IS_CHECKER");
    let third = approve(&app, &operator(&app).await, id).await;
    assert_eq!(third.body["granted"], 100_000, "{}", third.text);
    is_clean(&app).await;
}

#[tokio::test]
async fn gold_that_does_not_fit_any_more_is_not_given() {
    let app = App::start().await;
    let (maker, checker) = (app.admin().await, second_admin(&app).await);
    let rest = 1_000_000_000_000_000 - 1_000;
    let first = ask_for(&app, &maker, "g-1", rest).await;
    let second = ask_for(&app, &maker, "g-2", rest).await;
    let too_much = json!({"gold": rest + 1, "reason": "more than fits"});
    app.post_keyed(GRANT, &maker, "g-3", &too_much).await.is_problem(409, "BALANCE_TOO_LARGE");
    assert_eq!(approve(&app, &checker, &first).await.status, 200);
    let before = app.database.events().await;
    approve(&app, &checker, &second).await.is_problem(409, "BALANCE_TOO_LARGE");
    assert_eq!(app.database.events().await, before, "neither is written");
    assert_eq!(
        listed(&app, &maker, "open").await,
        [second],
        "it can still be approved, or rejected"
    );
    is_clean(&app).await;
}

#[tokio::test]
async fn requests_are_seen_by_the_staff_and_decided_by_those_who_may() {
    let app = App::start().await;
    let (player, maker) = (app.player().await, app.admin().await);
    let id = ask_for(&app, &maker, "g-1", 100_000).await;
    let path = format!("{APPROVALS}/{id}");
    for path in [APPROVALS, &path] {
        app.get(path, Some(&player)).await.is_problem(403, "FORBIDDEN");
    }
    for (name, password) in [("support", "support123"), ("auditor", "auditor123")] {
        let token = app.sign_in("/api/auth/admin/login", (name, password)).await;
        assert_eq!(app.get(&path, Some(&token)).await.body["gold"], 100_000, "{name}");
        approve(&app, &token, &id).await.is_problem(403, "FORBIDDEN");
        reject(&app, &token, &id, "no").await.is_problem(403, "FORBIDDEN");
    }
    let checker = second_admin(&app).await;
    for nothing in ["23", "00c0ffee0001", "x"] {
        let path = format!("{APPROVALS}/{nothing}");
        app.get(&path, Some(&checker)).await.is_problem(404, "NOT_FOUND");
        approve(&app, &checker, nothing).await.is_problem(404, "NOT_FOUND");
        reject(&app, &checker, nothing, "no").await.is_problem(404, "NOT_FOUND");
    }
    reject(&app, &checker, &id, "x").await.is_problem(422, "VALIDATION_FAILED");
    let unknown = app.get(&format!("{APPROVALS}?status=lost"), Some(&maker)).await;
    unknown.is_problem(400, "BAD_REQUEST");

    let second = ask_for(&app, &checker, "g-1", 100_000).await;
    let page = app.get(&format!("{APPROVALS}?limit=1"), Some(&maker)).await.body;
    assert_eq!(page["items"][0]["id"], second);
    let cursor = page["next_cursor"].as_str().unwrap();
    let page = app.get(&format!("{APPROVALS}?limit=1&cursor={cursor}"), Some(&maker)).await.body;
    assert_eq!(page["items"][0]["id"], id);
}

#[tokio::test]
async fn no_other_way_of_giving_gold_goes_around_approval() {
    let settings = [("CLUB_APPROVAL_THRESHOLD", "500"), ("CLUB_APPROVAL_HOURS", "1")];
    let app = App::start_on(demo_database().await, &settings).await;
    let maker = app.admin().await;
    let gift = |gold: u64| {
        let rewards = json!({"gold": gold, "vip_points": 100_000});
        json!({"user_id": PLAYER_ID, "rewards": rewards, "reason": "a gift"})
    };
    let refused = app.post_keyed(REWARDS, &maker, "r-1", &gift(500)).await;
    refused.is_problem(409, "APPROVAL_NEEDED");
    assert_eq!(refused.body["threshold"], 500);
    assert!(refused.body["detail"].as_str().unwrap().contains("/grant"), "{}", refused.text);
    assert_eq!(app.post_keyed(REWARDS, &maker, "r-1", &gift(499)).await.status, 200);
    let lines = json!({"reason": "many", "lines": [{"key": "l-1", "user_id": 23, "gold": 500}]});
    let many = app.post("/api/admin/grants", Some(&maker), lines).await;
    assert_eq!(many.body["results"][0]["code"], "APPROVAL_NEEDED", "{}", many.text);
    let points = json!({"vip_points": 100_000, "reason": "points are no gold"});
    let points = app.post_keyed(GRANT, &maker, "g-1", &points).await;
    assert_eq!(points.body["status"], "executed", "{}", points.text);
    let id = ask_for(&app, &maker, "g-2", 500).await;
    wait_for(&app, 3_600).await;
    approve(&app, &second_admin(&app).await, &id).await.is_problem(409, "APPROVAL_EXPIRED");
    assert_eq!(gold(&app).await, 1_499);
}

#[tokio::test]
async fn a_repeat_is_answered_as_before_whatever_takes_two_by_now() {
    let app = App::start().await;
    let maker = app.admin().await;
    let wish = json!({"gold": 500, "reason": "before the rules"});
    let given = app.post_keyed(GRANT, &maker, "g-1", &wish).await;
    let id = ask_for(&app, &maker, "g-2", 100_000).await;
    let strict = [("CLUB_APPROVAL_THRESHOLD", "2")];
    let app = App::start_on(app.kill().await, &strict).await;
    let again = app.post_keyed(GRANT, &maker, "g-1", &wish).await;
    assert_eq!(again.body, given.body);
    let lax = [("CLUB_APPROVAL_THRESHOLD", "1000000")];
    let app = App::start_on(app.kill().await, &lax).await;
    assert_eq!(ask_for(&app, &maker, "g-2", 100_000).await, id, "it still waits");
    assert_eq!(approve(&app, &second_admin(&app).await, &id).await.body["granted"], 100_000);
}
