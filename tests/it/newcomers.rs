//! People who sign up, each under names of their own, and what became of it.

use serde_json::{Value, json};
use sqlx::query_as;

use crate::app::{Answer, App, replay};
use crate::database::Database;

/// What every newcomer signs up and in with, unless somebody else does it.
pub const PASSWORD: &str = "pass phrase";

/// A wish to sign up under names that nobody else has.
pub fn wish(number: u32, invite: &str) -> Value {
    json!({
        "site_id": format!("newcomer-{number}"), "nickname": format!("Newcomer {number}"),
        "phone_number": format!("0109999{number:04}"), "password": PASSWORD, "invite_code": invite,
    })
}

/// Signs up.
pub async fn sign_up(app: &App, wish: &Value) -> Answer {
    app.post("/api/auth/signup", None, wish.clone()).await
}

/// Signs in with a password.
pub async fn sign_in(app: &App, number: u32, password: &str) -> Answer {
    let body = json!({"site_id": format!("newcomer-{number}"), "password": password});
    app.post("/api/auth/login", None, body).await
}

/// Asserts that somebody is in, with exactly what is given for signing up.
pub fn is_in(answer: &Answer) {
    assert!([200, 201].contains(&answer.status.as_u16()), "{}", answer.text);
    assert_eq!(answer.body["user"]["gold"], 1_000, "{}", answer.text);
    assert_eq!(answer.body["user"]["is_active"], true, "{}", answer.text);
}

/// Makes an invite.
pub async fn invite(app: &App, code: &str, max_uses: u32) {
    let admin = app.admin().await;
    let wish = json!({"code": code, "max_uses": max_uses});
    let made = app.post("/api/admin/invites", Some(&admin), wish).await;
    assert_eq!(made.status, 201, "{}", made.text);
}

/// How many came in with an invite, as the staff sees it.
pub async fn uses(app: &App, code: &str) -> Value {
    let admin = app.admin().await;
    let head = u64::try_from(app.database.head().await).unwrap();
    let listed = app.get_at("/api/admin/invites", &admin, head).await;
    let lines = listed.body["items"].as_array().unwrap();
    lines.iter().find(|line| line["code"] == code).unwrap()["uses"].clone()
}

/// Asserts that everybody with a row has one account with one bonus, that nobody has an account
/// without a row, and that nobody is left half-way in; and that the auditor finds nothing.
pub async fn all_is_well(database: &Database) {
    let mut superuser = database.superuser().await;
    let rows: Vec<(i64, String, i64, i64)> = query_as(
        "select coalesce(person.id, account.id), coalesce(person.state, 'gone'),
                coalesce(opened, 0), coalesce(bonuses, 0)
           from identity.users person full join (
                select aggregate_id::bigint as id,
                       count(*) filter (where event_type = 'account_opened') as opened,
                       count(*) filter (where event_type = 'sign_up_bonus_granted') as bonuses
                  from events where aggregate_type = 'account' group by aggregate_id
                ) account using (id)",
    )
    .fetch_all(&mut superuser)
    .await
    .unwrap();
    for (id, state, opened, bonuses) in rows {
        assert_eq!((state.as_str(), opened, bonuses), ("active", 1, 1), "user {id}");
    }
    let (code, said) = replay(database, &["verify"]).await;
    assert_eq!(code, Some(0), "{said}");
}
