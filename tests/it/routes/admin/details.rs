//! `PUT /api/admin/users/{id}`.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::query_scalar;

use crate::app::{Answer, App, PLAYER};

async fn edit(app: &App, token: &str, path: &str, tag: Option<&str>, wish: &Value) -> Answer {
    let request = app.http.request(Method::PUT, format!("{}{path}", app.url)).bearer_auth(token);
    let request = match tag {
        Some(tag) => request.header("if-match", tag),
        None => request,
    };
    Answer::read(request.json(wish).send().await.unwrap()).await
}

async fn tag(app: &App, token: &str, path: &str) -> String {
    let shown = app.get(path, Some(token)).await;
    assert_eq!(shown.headers["etag"], format!("\"{}\"", shown.body["version"]), "{}", shown.text);
    shown.headers["etag"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_was_seen_is_edited_once_and_the_log_says_what_but_not_to_what() {
    let app = App::start().await;
    let (admin, path) = (app.admin().await, "/api/admin/users/23");
    let seen = tag(&app, &admin, path).await;
    let wish = json!({"nickname": "달라진이름", "language": "en"});
    edit(&app, &admin, path, None, &wish).await.is_problem(428, "PRECONDITION_REQUIRED");
    edit(&app, &admin, path, Some("\"99\""), &wish).await.is_problem(412, "PRECONDITION_FAILED");
    let dry = edit(&app, &admin, "/api/admin/users/23?dry_run=true", Some(&seen), &wish).await;
    let would = &dry.body["events"][0];
    assert_eq!((&dry.body["dry_run"], &would["type"]), (&json!(true), &json!("details_edited")));
    assert_eq!(tag(&app, &admin, path).await, seen, "nothing was edited");

    let done = edit(&app, &admin, path, Some(&seen), &wish).await;
    assert_eq!(
        (done.status.as_u16(), &done.body["nickname"]),
        (200, &json!("달라진이름")),
        "{}",
        done.text
    );
    assert_eq!(done.headers["etag"], "\"2\"");
    // The answer was lost: it can be asked for again, also without a key.
    let again = edit(&app, &admin, path, Some(&seen), &wish).await;
    assert_eq!((again.status.as_u16(), &again.body["version"]), (200, &json!(2)), "{}", again.text);
    let other = json!({"nickname": "또다른이름"});
    edit(&app, &admin, path, Some(&seen), &other).await.is_problem(412, "PRECONDITION_FAILED");
    app.sign_in("/api/auth/login", ("달라진이름", PLAYER.1)).await;
    let told: Vec<String> =
        query_scalar("select payload::text from events where event_type = 'details_edited'")
            .fetch_all(&mut app.database.superuser().await)
            .await
            .unwrap();
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("\"details\":{\"nickname\":true,\"language\":true}"), "{}", told[0]);
}

#[tokio::test]
async fn names_that_others_have_and_people_who_may_more_are_left_alone() {
    let app = App::start().await;
    let admin = app.admin().await;
    let seen = tag(&app, &admin, "/api/admin/users/23").await;
    for (wish, code) in [
        (json!({"nickname": "민준이"}), "NICKNAME_TAKEN"),
        (json!({"phone_number": "01025260006"}), "PHONE_NUMBER_TAKEN"),
    ] {
        edit(&app, &admin, "/api/admin/users/23", Some(&seen), &wish).await.is_problem(409, code);
    }
    for bad in
        [json!({"phone_number": "12"}), json!({"site_id": "other"}), json!({"language": "fr"})]
    {
        let refused = edit(&app, &admin, "/api/admin/users/23", Some(&seen), &bad).await;
        refused.is_problem(422, "VALIDATION_FAILED");
    }
    let own =
        edit(&app, &admin, "/api/admin/users/23", Some("*"), &json!({"nickname": "테스트유저"}))
            .await;
    assert_eq!((own.status.as_u16(), &own.body["version"]), (200, &json!(1)), "so it is already");
    let clerk = json!({"permissions": ["see_players", "edit_players"]});
    app.call(Method::PUT, "/api/admin/roles/clerk", Some(&admin), Some(clerk)).await;
    app.call(Method::PUT, "/api/admin/users/9/role", Some(&admin), Some(json!({"role": "clerk"})))
        .await;
    let clerk = app.sign_in("/api/auth/admin/login", ("jiwoo", "1234")).await;
    let boss =
        edit(&app, &clerk, "/api/admin/users/1", Some("*"), &json!({"language": "en"})).await;
    boss.is_problem(403, "FORBIDDEN");
    let wish = json!({"nickname": "아무개"});
    edit(&app, &admin, "/api/admin/users/4711", Some("*"), &wish)
        .await
        .is_problem(404, "NOT_FOUND");
}
