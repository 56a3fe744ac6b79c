//! `/api/admin/sessions`.

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{App, PLAYER, demo_database};
use crate::socket::Socket;

async fn listed(app: &App, token: &str, query: &str) -> (Vec<Value>, Option<String>) {
    let page = app.get(&format!("/api/admin/sessions{query}"), Some(token)).await;
    assert_eq!(page.status, 200, "{}", page.text);
    let next = page.body["next_cursor"].as_str().map(str::to_owned);
    (page.body["items"].as_array().unwrap().clone(), next)
}

#[tokio::test]
async fn live_sessions_are_listed_page_by_page_and_ended_ones_are_not() {
    let app = App::start().await;
    let admin = app.admin().await;
    for name in ["minjun", "seoyeon", PLAYER.0] {
        app.sign_in("/api/auth/login", (name, "1234")).await;
    }
    let (all, next) = listed(&app, &admin, "").await;
    assert_eq!((all.len(), next), (4, None));
    assert_eq!(
        (&all[0]["user_id"], &all[3]["user_id"]),
        (&json!(23), &json!(1)),
        "the latest first"
    );
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let (page, next) = listed(&app, &admin, &format!("?limit=1{cursor}")).await;
        paged.extend(page);
        let Some(next) = next else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(paged, all);
    assert_eq!(listed(&app, &admin, "?user_id=6").await.0, [all[2].clone()]);
    let out = json!({"reason": "a lost phone"});
    app.post("/api/admin/users/6/logout-all", Some(&admin), out).await;
    assert!(listed(&app, &admin, "?user_id=6").await.0.is_empty());
    for bad in ["?cursor=x", "?cursor=1-zz", "?user_id=me", "?nonsense=1"] {
        let path = format!("/api/admin/sessions{bad}");
        app.get(&path, Some(&admin)).await.is_problem(400, "BAD_REQUEST");
    }
}

#[tokio::test]
async fn a_session_is_ended_at_once_on_every_node_and_the_others_go_on() {
    let database = demo_database().await;
    let app = App::start_on(database.clone(), &[]).await;
    let other = App::start_on(database, &[]).await;
    let admin = app.admin().await;
    let sign_in = json!({"site_id": PLAYER.0, "password": PLAYER.1});
    let doomed = other.post("/api/auth/login", None, sign_in).await.body;
    let token = doomed["access_token"].as_str().unwrap();
    let staying = app.player().await;
    let (mut screen, _) = Socket::me(&other, token, None).await;
    let id = listed(&app, &admin, "?user_id=23").await.0[1]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/admin/sessions/{id}");
    let dry = {
        let path = format!("{path}?dry_run=true");
        app.call(Method::DELETE, &path, Some(&admin), None).await
    };
    assert_eq!(dry.body["events"][0]["type"], "session_ended", "{}", dry.text);
    assert_eq!(other.get("/api/auth/me", Some(token)).await.status, 200);

    let support = app.sign_in("/api/auth/admin/login", ("support", "support123")).await;
    let boss = listed(&app, &admin, "?user_id=1").await.0[0]["id"].as_str().unwrap().to_owned();
    let boss = format!("/api/admin/sessions/{boss}");
    app.call(Method::DELETE, &boss, Some(&support), None).await.is_problem(403, "FORBIDDEN");

    let ended = app.call(Method::DELETE, &path, Some(&admin), None).await;
    assert_eq!(
        (ended.status.as_u16(), &ended.body["user_id"]),
        (200, &json!(23)),
        "{}",
        ended.text
    );
    for node in [&other, &app] {
        node.until_refused(token).await.is_problem(401, "UNAUTHENTICATED");
    }
    assert_eq!(screen.close_code().await, 4401);
    let refresh = json!({"refresh_token": doomed["refresh_token"]});
    other.post("/api/auth/refresh", None, refresh).await.is_problem(401, "INVALID_REFRESH_TOKEN");
    assert_eq!(other.get("/api/auth/me", Some(&staying)).await.status, 200);
    assert_eq!(listed(&app, &admin, "?user_id=23").await.0.len(), 1);
    let again = app.call(Method::DELETE, &path, Some(&admin), None).await;
    again.is_problem(404, "NOT_FOUND");
    let nonsense = app.call(Method::DELETE, "/api/admin/sessions/x", Some(&admin), None).await;
    nonsense.is_problem(404, "NOT_FOUND");
}
