//! `/api/auth/refresh`, `/api/auth/sessions`, `/api/auth/logout`, `/api/auth/logout-all`,
//! `/api/auth/password`.

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{Answer, App, PLAYER, PLAYER_ID, demo_database};
use crate::provider::wait_for;
use crate::socket::Socket;

/// What signing in gives.
struct SignedIn {
    access: String,
    refresh: String,
}

impl SignedIn {
    fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{}", answer.text);
        let text = |name: &str| answer.body[name].as_str().unwrap().to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token") }
    }
}

async fn sign_in(app: &App) -> SignedIn {
    let body = json!({"site_id": PLAYER.0, "password": PLAYER.1});
    SignedIn::of(&app.post("/api/auth/login", None, body).await)
}

async fn refresh(app: &App, token: &str) -> Answer {
    app.post("/api/auth/refresh", None, json!({"refresh_token": token})).await
}

async fn sessions(app: &App, token: &str) -> Vec<Value> {
    let answer = app.get("/api/auth/sessions", Some(token)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body.as_array().unwrap().clone()
}

#[tokio::test]
async fn an_answer_that_was_lost_can_be_asked_for_again() {
    let app = App::start().await;
    let begun = sign_in(&app).await;
    let first = SignedIn::of(&refresh(&app, &begun.refresh).await);
    let again = SignedIn::of(&refresh(&app, &begun.refresh).await);
    assert_eq!(first.refresh, again.refresh, "one successor, however often it is asked for");
    assert_ne!(first.refresh, begun.refresh);
    let next = SignedIn::of(&refresh(&app, &again.refresh).await);
    assert_eq!(app.get("/api/auth/me", Some(&next.access)).await.status, 200);
    assert_eq!(sessions(&app, &next.access).await.len(), 1, "all of it is one session");
}

#[tokio::test]
async fn a_refresh_token_that_is_used_after_its_grace_ends_the_session_everywhere() {
    let database = demo_database().await;
    let other = App::start_on(database.clone(), &[]).await;
    let app = App::start_on(database, &[]).await;
    let begun = sign_in(&app).await;
    let thief = SignedIn::of(&refresh(&app, &begun.refresh).await);
    wait_for(&app, 11).await;
    refresh(&app, &begun.refresh).await.is_problem(401, "INVALID_REFRESH_TOKEN");
    refresh(&app, &thief.refresh).await.is_problem(401, "INVALID_REFRESH_TOKEN");
    for node in [&app, &other] {
        for token in [&begun.access, &thief.access] {
            node.until_refused(token).await.is_problem(401, "UNAUTHENTICATED");
        }
    }
}

#[tokio::test]
async fn a_token_whose_successor_was_used_is_reused_even_within_the_grace() {
    let app = App::start().await;
    let begun = sign_in(&app).await;
    let second = SignedIn::of(&refresh(&app, &begun.refresh).await);
    let third = SignedIn::of(&refresh(&app, &second.refresh).await);
    refresh(&app, &begun.refresh).await.is_problem(401, "INVALID_REFRESH_TOKEN");
    refresh(&app, &third.refresh).await.is_problem(401, "INVALID_REFRESH_TOKEN");
    app.until_refused(&third.access).await.is_problem(401, "UNAUTHENTICATED");
}

#[tokio::test]
async fn many_who_refresh_at_once_get_the_same_successor() {
    let app = App::start().await;
    let begun = sign_in(&app).await;
    let asked = (0..16).map(|_| refresh(&app, &begun.refresh));
    let answers = futures::future::join_all(asked).await;
    let first = SignedIn::of(&answers[0]).refresh;
    assert!(answers.iter().all(|answer| SignedIn::of(answer).refresh == first));
}

#[tokio::test]
async fn a_player_sees_the_own_sessions_and_ends_them_one_by_one() {
    let app = App::start().await;
    let (here, there) = (sign_in(&app).await, sign_in(&app).await);
    let listed = sessions(&app, &here.access).await;
    assert_eq!(listed.len(), 2);
    let is_here = |session: &&Value| session["is_current"] == true;
    assert_eq!(listed.iter().filter(is_here).count(), 1);
    let other = listed.iter().find(|session| !is_here(session)).unwrap()["id"].as_str().unwrap();

    let stranger = app.sign_in("/api/auth/login", ("minjun", "1234")).await;
    let path = format!("/api/auth/sessions/{other}");
    let end = |token: String, path: String| {
        let app = &app;
        async move { app.call(Method::DELETE, &path, Some(&token), None).await }
    };
    end(stranger, path.clone()).await.is_problem(404, "NOT_FOUND");
    assert_eq!(end(here.access.clone(), path.clone()).await.status, 200);
    end(here.access.clone(), path).await.is_problem(404, "NOT_FOUND");
    end(here.access.clone(), "/api/auth/sessions/nonsense".into())
        .await
        .is_problem(404, "NOT_FOUND");
    app.until_refused(&there.access).await.is_problem(401, "UNAUTHENTICATED");
    refresh(&app, &there.refresh).await.is_problem(401, "INVALID_REFRESH_TOKEN");
    assert_eq!(sessions(&app, &here.access).await.len(), 1);
}

#[tokio::test]
async fn logging_out_ends_this_session_and_logging_out_everywhere_all_of_them() {
    let app = App::start().await;
    let (one, two, three) = (sign_in(&app).await, sign_in(&app).await, sign_in(&app).await);
    let (mut open, _) = Socket::me(&app, &two.access, None).await;
    let out = app.post("/api/auth/logout", Some(&one.access), json!({})).await;
    assert_eq!(out.status, 200, "{}", out.text);
    app.until_refused(&one.access).await.is_problem(401, "UNAUTHENTICATED");
    refresh(&app, &one.refresh).await.is_problem(401, "INVALID_REFRESH_TOKEN");
    assert_eq!(app.get("/api/auth/me", Some(&two.access)).await.status, 200);

    let out = app.post("/api/auth/logout-all", Some(&three.access), json!({})).await;
    assert_eq!(out.status, 200, "{}", out.text);
    for gone in [&two, &three] {
        app.until_refused(&gone.access).await.is_problem(401, "UNAUTHENTICATED");
        refresh(&app, &gone.refresh).await.is_problem(401, "INVALID_REFRESH_TOKEN");
    }
    assert_eq!(open.close_code().await, 4401);
    let anew = sign_in(&app).await;
    assert_eq!(app.get("/api/auth/me", Some(&anew.access)).await.status, 200);
}

#[tokio::test]
async fn a_stolen_token_is_no_way_to_guess_the_password() {
    let app = App::start().await;
    let here = sign_in(&app).await;
    let change = |current: &str| {
        let body = json!({"current_password": current, "new_password": "a new one"});
        app.call(Method::PUT, "/api/auth/password", Some(&here.access), Some(body))
    };
    for _ in 0..5 {
        change("a guess").await.is_problem(401, "INVALID_CREDENTIALS");
    }
    change(PLAYER.1).await.is_problem(429, "RATE_LIMIT");
    let body = json!({"site_id": PLAYER.0, "password": PLAYER.1});
    app.post("/api/auth/login", None, body).await.is_problem(429, "RATE_LIMIT");
}

#[tokio::test]
async fn another_password_ends_all_other_sessions() {
    let app = App::start().await;
    let (here, there) = (sign_in(&app).await, sign_in(&app).await);
    let change = |current: &str, new: &str| {
        let body = json!({"current_password": current, "new_password": new});
        app.call(Method::PUT, "/api/auth/password", Some(&here.access), Some(body))
    };
    change("wrong", "abcd").await.is_problem(401, "INVALID_CREDENTIALS");
    change(PLAYER.1, "abc").await.is_problem(422, "VALIDATION_FAILED");
    let changed = change(PLAYER.1, "a new one").await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    app.until_refused(&there.access).await.is_problem(401, "UNAUTHENTICATED");
    refresh(&app, &there.refresh).await.is_problem(401, "INVALID_REFRESH_TOKEN");
    assert_eq!(app.get("/api/auth/me", Some(&here.access)).await.status, 200);
    assert_eq!(refresh(&app, &here.refresh).await.status, 200);
    let old = json!({"site_id": PLAYER.0, "password": PLAYER.1});
    app.post("/api/auth/login", None, old).await.is_problem(401, "INVALID_CREDENTIALS");
    app.sign_in("/api/auth/login", (PLAYER.0, "a new one")).await;
    let select = "select count(*) from events where aggregate_type = 'identity'
                     and aggregate_id = $1 and payload::text like '%new one%'";
    let told: i64 = sqlx::query_scalar(select)
        .bind(PLAYER_ID.to_string())
        .fetch_one(&mut app.database.superuser().await)
        .await
        .unwrap();
    assert_eq!(told, 0);
}
