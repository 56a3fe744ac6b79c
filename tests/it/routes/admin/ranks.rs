//! `/api/admin/users/{id}/rank`.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::query_scalar;

use crate::app::{Answer, App};

async fn rank(app: &App, token: &str, user: &str, wish: Value) -> Answer {
    let path = format!("/api/admin/users/{user}/rank");
    app.call(Method::PUT, &path, Some(token), Some(wish)).await
}

#[tokio::test]
async fn a_rank_opens_what_is_for_guests_of_the_house() {
    let app = App::start().await;
    let (player, admin) = (app.player().await, app.admin().await);
    let buy = json!({"product_id": 1004});
    app.post("/api/shop/buy", Some(&player), buy.clone()).await.is_problem(403, "RANK_REQUIRED");
    let wish = json!({"rank": "VIP", "reason": "a guest for years"});
    let given = rank(&app, &admin, "23", wish).await;
    assert_eq!(given.status, 200, "{}", given.text);
    assert_eq!((&given.body["rank"], &given.body["user_id"]), (&json!("VIP"), &json!(23)));
    let position = given.body["position"].as_i64().unwrap();
    assert_eq!(position, app.database.head().await);
    let kept = query_scalar("select text from event_texts where position = $1").bind(position);
    let kept: String = kept.fetch_one(&mut app.database.superuser().await).await.unwrap();
    assert_eq!(kept, "a guest for years");

    let again = rank(&app, &admin, "23", json!({"rank": "VIP"})).await;
    assert_eq!(again.status, 200, "{}", again.text);
    assert_eq!(app.database.head().await, position, "it was the present one already");
    let bought = app.post("/api/shop/buy", Some(&player), buy).await;
    assert_eq!(bought.body["gold_granted"], 3_000, "{}", bought.text);
    let me = app.get("/api/auth/me", Some(&player)).await;
    assert_eq!(me.body["rank"], "VIP", "{}", me.text);
    assert_eq!(rank(&app, &admin, "23", json!({"rank": "STANDARD"})).await.status, 200);
    assert_eq!(app.get("/api/auth/me", Some(&player)).await.body["rank"], "STANDARD");
}

#[tokio::test]
async fn ranks_are_given_by_those_who_may_to_those_who_are_there() {
    let app = App::start().await;
    let (player, admin) = (app.player().await, app.admin().await);
    let support = app.sign_in("/api/auth/admin/login", ("support", "support123")).await;
    let good = json!({"rank": "VIP"});
    for token in [&player, &support] {
        rank(&app, token, "23", good.clone()).await.is_problem(403, "FORBIDDEN");
    }
    for nobody in ["4711", "0", "me"] {
        rank(&app, &admin, nobody, good.clone()).await.is_problem(404, "NOT_FOUND");
    }
    for wish in [json!({}), json!({"rank": "KING"}), json!({"rank": "VIP", "reason": "x"})] {
        rank(&app, &admin, "23", wish).await.is_problem(422, "VALIDATION_FAILED");
    }
}
