//! `/api/admin/users/{id}/ban`, `/unban`, `/logout-all`: at once and on every node.

use serde_json::{Value, json};

use crate::app::{App, PLAYER, demo_database};
use crate::provider::wait_for;
use crate::socket::Socket;

async fn two_nodes() -> (App, App) {
    let database = demo_database().await;
    (App::start_on(database.clone(), &[]).await, App::start_on(database, &[]).await)
}

async fn decide(app: &App, token: &str, what: &str, wish: Value) -> crate::app::Answer {
    app.post(&format!("/api/admin/users/23/{what}"), Some(token), wish).await
}

#[tokio::test]
async fn a_banned_player_is_out_everywhere_within_a_second() {
    let (app, other) = two_nodes().await;
    let signed_in = json!({"site_id": PLAYER.0, "password": PLAYER.1});
    let signed_in = other.post("/api/auth/login", None, signed_in).await.body;
    let token = signed_in["access_token"].as_str().unwrap();
    let (mut screen, _) = Socket::me(&other, token, None).await;
    let admin = app.admin().await;
    let wish = json!({"reason": "abuse of a bonus", "duration_hours": 24});
    let banned = decide(&app, &admin, "ban", wish).await;
    assert_eq!(banned.status, 200, "{}", banned.text);
    assert!(banned.body["banned_until"].is_string(), "{}", banned.text);
    for node in [&other, &app] {
        node.until_refused(token).await.is_problem(403, "BANNED");
    }
    assert_eq!(screen.close_code().await, 4403);
    let refresh = json!({"refresh_token": signed_in["refresh_token"]});
    let refused = other.post("/api/auth/refresh", None, refresh).await;
    refused.is_problem(403, "BANNED");
    assert_eq!(refused.body["until"], banned.body["banned_until"]);
    let sign_in = json!({"site_id": PLAYER.0, "password": PLAYER.1});
    for node in [&app, &other] {
        node.post("/api/auth/login", None, sign_in.clone()).await.is_problem(403, "BANNED");
    }

    let let_in = decide(&app, &admin, "unban", json!({"reason": "a mistake"})).await;
    assert_eq!(let_in.status, 200, "{}", let_in.text);
    let anew = app.sign_in("/api/auth/login", PLAYER).await;
    assert_eq!(app.get("/api/auth/me", Some(&anew)).await.status, 200);
    other.until_refused(token).await.is_problem(401, "UNAUTHENTICATED");
}

#[tokio::test]
async fn a_ban_ends_by_itself() {
    let app = App::start().await;
    let admin = app.admin().await;
    let wish = json!({"reason": "to calm down", "duration_hours": 1});
    assert_eq!(decide(&app, &admin, "ban", wish).await.status, 200);
    let sign_in = json!({"site_id": PLAYER.0, "password": PLAYER.1});
    app.post("/api/auth/login", None, sign_in.clone()).await.is_problem(403, "BANNED");
    wait_for(&app, 3_601).await;
    assert_eq!(app.post("/api/auth/login", None, sign_in).await.status, 200);
}

#[tokio::test]
async fn a_node_that_starts_knows_who_is_banned() {
    let app = App::start().await;
    let (player, admin) = (app.player().await, app.admin().await);
    let wish = json!({"reason": "abuse"});
    assert_eq!(decide(&app, &admin, "ban", wish).await.status, 200);
    let app = App::start_on(app.kill().await, &[]).await;
    app.get("/api/auth/me", Some(&player)).await.is_problem(403, "BANNED");
}

#[tokio::test]
async fn who_may_ban_may_not_ban_whoever_may_do_more() {
    let app = App::start().await;
    let support = app.sign_in("/api/auth/admin/login", ("support", "support123")).await;
    let wish = json!({"reason": "a coup"});
    for what in ["ban", "logout-all"] {
        let path = format!("/api/admin/users/1/{what}");
        let refused = app.post(&path, Some(&support), wish.clone()).await;
        refused.is_problem(403, "FORBIDDEN");
        assert_eq!(refused.body["permission"], "grant");
    }
    assert_eq!(decide(&app, &support, "ban", wish.clone()).await.status, 200);
    for (user, what) in [("4711", "ban"), ("0", "unban"), ("me", "logout-all")] {
        let path = format!("/api/admin/users/{user}/{what}");
        app.post(&path, Some(&support), wish.clone()).await.is_problem(404, "NOT_FOUND");
    }
    for bad in [json!({}), json!({"reason": "x"}), json!({"reason": "abuse", "duration_hours": 0})]
    {
        decide(&app, &support, "ban", bad).await.is_problem(422, "VALIDATION_FAILED");
    }
}

#[tokio::test]
async fn logging_somebody_out_ends_all_sessions_and_keeps_nobody_out() {
    let (app, other) = two_nodes().await;
    let (player, admin) = (app.player().await, app.admin().await);
    let out = decide(&other, &admin, "logout-all", json!({"reason": "a lost phone"})).await;
    assert_eq!(out.status, 200, "{}", out.text);
    for node in [&app, &other] {
        node.until_refused(&player).await.is_problem(401, "UNAUTHENTICATED");
    }
    app.player().await;
}
