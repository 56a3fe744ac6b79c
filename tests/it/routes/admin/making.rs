//! `POST /api/admin/users`.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::query_scalar;

use crate::app::{App, demo_database};
use crate::database::Database;
use crate::newcomers::all_is_well;

const PATH: &str = "/api/admin/users";

fn wish(number: u32) -> Value {
    json!({"site_id": format!("made-{number}"), "nickname": format!("Made {number}"),
        "phone_number": format!("0108888{number:04}"), "password": "pass phrase"})
}

fn with_role(number: u32, role: &str) -> Value {
    let mut wish = wish(number);
    wish["role"] = json!(role);
    wish
}

async fn actor(database: &Database, id: &Value, event_type: &str) -> String {
    let select = "select (metadata->>'actor_kind') || ':' || (metadata->>'actor_id') from events
                   where aggregate_id = $1 and event_type = $2";
    let actor = query_scalar(select).bind(id.to_string()).bind(event_type.to_owned());
    actor.fetch_one(&mut database.superuser().await).await.unwrap()
}

#[tokio::test]
async fn an_account_is_made_once_under_a_key_with_its_role_by_whoever_made_it() {
    let app = App::start().await;
    let admin = app.admin().await;
    let dry =
        app.post(&format!("{PATH}?dry_run=true"), Some(&admin), with_role(1, "support")).await;
    let types: Vec<_> =
        dry.body["events"].as_array().unwrap().iter().map(|event| &event["type"]).collect();
    assert_eq!(types, ["account_opened", "sign_up_bonus_granted", "role_given"], "{}", dry.text);
    let made = app.post_keyed(PATH, &admin, "m-1", &with_role(1, "support")).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let again = app.post_keyed(PATH, &admin, "m-1", &with_role(1, "support")).await;
    assert_eq!((again.status, &again.body), (made.status, &made.body));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    app.post_keyed(PATH, &admin, "m-1", &wish(1)).await.is_problem(422, "IDEMPOTENCY_KEY_REUSED");
    app.post_keyed(PATH, &admin, "m-1", &wish(2)).await.is_problem(422, "IDEMPOTENCY_KEY_REUSED");
    app.post(PATH, Some(&admin), with_role(1, "support")).await.is_problem(409, "SITE_ID_TAKEN");
    let token = app.sign_in("/api/auth/admin/login", ("made-1", "pass phrase")).await;
    assert_eq!(app.get("/api/auth/me", Some(&token)).await.body["role"], "support");
    for event_type in ["account_opened", "role_given"] {
        assert_eq!(actor(&app.database, &made.body["user_id"], event_type).await, "admin:1");
    }
    all_is_well(&app.database).await;
}

#[tokio::test]
async fn nobody_makes_somebody_who_may_do_more() {
    let app = App::start().await;
    let admin = app.admin().await;
    for (code, may) in [
        ("clerk", json!(["see_players", "edit_players"])),
        ("chief", json!(["see_players", "edit_players", "edit_roles"])),
    ] {
        let terms = json!({"permissions": may});
        app.call(Method::PUT, &format!("/api/admin/roles/{code}"), Some(&admin), Some(terms)).await;
    }
    for (id, role) in [(9, "clerk"), (10, "chief")] {
        let path = format!("/api/admin/users/{id}/role");
        app.call(Method::PUT, &path, Some(&admin), Some(json!({"role": role}))).await;
    }
    let clerk = app.sign_in("/api/auth/admin/login", ("jiwoo", "1234")).await;
    let chief = app.sign_in("/api/auth/admin/login", ("haeun", "1234")).await;
    for (token, role, lacking) in [
        (&clerk, "clerk", "edit_roles"),
        (&chief, "support", "see_personal_data"),
        (&chief, "admin", "see_personal_data"),
    ] {
        let refused = app.post(PATH, Some(token), with_role(1, role)).await;
        refused.is_problem(403, "FORBIDDEN");
        assert_eq!(refused.body["permission"], lacking, "{}", refused.text);
    }
    app.post(PATH, Some(&chief), with_role(1, "nothing")).await.is_problem(404, "NOT_FOUND");
    assert_eq!(app.post(PATH, Some(&clerk), wish(1)).await.status, 201);
    assert_eq!(app.post(PATH, Some(&chief), with_role(2, "clerk")).await.status, 201);
    for (taken, code) in [
        ("site_id", "SITE_ID_TAKEN"),
        ("nickname", "NICKNAME_TAKEN"),
        ("phone_number", "PHONE_NUMBER_TAKEN"),
    ] {
        let mut another = wish(3);
        another[taken] = wish(1)[taken].clone();
        app.post(PATH, Some(&admin), another).await.is_problem(409, code);
    }
    let short = json!({"site_id": "x", "nickname": "y", "phone_number": "z", "password": ""});
    app.post(PATH, Some(&admin), short).await.is_problem(422, "VALIDATION_FAILED");
    all_is_well(&app.database).await;
}

/// A node that crashes while it makes an account; what is there then is finished by a repeat, or by the
/// new person.
#[tokio::test]
async fn an_account_that_was_cut_off_is_finished_by_a_repeat_or_by_whom_it_is_for() {
    let database = demo_database().await;
    let steps = ["sign_up/checked", "sign_up/reserved", "sign_up/opened", "sign_up/active"];
    for (step, number) in steps.iter().zip(1..) {
        for (number, by_staff) in [(number, true), (number + 10, false)] {
            let mut doomed = App::start_on(database.clone(), &[("CLUB_FAULT", step)]).await;
            let admin = doomed.admin().await;
            let request = doomed.http.post(format!("{}{PATH}", doomed.url)).bearer_auth(&admin);
            let request = request.header("idempotency-key", format!("cut-{number}"));
            let sent = request.json(&with_role(number, "support")).send().await;
            assert!(sent.is_err() && !doomed.ended().await.success(), "{step}");

            let app = App::start_on(database.clone(), &[]).await;
            if by_staff || *step == "sign_up/checked" {
                let key = format!("cut-{number}");
                let made = app.post_keyed(PATH, &admin, &key, &with_role(number, "support")).await;
                assert_eq!(made.status, 201, "{step}: {}", made.text);
            }
            let name = format!("made-{number}");
            let sign_in = json!({"site_id": name, "password": "pass phrase"});
            let signed_in = app.post("/api/auth/login", None, sign_in).await;
            assert_eq!(signed_in.status, 200, "{step}: {}", signed_in.text);
            let user = &signed_in.body["user"];
            assert_eq!(
                (&user["gold"], &user["role"]),
                (&json!(1_000), &json!("support")),
                "{step}"
            );
            assert_eq!(actor(&database, &user["id"], "role_given").await, "admin:1");
            all_is_well(&database).await;
            assert!(app.stop().await.success());
        }
    }
}

#[tokio::test]
async fn a_sign_up_that_was_cut_off_can_be_erased_and_is_never_opened() {
    let database = demo_database().await;
    let mut doomed = App::start_on(database.clone(), &[("CLUB_FAULT", "sign_up/reserved")]).await;
    let admin = doomed.admin().await;
    let request = doomed.http.post(format!("{}{PATH}", doomed.url)).bearer_auth(&admin);
    assert!(request.json(&wish(1)).send().await.is_err() && !doomed.ended().await.success());
    let app = App::start_on(database, &[]).await;
    let wish_gone = json!({"reason": "never came"});
    let erased = app.post("/api/admin/users/25/erase", Some(&admin), wish_gone).await;
    assert_eq!(erased.status, 200, "{}", erased.text);
    crate::routes::users::leaving::until_gone(&app, 25).await;
    let login = json!({"site_id": "made-1", "password": "pass phrase"});
    app.post("/api/auth/login", None, login).await.is_problem(401, "INVALID_CREDENTIALS");
    assert_eq!(app.post(PATH, Some(&admin), wish(1)).await.status, 201, "the names are free");
    all_is_well(&app.database).await;
}
