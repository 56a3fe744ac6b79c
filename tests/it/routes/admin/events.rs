//! `/api/admin/events` and `/api/admin/rewards`.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::super::events::{is_clean, join, moment, play, publish};
use crate::app::{Answer, App, PLAYER_ID};

fn wish(more: Value) -> Value {
    let mut wish = json!({"name": "시험", "name_en": "Test", "rewards": {"gold": 5}});
    wish.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    wish
}

async fn put(app: &App, admin: &str, id: i64, tag: &str, body: Value) -> Answer {
    let url = format!("{}/api/admin/events/{id}", app.url);
    let request = app.http.put(url).bearer_auth(admin).header("If-Match", tag).json(&body);
    Answer::read(request.send().await.unwrap()).await
}

#[tokio::test]
async fn an_event_is_drawn_up_changed_and_published() {
    let app = App::start().await;
    let (admin, token) = (app.admin().await, app.player().await);
    let ends_at = "2036-01-01T00:00:00Z";
    let body = wish(json!({"ends_at": ends_at}));
    let made = app.post_keyed("/api/admin/events", &admin, "event-1", &body).await;
    assert_eq!((made.status.as_u16(), &made.body["id"]), (201, &json!(4)), "{}", made.text);
    assert_eq!(made.body["status"], "draft");
    let again = app.post_keyed("/api/admin/events", &admin, "event-1", &body).await;
    assert_eq!(again.body["id"], 4, "{}", again.text);
    join(&app, &token, 4).await.is_problem(404, "NOT_FOUND");
    let tag = made.headers["etag"].to_str().unwrap().to_owned();
    let richer = wish(json!({"ends_at": ends_at, "rewards": {"gold": 9, "xp": 1}}));
    let changed = put(&app, &admin, 4, &tag, richer.clone()).await;
    assert_eq!(
        (&changed.body["version"], &changed.body["rewards"]["gold"]),
        (&json!(2), &json!(9)),
        "{}",
        changed.text
    );
    put(&app, &admin, 4, &tag, richer).await.is_problem(412, "PRECONDITION_FAILED");
    let published = app.post("/api/admin/events/4/publish", Some(&admin), json!({})).await;
    assert_eq!(published.body["status"], "published", "{}", published.text);
    assert_eq!(join(&app, &token, 4).await.status, 200);
    // Whoever has joined keeps the terms of that moment.
    let poorer = wish(json!({"ends_at": ends_at, "rewards": {"gold": 1}}));
    let tag = published.headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(put(&app, &admin, 4, &tag, poorer).await.status, 200);
    let claimed = app.post("/api/events/claim/4", Some(&token), json!({})).await;
    assert_eq!(claimed.body["rewards"]["gold"], 9, "{}", claimed.text);

    for bad in [
        json!({}),
        json!({"ends_at": "2020-01-01T00:00:00Z"}),
        json!({"ends_at": ends_at, "capacity": 0}),
        json!({"ends_at": ends_at, "type": "monthly"}),
        json!({"ends_at": ends_at, "recurrence": {"cron": "* * * * *"}}),
        json!({"ends_at": ends_at, "recurrence": {"daily": "20:00", "time_zone": "Mars"}}),
        json!({"ends_at": ends_at, "eligibility": {"segment": "whales"}}),
        json!({"ends_at": ends_at, "requirements": [{"counter": "play_count"}]}),
        json!({"ends_at": ends_at, "leaderboard": {"counter": "win_count",
            "tiers": [{"last_place": 3, "rewards": {"gold": 1}}, {"last_place": 2, "rewards": {"gold": 1}}]}}),
        json!({"ends_at": ends_at, "participants": 3}),
    ] {
        let refused = app.post("/api/admin/events", Some(&admin), wish(bad.clone())).await;
        assert_eq!(
            (refused.status.as_u16(), &refused.body["code"]),
            (422, &json!("VALIDATION_FAILED")),
            "{bad}"
        );
    }
    is_clean(&app).await;
}

#[tokio::test]
async fn a_preview_tells_from_the_log_what_an_event_would_have_paid_and_writes_nothing() {
    let app = App::start().await;
    let admin = app.admin().await;
    for (player, plays) in [(6, 3), (7, 1), (8, 5)] {
        play(&app, player, "play_count", plays).await;
    }
    let body = wish(json!({"ends_at": "2036-01-01T00:00:00Z", "rewards": {"gold": 50, "xp": 2},
        "requirements": [{"counter": "play_count", "target": 3}]}));
    let made = app.post("/api/admin/events", Some(&admin), body).await;
    let path = format!("/api/admin/events/{}/preview?days=2", made.body["id"]);
    let events = app.database.events().await;
    let preview = app.get(&path, Some(&admin)).await;
    assert_eq!(preview.status, 200, "{}", preview.text);
    assert_eq!((&preview.body["completions"], &preview.body["gold"]), (&json!(2), &json!(100)));
    assert_eq!(preview.body["xp"], 4);
    assert_eq!(app.database.events().await, events, "nothing was written");
    let days = format!("/api/admin/events/{}/preview?days=0", made.body["id"]);
    app.get(&days, Some(&admin)).await.is_problem(400, "BAD_REQUEST");
    app.get("/api/admin/events/99/preview", Some(&admin)).await.is_problem(404, "NOT_FOUND");
}

#[tokio::test]
async fn the_staff_sees_who_takes_part_and_what_was_paid_and_gives_rewards() {
    let app = App::start().await;
    let ends_at = moment(&app).await + TimeDelta::days(1);
    let id = publish(
        &app,
        json!({"ends_at": ends_at, "rewards": {"gold": 5},
        "requirements": [{"counter": "play_count", "target": 2}]}),
    )
    .await;
    let (admin, token) = (app.admin().await, app.player().await);
    let other = app.sign_in("/api/auth/login", ("minjun", "1234")).await;
    for token in [&token, &other] {
        join(&app, token, id).await;
    }
    let played = play(&app, PLAYER_ID, "play_count", 1).await.body["position"].as_u64().unwrap();
    let path = format!("/api/admin/events/{id}/participations");
    let listed = app.get_at(&path, &admin, played).await;
    let items = listed.body["items"].as_array().unwrap();
    assert_eq!((items.len(), &items[0]["user_id"]), (2, &json!(6)), "{}", listed.text);
    assert_eq!(
        items[1]["progress"][0],
        json!({"counter": "play_count", "progress": 1, "target": 2})
    );
    let page = app.get(&format!("{path}?limit=1"), Some(&admin)).await.body;
    let next = format!("{path}?limit=1&cursor={}", page["next_cursor"].as_str().unwrap());
    assert_eq!(app.get(&next, Some(&admin)).await.body["items"][0]["user_id"], PLAYER_ID);

    let gift = json!({"user_id": PLAYER_ID, "reason": "sorry",
        "rewards": {"gold": 7, "vip_points": 1, "items": [{"product_id": 2001}]}});
    app.post("/api/admin/rewards", Some(&admin), gift.clone())
        .await
        .is_problem(400, "IDEMPOTENCY_KEY_REQUIRED");
    let given = app.post_keyed("/api/admin/rewards", &admin, "gift-1", &gift).await;
    assert_eq!(
        (&given.body["new_gold_balance"], &given.body["new_vip_points"]),
        (&json!(1_007), &json!(1)),
        "{}",
        given.text
    );
    let repeat = app.post_keyed("/api/admin/rewards", &admin, "gift-1", &gift).await;
    assert_eq!(repeat.text, given.text);
    let rewards = app.get(&format!("/api/admin/rewards?user_id={PLAYER_ID}"), Some(&admin)).await;
    let line = &rewards.body["items"][0];
    assert_eq!(
        (&line["kind"], &line["gold"], &line["items"]),
        (&json!("gift"), &json!(7), &json!(1))
    );
    assert_eq!(line["actor"], "admin:1", "{}", rewards.text);
    app.get("/api/admin/rewards?kind=bribe", Some(&admin)).await.is_problem(400, "BAD_REQUEST");
    app.post_keyed("/api/admin/rewards", &token, "gift-2", &gift)
        .await
        .is_problem(403, "FORBIDDEN");
    is_clean(&app).await;
}
