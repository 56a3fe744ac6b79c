//! `/api/admin/users/{id}/grant`, and [`batch`].

mod batch;

use serde_json::json;
use sqlx::query_scalar;

use crate::app::{App, demo_database};
use crate::provider::wait_for;

const GRANT: &str = "/api/admin/users/23/grant";

#[tokio::test]
async fn a_grant_moves_gold_or_vip_points_and_keeps_its_reason_beside_the_log() {
    let app = App::start().await;
    let (player, admin) = (app.player().await, app.admin().await);
    let reason = "보상: compensation for a lost round";
    let wish = json!({"gold": 250, "reason": reason});
    let granted = app.post_keyed(GRANT, &admin, "g-1", &wish).await;
    assert_eq!(granted.status, 200, "{}", granted.text);
    let expected = json!({
        "success": true, "granted": 250, "new_gold_balance": 1250, "status": "executed",
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&granted.body[name], value, "{name}");
    }
    assert_eq!(granted.body["receipt_code"].as_str().unwrap().len(), 12);
    let position = granted.body["position"].as_i64().unwrap();
    assert_eq!(position, app.database.head().await);
    let wish = json!({"vip_points": 50, "reason": "vip"});
    let points = app.post_keyed(GRANT, &admin, "g-2", &wish).await;
    assert_eq!(
        (&points.body["granted"], &points.body["new_gold_balance"]),
        (&json!(50), &json!(1250))
    );

    let at = points.body["position"].as_u64().unwrap();
    let balance = app.get_at("/api/users/balance", &player, at).await;
    assert_eq!((&balance.body["gold"], &balance.body["vip_points"]), (&json!(1250), &json!(50)));
    assert_eq!(balance.body["gold_paid"], 0, "what is given is free gold");

    let mut superuser = app.database.superuser().await;
    let kept = query_scalar("select text from event_texts where position = $1").bind(position);
    assert_eq!(kept.fetch_one(&mut superuser).await.ok(), Some(reason.to_owned()));
    let told = "select count(*) from events where concat(payload, metadata) like '%lost round%'";
    assert_eq!(query_scalar::<_, i64>(told).fetch_one(&mut superuser).await.unwrap(), 0);
}

#[tokio::test]
async fn a_grant_is_refused_to_whom_and_for_what_it_should_be() {
    let app = App::start().await;
    let (player, admin) = (app.player().await, app.admin().await);
    let before = app.database.events().await;
    let good = json!({"gold": 1, "reason": "ok"});
    app.post(GRANT, None, good.clone()).await.is_problem(401, "UNAUTHENTICATED");
    app.post_keyed(GRANT, &player, "k", &good).await.is_problem(403, "FORBIDDEN");
    for (name, password) in [("support", "support123"), ("auditor", "auditor123")] {
        let token = app.sign_in("/api/auth/admin/login", (name, password)).await;
        app.post_keyed(GRANT, &token, "k", &good).await.is_problem(403, "FORBIDDEN");
    }
    app.post(GRANT, Some(&admin), good.clone()).await.is_problem(400, "IDEMPOTENCY_KEY_REQUIRED");
    let unknown = app.post_keyed("/api/admin/users/4711/grant", &admin, "k", &good).await;
    unknown.is_problem(404, "NOT_FOUND");
    let reason = |length: usize| json!({"gold": 1, "reason": "가".repeat(length)});
    let unusable = [
        (reason(1), "reason"),
        (reason(121), "reason"),
        (json!({"gold": 1}), "reason"),
        (json!({"gold": 1, "reason": "  x  "}), "reason"),
        (json!({"gold": 1, "reason": "a\u{0}b"}), "reason"),
        (json!({"gold": 0, "reason": "nothing"}), "gold"),
        (json!({"gold": -5, "reason": "a debt"}), "gold"),
        (json!({"gold": 1.5, "reason": "half"}), "gold"),
        (json!({"gold": u64::MAX, "reason": "everything"}), "gold"),
        (json!({"reason": "nothing at all"}), "gold"),
        (json!({"gold": 1, "vip_points": 1, "reason": "both"}), "vip_points"),
        (json!({"gold": 1, "reason": "ok", "user_id": 1}), "user_id"),
    ];
    for (wish, field) in unusable {
        let answer = app.post_keyed(GRANT, &admin, "k", &wish).await;
        answer.is_problem(422, "VALIDATION_FAILED");
        assert_eq!(answer.body["errors"][0]["loc"], json!(["body", field]), "{wish}");
    }
    assert_eq!(app.database.events().await, before);
    let operator = app.sign_in("/api/auth/admin/login", ("operator", "operator123")).await;
    for (token, length) in [(&admin, 2), (&operator, 120)] {
        let granted = app.post_keyed(GRANT, token, "k", &reason(length)).await;
        assert_eq!(granted.status, 200, "{length}: {}", granted.text);
    }
    let most = json!({"gold": 1_000_000_000_000_000_u64, "reason": "more than there is"});
    let answer = app.post_keyed(GRANT, &admin, "k-most", &most).await;
    answer.is_problem(409, "BALANCE_TOO_LARGE");
}

#[tokio::test]
async fn nobody_grants_gold_to_very_many_in_a_minute_and_a_repeat_is_one_grant() {
    let app = App::start().await;
    let (admin, operator) = (
        app.admin().await,
        app.sign_in("/api/auth/admin/login", ("operator", "operator123")).await,
    );
    let wish = json!({"gold": 1, "reason": "a little something"});
    let grant = |token: &str, number: u32| {
        let (app, wish, token, key) = (&app, &wish, token.to_owned(), format!("g-{number}"));
        async move { app.post_keyed(GRANT, &token, &key, wish).await }
    };
    for number in 1..=30 {
        assert_eq!(grant(&admin, number).await.status, 200, "{number}");
    }
    let again = grant(&admin, 30).await;
    assert_eq!((again.status.as_u16(), &again.body["new_gold_balance"]), (200, &json!(1_030)));
    let refused = grant(&admin, 31).await;
    refused.is_problem(429, "RATE_LIMIT");
    assert_eq!(refused.body["limit"], "grants");
    assert_eq!(refused.body["setting"], "CLUB_LIMIT_GRANTS");
    assert!(refused.body["ends_at"].is_string(), "{}", refused.text);
    let wait: u32 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(grant(&operator, 31).await.status, 200, "everybody has their own");
    let points = json!({"vip_points": 1, "reason": "no gold"});
    assert_eq!(app.post_keyed(GRANT, &admin, "v-1", &points).await.status, 200);
    wait_for(&app, wait).await;
    assert_eq!(grant(&admin, 31).await.status, 200, "the window slides");
}

#[tokio::test]
async fn without_limits_grants_are_as_many_as_are_asked_for() {
    let app = App::start_on(demo_database().await, &[("CLUB_LIMITS", "off")]).await;
    let admin = app.admin().await;
    let wish = json!({"gold": 1, "reason": "a load test"});
    for number in 1..=32 {
        let granted = app.post_keyed(GRANT, &admin, &format!("g-{number}"), &wish).await;
        assert_eq!(granted.status, 200, "{number}: {}", granted.text);
    }
}
