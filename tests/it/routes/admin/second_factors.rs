//! In production, money moves by whoever has signed in with a code, and by nobody else.

use std::collections::BTreeSet;

use commands::Caller;
use commands::clock::{Clock, SystemClock};
use domain::id::PlayerId;
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{Answer, App, program};
use crate::database::Database;
use crate::newcomers::{PASSWORD, sign_up, wish};
use crate::node;
use crate::openapi::{operations, permission};
use crate::phone::{Phone, remove, sign_in};

const PRODUCTION: [(&str, &str); 5] = [
    ("ENVIRONMENT", "production"),
    ("CLUB_FINGERPRINT_KEY", "secret"),
    ("CLUB_SERVICE_KEY", "secret"),
    ("CLUB_TOTP_KEY", "secret"),
    ("CLUB_SIGNING_KEY", "7777777777777777777777777777777777777777777777777777777777777777"),
];
const ADMIN: (&str, &str) = ("newcomer-1", PASSWORD);
/// By these money moves, or somebody gets a permission by which it does.
const MONEY: [&str; 7] = [
    "approve",
    "edit_events",
    "edit_roles",
    "edit_shop",
    "erase_players",
    "grant",
    "settle_payments",
];
/// What the staff does besides.
const OTHERS: [&str; 10] = [
    "announce",
    "ban",
    "edit_invites",
    "edit_players",
    "read_audit",
    "see_personal_data",
    "see_players",
    "send_mail",
    "staff",
    "write_notes",
];

/// A club in production, whose first player is an admin.
async fn production() -> App {
    let database = Database::empty().await;
    let mut club = program("club", &database.url());
    let invites = club.args(["invites", "create", "FIRST-ONE"]).envs(PRODUCTION);
    assert!(invites.status().await.unwrap().success());
    let app = App::start_on(database.clone(), &PRODUCTION).await;
    let signed_up = sign_up(&app, &wish(1, "FIRST-ONE")).await;
    let id = PlayerId(signed_up.body["user"]["id"].as_i64().unwrap());
    let node = node::start(&database).await;
    let given = node.give_role(&Caller::system("test"), None, id, "admin".parse().unwrap()).await;
    let position = given.unwrap().place.position;
    let token = signed_up.body["access_token"].as_str().unwrap();
    let shown = app.get_at("/api/auth/me", token, position).await;
    assert_eq!(shown.status, 200, "{}", shown.text);
    app.until(token, "/api/admin/users", 200).await;
    app
}

fn token(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body["access_token"].as_str().unwrap().to_owned()
}

/// The permissions of all routes that refuse for want of a second factor, and of those that do not.
async fn by_permission(app: &App, token: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let document: Value = app.get("/openapi.json", None).await.body;
    let (mut refused, mut open) = (BTreeSet::new(), BTreeSet::new());
    for (method, path, _) in operations(&document) {
        let Some(needed) = permission(&document, &method, &path) else { continue };
        let concrete = path.replace("{id}", "1").replace("{code}", "x").replace("{receipt}", "x");
        let url = format!("{}{}", app.url, concrete.replace("{user_id}", "1"));
        let request = app.http.request(method, url).bearer_auth(token).body("not even JSON");
        let answer = Answer::read(request.send().await.unwrap()).await;
        match answer.body["code"].as_str() {
            Some("TOTP_ENROLMENT_REQUIRED") => refused.insert(needed),
            _ => open.insert(needed),
        };
    }
    (refused, open)
}

#[tokio::test]
async fn in_production_money_moves_by_whoever_has_signed_in_with_a_code() {
    let app = production().await;
    let entrance = "/api/auth/admin/login";
    let before = app.sign_in(entrance, ADMIN).await;
    let (refused, open) = by_permission(&app, &before).await;
    assert_eq!(refused, BTreeSet::from(MONEY.map(str::to_owned)));
    assert_eq!(open, BTreeSet::from(OTHERS.map(str::to_owned)));
    let wish = json!({"gold": 5, "reason": "a gift"});
    let grant = async |token: &str, key: &str| {
        app.post_keyed("/api/admin/users/1/grant", token, key, &wish).await
    };
    let refused = grant(&before, "k").await;
    refused.is_problem(403, "TOTP_ENROLMENT_REQUIRED");
    assert!(refused.body["detail"].as_str().unwrap().contains("/api/auth/totp"), "{refused:?}");
    let state = app.get("/api/auth/totp", Some(&before)).await.body;
    assert_eq!((&state["required"], &state["enrolled"]), (&json!(true), &json!(false)));

    let phone = Phone::begin(&app, &before, ADMIN.1).await;
    let code = json!({"code": phone.code_at(SystemClock.now().timestamp())});
    let confirmed = app.post("/api/auth/totp/confirm", Some(&before), code).await;
    assert_eq!(confirmed.status, 200, "{}", confirmed.text);
    // That session began with a password alone.
    grant(&before, "k").await.is_problem(403, "TOTP_ENROLMENT_REQUIRED");
    sign_in(&app, ADMIN, None).await.is_problem(401, "TOTP_REQUIRED");
    let recovery = |number: usize| confirmed.body["recovery_codes"][number].as_str();
    let with_code = sign_in(&app, ADMIN, recovery(0)).await;
    let with_code_token = token(&with_code);
    let done = grant(&with_code_token, "k").await;
    assert_eq!((done.status.as_u16(), &done.body["granted"]), (200, &json!(5)), "{}", done.text);
    let refresh = json!({"refresh_token": with_code.body["refresh_token"]});
    let refreshed = token(&app.post("/api/auth/refresh", None, refresh).await);
    assert_eq!(grant(&refreshed, "k-2").await.status, 200);
    assert_eq!(by_permission(&app, &refreshed).await.0, BTreeSet::new());

    // Without it, the very same session moves nothing.
    let removed = remove(&app, &refreshed, ADMIN.1, recovery(1).unwrap()).await;
    assert_eq!(removed.status, 200, "{}", removed.text);
    grant(&refreshed, "k-3").await.is_problem(403, "TOTP_ENROLMENT_REQUIRED");
    grant(&before, "k-3").await.is_problem(401, "UNAUTHENTICATED");
    let users = app.call(Method::GET, "/api/admin/users", Some(&refreshed), None).await;
    assert_eq!(users.status, 200, "{}", users.text);
}
