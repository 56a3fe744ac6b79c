//! `/api/auth/signup`.

use serde_json::{Value, json};
use sqlx::query_scalar;

use crate::app::App;

fn wish() -> Value {
    json!({
        "site_id": "newcomer", "nickname": "Newcomer", "phone_number": "01099990001",
        "password": "1234", "invite_code": "5858",
    })
}

/// A wish that differs from the good one in these fields.
fn with(changes: &Value) -> Value {
    let mut wish = wish();
    for (name, value) in changes.as_object().unwrap() {
        wish[name] = value.clone();
    }
    wish
}

#[tokio::test]
async fn signing_up_gives_tokens_and_a_thousand_gold_as_an_event_of_its_own() {
    let app = App::start().await;
    let answer = app.post("/api/auth/signup", None, wish()).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(answer.headers["cache-control"], "no-store");
    let user = &answer.body["user"];
    assert_eq!(user["id"], 25, "the demo has 24 users");
    assert_eq!((&user["gold"], &user["is_admin"]), (&json!(1000), &json!(false)));
    assert_eq!((&user["site_id"], &user["nickname"]), (&json!("newcomer"), &json!("Newcomer")));

    let token = answer.body["access_token"].as_str().unwrap();
    let statement = app.get("/api/users/statement", Some(token)).await;
    assert_eq!(statement.body["items"].as_array().unwrap().len(), 1, "{}", statement.text);
    let line = &statement.body["items"][0];
    assert_eq!((&line["kind"], &line["gold"]), (&json!("sign_up_bonus"), &json!(1000)));
    assert_eq!((&line["balance_after"], &line["actor"]), (&json!(1000), &json!("player:25")));

    let names = "select string_agg(event_type, ' ' order by sequence) from events
                  where aggregate_type = 'account' and aggregate_id = '25'";
    let mut superuser = app.database.superuser().await;
    let names: String = query_scalar(names).fetch_one(&mut superuser).await.unwrap();
    assert_eq!(names, "account_opened sign_up_bonus_granted");
    let personal = "select count(*) from events where concat(payload, metadata) ~* \
                    'newcomer|01099990001|argon2'";
    let personal: i64 = query_scalar(personal).fetch_one(&mut superuser).await.unwrap();
    assert_eq!(personal, 0, "names, phones and hashes never enter the log");
}

#[tokio::test]
async fn what_cannot_be_used_is_named_and_what_is_taken_too_and_nothing_is_written() {
    let app = App::start().await;
    let before = app.database.events().await;
    let long = "x".repeat(51);
    let unusable = [
        ("site_id", json!("ab")),
        ("site_id", json!("a b c")),
        ("site_id", json!(&long)),
        ("site_id", json!(7)),
        ("nickname", json!("x")),
        ("nickname", json!(" x ")),
        ("nickname", json!(&long)),
        ("nickname", json!("a\nb")),
        ("phone_number", json!("012345678")),
        ("phone_number", json!("0123456789012345")),
        ("phone_number", json!("010-9999-0001")),
        ("phone_number", json!(1_099_990_001)),
        ("password", json!("123")),
        ("password", json!("x".repeat(257))),
        ("invite_code", json!("")),
        ("invite_code", Value::Null),
        ("site_id", json!("new\u{0}comer")),
        ("is_admin", json!(true)),
        ("gold", json!(5_000)),
    ];
    for (name, value) in unusable {
        let answer = app.post("/api/auth/signup", None, with(&json!({name: value}))).await;
        answer.is_problem(422, "VALIDATION_FAILED");
        assert_eq!(answer.body["errors"][0]["loc"], json!(["body", name]), "{}", answer.text);
        assert_eq!(answer.body["errors"].as_array().unwrap().len(), 1, "{}", answer.text);
    }
    for name in ["site_id", "nickname", "phone_number", "password", "invite_code"] {
        let mut wish = wish();
        wish.as_object_mut().unwrap().remove(name);
        let answer = app.post("/api/auth/signup", None, wish).await;
        let missing = &answer.body["errors"][0];
        assert_eq!((&missing["type"], &missing["loc"][1]), (&json!("missing"), &json!(name)));
    }
    let refused = [
        (json!({"site_id": "minjun"}), 409, "SITE_ID_TAKEN"),
        (json!({"nickname": "테스트유저"}), 409, "NICKNAME_TAKEN"),
        (json!({"phone_number": "01025260023"}), 409, "PHONE_NUMBER_TAKEN"),
        (json!({"invite_code": "0000"}), 403, "INVALID_INVITE_CODE"),
    ];
    for (changes, status, code) in refused {
        app.post("/api/auth/signup", None, with(&changes)).await.is_problem(status, code);
    }
    assert_eq!(app.database.events().await, before, "nothing of all that is in the log");

    assert_eq!(app.post("/api/auth/signup", None, wish()).await.status, 201);
    let twin = json!({"site_id": "another", "nickname": "NEWCOMER", "phone_number": "01099990002"});
    app.post("/api/auth/signup", None, with(&twin)).await.is_problem(409, "NICKNAME_TAKEN");
}
