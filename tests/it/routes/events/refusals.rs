//! Every refusal has a name of its own.

use chrono::TimeDelta;
use serde_json::json;

use super::super::streak::move_to;
use super::{claim, event, is_clean, join, moment, play, publish, seen};
use crate::app::{App, PLAYER_ID};

#[tokio::test]
async fn an_event_is_open_from_its_first_moment_to_its_last() {
    let app = App::start().await;
    let opens_at = moment(&app).await + TimeDelta::hours(1);
    let ends_at = opens_at + TimeDelta::minutes(10);
    let id = publish(
        &app,
        json!({"starts_at": opens_at, "ends_at": ends_at, "claim_hours": 1,
        "rewards": {"gold": 5}}),
    )
    .await;
    let token = app.player().await;
    let refused = join(&app, &token, id).await;
    refused.is_problem(409, "EVENT_NOT_OPEN");
    let opens = opens_at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    assert_eq!(refused.body["opens_at"], opens);
    move_to(&app, opens_at).await;
    let token = app.player().await;
    let joined = join(&app, &token, id).await;
    assert_eq!((joined.status.as_u16(), &joined.body["reward_claimed"]), (200, &json!(false)));
    move_to(&app, ends_at).await;
    let token = app.player().await;
    let late = app.sign_in("/api/auth/login", ("minjun", "1234")).await;
    join(&app, &late, id).await.is_problem(409, "EVENT_CLOSED");
    claim(&app, &late, id).await.is_problem(409, "NOT_JOINED");
    // Complete by joining, and still to be claimed for an hour.
    assert_eq!(claim(&app, &token, id).await.status, 200);
    claim(&app, &token, id).await.is_problem(409, "ALREADY_CLAIMED");
    join(&app, &token, 999).await.is_problem(404, "NOT_FOUND");
    claim(&app, &token, 999).await.is_problem(404, "NOT_FOUND");
    is_clean(&app).await;
}

#[tokio::test]
async fn what_was_not_claimed_in_time_is_lost_but_the_staff_can_give_it() {
    let app = App::start().await;
    let ends_at = moment(&app).await + TimeDelta::minutes(5);
    let id =
        publish(&app, json!({"ends_at": ends_at, "claim_hours": 1, "rewards": {"gold": 5}})).await;
    let token = app.player().await;
    join(&app, &token, id).await;
    move_to(&app, ends_at + TimeDelta::hours(1)).await;
    let token = app.player().await;
    claim(&app, &token, id).await.is_problem(409, "CLAIM_TOO_LATE");
    let (admin, path) =
        (app.admin().await, format!("/api/admin/events/{id}/force-claim/{PLAYER_ID}"));
    let body = json!({"reason": "it was our fault"});
    let given = app.post_keyed(&path, &admin, "force-1", &body).await;
    assert_eq!((given.status.as_u16(), &given.body["new_gold_balance"]), (200, &json!(1_005)));
    let again = app.post_keyed(&path, &admin, "force-2", &body).await;
    again.is_problem(409, "ALREADY_CLAIMED");
    is_clean(&app).await;
}

#[tokio::test]
async fn a_full_event_refuses_and_a_paused_one_rests() {
    let app = App::start().await;
    let ends_at = moment(&app).await + TimeDelta::days(1);
    let id = publish(
        &app,
        json!({"ends_at": ends_at, "capacity": 1, "rewards": {"gold": 5},
        "requirements": [{"counter": "play_count", "target": 1}]}),
    )
    .await;
    let (token, admin) = (app.player().await, app.admin().await);
    assert_eq!(join(&app, &token, id).await.status, 200);
    let other = app.sign_in("/api/auth/login", ("minjun", "1234")).await;
    let full = join(&app, &other, id).await;
    full.is_problem(409, "EVENT_FULL");
    assert_eq!(full.body["capacity"], 1);
    // Whoever sits, sits.
    assert_eq!(join(&app, &token, id).await.body["idempotent"], true);
    claim(&app, &token, id).await.is_problem(409, "NOT_COMPLETED");

    let paused = app.post(&format!("/api/admin/events/{id}/pause"), Some(&admin), json!({})).await;
    assert_eq!(paused.body["status"], "paused", "{}", paused.text);
    join(&app, &other, id).await.is_problem(409, "EVENT_PAUSED");
    let played = play(&app, PLAYER_ID, "play_count", 1).await;
    let list = seen(&app, &token, &played.body["position"]).await;
    let progress = &event(&list, id)["participation"]["progress"];
    assert_eq!(progress[0]["progress"], 0, "while it rests nothing counts");
    claim(&app, &token, id).await.is_problem(409, "EVENT_PAUSED");
    app.post(&format!("/api/admin/events/{id}/publish"), Some(&admin), json!({})).await;
    play(&app, PLAYER_ID, "play_count", 1).await;

    let ended = app.post(&format!("/api/admin/events/{id}/end"), Some(&admin), json!({})).await;
    assert_eq!(ended.body["status"], "ended", "{}", ended.text);
    join(&app, &other, id).await.is_problem(409, "EVENT_CLOSED");
    assert_eq!(claim(&app, &token, id).await.status, 200, "complete before the end");
    let again = app.post(&format!("/api/admin/events/{id}/publish"), Some(&admin), json!({})).await;
    again.is_problem(409, "CONFLICT");
    is_clean(&app).await;
}

#[tokio::test]
async fn an_event_is_for_whom_it_is_for() {
    let app = App::start().await;
    let ends_at = moment(&app).await + TimeDelta::days(1);
    let (token, admin) = (app.player().await, app.admin().await);
    for (eligibility, change) in
        [(json!({"min_rank": "VIP"}), "rank"), (json!({"segment": "payers"}), "buy")]
    {
        let id = publish(
            &app,
            json!({"ends_at": ends_at, "rewards": {"gold": 5},
            "eligibility": eligibility}),
        )
        .await;
        join(&app, &token, id).await.is_problem(403, "NOT_ELIGIBLE");
        if change == "rank" {
            let path = format!("/api/admin/users/{PLAYER_ID}/rank");
            let body = json!({"rank": "VIP"});
            app.call(reqwest::Method::PUT, &path, Some(&admin), Some(body)).await;
        } else {
            app.post("/api/shop/buy", Some(&token), json!({"product_id": 1001})).await;
        }
        assert_eq!(join(&app, &token, id).await.status, 200);
    }
    let id = publish(
        &app,
        json!({"ends_at": ends_at, "rewards": {"gold": 5},
        "eligibility": {"segment": "non_payers"}}),
    )
    .await;
    join(&app, &token, id).await.is_problem(403, "NOT_ELIGIBLE");
    is_clean(&app).await;
}

#[tokio::test]
async fn progress_is_never_taken_from_a_client() {
    let app = App::start().await;
    let token = app.player().await;
    let action = json!({"action_id": "a-1", "user_id": PLAYER_ID, "action_type": "play_count"});
    for token in [&token, &app.admin().await] {
        let refused = app.post("/api/actions", Some(token), action.clone()).await;
        refused.is_problem(403, "TRUSTED_SOURCES_ONLY");
    }
    let refused = app.post("/api/actions", None, action).await;
    refused.is_problem(401, "SERVICE_CREDENTIAL_REQUIRED");
    let sneaky = json!({"event_id": 2, "progress": 10});
    let refused = app.post("/api/events/join", Some(&token), sneaky).await;
    refused.is_problem(422, "VALIDATION_FAILED");
    let list = app.get("/api/events/missions/all", Some(&token)).await.body;
    assert!(list.as_array().unwrap().iter().all(|mission| mission["progress"] == 0), "{list}");
}

#[tokio::test]
async fn a_schedule_follows_the_clocks_of_its_zone() {
    let app = App::start().await;
    // 2027-03-14: in New York there is no half past two in the morning.
    let before: chrono::DateTime<chrono::Utc> = "2027-03-14T06:59:59Z".parse().unwrap();
    let id = publish(
        &app,
        json!({"starts_at": "2026-01-01T00:00:00Z", "rewards": {"gold": 5},
        "ends_at": "2036-01-01T00:00:00Z", "auto_claim": true,
        "recurrence": {"daily": "02:30", "minutes": 60, "time_zone": "America/New_York"}}),
    )
    .await;
    move_to(&app, before).await;
    let token = app.player().await;
    let refused = join(&app, &token, id).await;
    // The clock goes on meanwhile: it may have opened by now.
    if refused.status != 200 {
        refused.is_problem(409, "EVENT_NOT_OPEN");
        assert_eq!(
            refused.body["opens_at"], "2027-03-14T07:00:00.000Z",
            "the first moment after the gap"
        );
    }
    move_to(&app, before + TimeDelta::seconds(1)).await;
    let joined = join(&app, &token, id).await;
    assert_eq!(joined.body["participation"]["starts_at"], "2027-03-14T07:00:00.000Z");
    move_to(&app, "2027-03-15T06:30:00Z".parse().unwrap()).await;
    let token = app.player().await;
    let next = join(&app, &token, id).await;
    assert_eq!(next.body["participation"]["starts_at"], "2027-03-15T06:30:00.000Z");
    assert_eq!(
        (&next.body["idempotent"], &next.body["rewards"]["gold"]),
        (&json!(false), &json!(5))
    );
    is_clean(&app).await;
}
