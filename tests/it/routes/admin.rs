//! `/api/admin`.

use serde_json::{Value, json};
use sqlx::query_scalar;

use crate::app::App;

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
    assert_eq!(position, app.database.events().await);
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
async fn a_product_is_edited_by_those_who_may_and_with_terms_that_make_sense() {
    let app = App::start().await;
    let (player, admin) = (app.player().await, app.admin().await);
    let before = app.database.events().await;
    let put = |id: &'static str, token: String, terms: Value| {
        let app = &app;
        let path = format!("/api/admin/shop/products/{id}");
        async move { app.call("PUT".parse().unwrap(), &path, Some(&token), Some(terms)).await }
    };
    let good = json!({"sku": "PACK", "name": "팩", "name_en": "Pack", "price_cents": 1, "gold": 1});
    put("1001", player, good.clone()).await.is_problem(403, "FORBIDDEN");
    put("4711", admin.clone(), good.clone()).await.is_problem(404, "NOT_FOUND");
    let unusable = [
        ("sku", json!("1001")),
        ("sku", json!("pack")),
        ("name", json!("")),
        ("price_cents", json!(0)),
        ("price_cents", json!(2.99)),
        ("price_cents", json!(-1)),
        ("gold", json!(0)),
        ("discount_percent", json!(101)),
        ("discount_ends_at", json!("tomorrow")),
        ("min_rank", json!("KING")),
        ("currency", json!("dollars")),
        ("on_sale", json!("yes")),
        ("version", json!(9)),
    ];
    for (name, value) in unusable {
        let mut terms = good.clone();
        terms[name] = value;
        let answer = put("1001", admin.clone(), terms).await;
        answer.is_problem(422, "VALIDATION_FAILED");
        assert_eq!(answer.body["errors"][0]["loc"], json!(["body", name]), "{}", answer.text);
    }
    assert_eq!(app.database.events().await, before);
}
