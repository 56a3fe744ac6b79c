//! `/api/admin/roles`, `/api/admin/users/{id}/role`.

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{Answer, App, replay};

async fn put(app: &App, token: &str, path: &str, wish: Value) -> Answer {
    app.call(Method::PUT, path, Some(token), Some(wish)).await
}

#[tokio::test]
async fn a_role_of_the_clubs_own_allows_what_it_says_at_once() {
    let app = App::start().await;
    let admin = app.admin().await;
    let token = app.player().await;
    app.get("/api/admin/users", Some(&token)).await.is_problem(403, "FORBIDDEN");
    let may = |permissions: Value| json!({"permissions": permissions});
    let path = "/api/admin/roles/shift_lead";
    let made = put(&app, &admin, path, may(json!(["see_players"]))).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let role = json!({"role": "shift_lead"});
    let given = put(&app, &admin, "/api/admin/users/23/role", role).await;
    assert_eq!((given.status.as_u16(), &given.body["role"]), (200, &json!("shift_lead")));
    let seen = app.until(&token, "/api/admin/users", 200).await;
    assert_eq!(seen.body["users"], 24);
    app.get("/api/admin/audit/logs", Some(&token)).await.is_problem(403, "FORBIDDEN");
    put(&app, &admin, path, may(json!(["see_players", "read_audit"]))).await;
    app.until(&token, "/api/admin/audit/logs", 200).await;
    put(&app, &admin, path, may(json!([]))).await;
    app.until(&token, "/api/admin/users", 403).await;

    let roles = app.get("/api/admin/roles", Some(&admin)).await.body;
    let own: Vec<_> =
        roles.as_array().unwrap().iter().filter(|it| it["is_built_in"] == false).collect();
    let role = json!({"code": "shift_lead", "is_built_in": false, "permissions": [], "version": 3});
    assert_eq!(own, [&role]);
    assert_eq!(replay(&app.database, &["verify"]).await.0, Some(0));
}

#[tokio::test]
async fn nobody_gives_what_they_may_not_do_themselves() {
    let app = App::start().await;
    let admin = app.admin().await;
    // Somebody who may give roles, and little else.
    let may = json!({"permissions": ["edit_roles", "see_players"]});
    assert_eq!(put(&app, &admin, "/api/admin/roles/keeper", may).await.status, 200);
    let role = json!({"role": "keeper"});
    assert_eq!(put(&app, &admin, "/api/admin/users/23/role", role).await.status, 200);
    let keeper = app.player().await;
    app.until(&keeper, "/api/admin/users", 200).await;

    let give = |user: u32, role: &str| {
        put(
            &app,
            &keeper,
            match user {
                1 => "/api/admin/users/1/role",
                6 => "/api/admin/users/6/role",
                _ => "/api/admin/users/23/role",
            },
            json!({"role": role}),
        )
    };
    for role in ["admin", "operator", "support"] {
        give(6, role).await.is_problem(403, "FORBIDDEN");
    }
    assert_eq!(give(6, "admin").await.body["permission"], "see_personal_data");
    give(1, "player").await.is_problem(403, "FORBIDDEN");
    give(23, "player").await.is_problem(403, "FORBIDDEN");
    give(6, "nonsense").await.is_problem(404, "NOT_FOUND");
    assert_eq!(give(6, "keeper").await.status, 200);
    let more = json!({"permissions": ["edit_roles", "grant"]});
    put(&app, &keeper, "/api/admin/roles/keeper", more.clone()).await.is_problem(403, "FORBIDDEN");
    put(&app, &keeper, "/api/admin/roles/another", more).await.is_problem(403, "FORBIDDEN");
    let less = json!({"permissions": ["see_players"]});
    put(&app, &admin, "/api/admin/roles/admin", less.clone()).await.is_problem(409, "CONFLICT");
    put(&app, &admin, "/api/admin/roles/NO", less).await.is_problem(400, "BAD_REQUEST");
    let unknown = json!({"permissions": ["fly"]});
    put(&app, &admin, "/api/admin/roles/keeper", unknown)
        .await
        .is_problem(422, "VALIDATION_FAILED");
}

#[tokio::test]
async fn a_role_is_changed_as_it_was_seen() {
    let app = App::start().await;
    let admin = app.admin().await;
    let define = |tag: &'static str, may: &'static str| {
        let (app, admin) = (&app, &admin);
        async move {
            let url = format!("{}/api/admin/roles/clerk", app.url);
            let request = app.http.put(url).bearer_auth(admin).header("if-match", tag);
            let sent = request.json(&json!({"permissions": [may]})).send().await;
            crate::app::Answer::read(sent.unwrap()).await
        }
    };
    let made = define("\"0\"", "ban").await;
    assert_eq!((made.status.as_u16(), &made.headers["etag"]), (200, &"\"1\"".parse().unwrap()));
    define("\"0\"", "grant").await.is_problem(412, "PRECONDITION_FAILED");
    let changed = define("\"1\"", "grant").await;
    assert_eq!(changed.body["version"], 2, "{}", changed.text);
}
