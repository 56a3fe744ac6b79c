//! `/api/admin/invites`.

use serde_json::{Value, json};

use crate::app::{App, demo_database, program};
use crate::newcomers::{all_is_well, invite, is_in, sign_up, uses, wish};
use crate::provider::{now, wait_for};

const INVITES: &str = "/api/admin/invites";

#[tokio::test]
async fn an_invite_is_made_used_counted_and_closed() {
    let app = App::start().await;
    let admin = app.admin().await;
    let terms = json!({"code": "hall-1", "max_uses": 2, "expires_at": "2099-01-01T00:00:00Z"});
    let made = app.post_keyed(INVITES, &admin, "k-1", &terms).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let told = (&made.body["code"], &made.body["uses"], &made.body["is_active"]);
    assert_eq!(told, (&json!("HALL-1"), &json!(0), &json!(true)));
    is_in(&sign_up(&app, &wish(1, "Hall-1")).await);
    let again = app.post_keyed(INVITES, &admin, "k-1", &terms).await;
    assert_eq!((again.status, &again.text), (made.status, &made.text), "a repeat is told the same");
    let there = app.post(INVITES, Some(&admin), terms.clone()).await;
    assert_eq!((there.status.as_u16(), &there.body["uses"]), (200, &json!(1)), "{}", there.text);
    let other = json!({"code": "HALL-1", "max_uses": 3});
    app.post(INVITES, Some(&admin), other).await.is_problem(409, "CONFLICT");

    let listed = app.get(INVITES, Some(&admin)).await;
    let codes: Vec<&Value> =
        listed.body["items"].as_array().unwrap().iter().map(|line| &line["code"]).collect();
    assert_eq!(codes, ["HALL-1", "5858"], "the newest first");
    let line = &listed.body["items"][0];
    assert_eq!((&line["uses"], &line["max_uses"]), (&json!(1), &json!(2)), "{}", listed.text);
    assert_eq!(line["expires_at"], "2099-01-01T00:00:00.000Z");
    assert!(line["created_at"].is_string() && line["deactivated_at"].is_null());
    let page = app.get(&format!("{INVITES}?limit=1"), Some(&admin)).await;
    let cursor = page.body["next_cursor"].as_str().unwrap();
    let next = app.get(&format!("{INVITES}?limit=1&cursor={cursor}"), Some(&admin)).await;
    assert_eq!(next.body["items"][0]["code"], "5858", "{}", next.text);

    let close = format!("{INVITES}/hall-1/deactivate");
    let closed = app.post(&close, Some(&admin), Value::Null).await;
    assert_eq!((closed.status.as_u16(), &closed.body["is_active"]), (200, &json!(false)));
    let before = app.database.events().await;
    let again = app.post(&close, Some(&admin), Value::Null).await;
    assert_eq!((again.status.as_u16(), &again.body["uses"]), (200, &json!(1)), "{}", again.text);
    assert_eq!(app.database.events().await, before);
    sign_up(&app, &wish(2, "HALL-1")).await.is_problem(403, "INVALID_INVITE_CODE");
    let listed = app.get(INVITES, Some(&admin)).await;
    assert_eq!(listed.body["items"][0]["is_active"], false);
    all_is_well(&app.database).await;
}

#[tokio::test]
async fn a_code_that_nobody_chose_is_not_guessed_and_a_repeat_is_told_the_same() {
    let app = App::start().await;
    let admin = app.admin().await;
    let one = app.post_keyed(INVITES, &admin, "k-1", &json!({})).await;
    let code = one.body["code"].as_str().unwrap();
    assert_eq!((one.status.as_u16(), code.len()), (201, 10), "{}", one.text);
    assert!(!code.contains(['0', 'O', '1', 'I', 'L']), "{code}");
    let again = app.post_keyed(INVITES, &admin, "k-1", &json!({})).await;
    assert_eq!(again.text, one.text);
    let other = app.post(INVITES, Some(&admin), json!({})).await;
    assert_ne!(other.body["code"], one.body["code"]);
    is_in(&sign_up(&app, &wish(1, code)).await);
}

#[tokio::test]
async fn an_invite_ends_with_its_uses_and_with_its_time() {
    let app = App::start().await;
    invite(&app, "ONCE", 1).await;
    is_in(&sign_up(&app, &wish(1, "ONCE")).await);
    sign_up(&app, &wish(2, "ONCE")).await.is_problem(403, "INVITE_EXHAUSTED");
    is_in(&sign_up(&app, &wish(2, "5858")).await);
    assert_eq!(uses(&app, "ONCE").await, 1);

    let admin = app.admin().await;
    let end = chrono::DateTime::from_timestamp(now(&app).await + 60, 0).unwrap().to_rfc3339();
    let short = json!({"code": "SHORT", "expires_at": end});
    assert_eq!(app.post_keyed(INVITES, &admin, "k-1", &short).await.status, 201);
    is_in(&sign_up(&app, &wish(3, "SHORT")).await);
    wait_for(&app, 61).await;
    sign_up(&app, &wish(4, "SHORT")).await.is_problem(403, "INVALID_INVITE_CODE");
    let line = app.get(INVITES, Some(&admin)).await.body["items"][0].clone();
    assert_eq!((&line["code"], &line["is_active"]), (&json!("SHORT"), &json!(false)));
    // It was made in time: a repeat is no new wish.
    assert_eq!(app.post_keyed(INVITES, &admin, "k-1", &short).await.status, 201);
    all_is_well(&app.database).await;
}

#[tokio::test]
async fn invites_are_made_by_those_who_may_of_what_can_be_one() {
    let app = App::start().await;
    let (player, admin) = (app.player().await, app.admin().await);
    let support = app.sign_in("/api/auth/admin/login", ("support", "support123")).await;
    let before = app.database.events().await;
    for token in [&player, &support] {
        app.post(INVITES, Some(token), json!({})).await.is_problem(403, "FORBIDDEN");
        let close = format!("{INVITES}/5858/deactivate");
        app.post(&close, Some(token), Value::Null).await.is_problem(403, "FORBIDDEN");
    }
    app.get(INVITES, Some(&player)).await.is_problem(403, "FORBIDDEN");
    assert_eq!(app.get(INVITES, Some(&support)).await.status, 200);
    let unusable = [
        ("code", json!("abc")),
        ("code", json!("a b c d")),
        ("code", json!("초대장이요")),
        ("code", json!("A".repeat(41))),
        ("code", json!(5858)),
        ("max_uses", json!(0)),
        ("max_uses", json!("1")),
        ("expires_at", json!("tomorrow")),
        ("expires_at", json!("2020-01-01T00:00:00Z")),
        ("note", json!("for Kim")),
    ];
    for (name, value) in unusable {
        let answer = app.post(INVITES, Some(&admin), json!({name: value})).await;
        answer.is_problem(422, "VALIDATION_FAILED");
        assert_eq!(answer.body["errors"][0]["loc"], json!(["body", name]), "{}", answer.text);
    }
    for code in ["NOBODY", "a%20b", "5858%00"] {
        let close = format!("{INVITES}/{code}/deactivate");
        app.post(&close, Some(&admin), Value::Null).await.is_problem(404, "NOT_FOUND");
    }
    assert_eq!(app.database.events().await, before);
}

#[tokio::test]
async fn whoever_runs_the_club_makes_and_closes_invites_without_it() {
    let database = demo_database().await;
    let club = async |arguments: &[&str]| {
        let mut club = program("club", &database.url());
        let output = club.arg("invites").args(arguments).output().await.unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap().trim().to_owned())
    };
    let (done, code) = club(&["create", "--max-uses", "1"]).await;
    assert_eq!((done, code.len()), (Some(0), 10), "{code}");
    let named = ["create", "HALL-1"];
    assert_eq!(club(&named).await, (Some(0), "HALL-1".to_owned()));
    assert_eq!(club(&named).await, (Some(0), "HALL-1".to_owned()), "again does nothing");
    assert_eq!(club(&["create", "HALL-1", "--max-uses", "1"]).await.0, Some(1));
    assert_eq!(club(&["create", "hall"]).await.0, Some(2));
    assert_eq!(club(&["deactivate", "NOBODY"]).await.0, Some(1));
    let (done, said) = club(&["deactivate", "HALL-1"]).await;
    assert!(done == Some(0) && said.ends_with("0 came in with it"), "{said}");
    let app = App::start_on(database.clone(), &[]).await;
    sign_up(&app, &wish(1, "HALL-1")).await.is_problem(403, "INVALID_INVITE_CODE");
    is_in(&sign_up(&app, &wish(1, &code)).await);
}

#[tokio::test]
async fn production_does_not_start_while_everybody_knows_a_code() {
    let database = demo_database().await;
    let start = async || {
        let mut club = program("club", &database.url());
        club.envs([
            ("ENVIRONMENT", "production"),
            ("CLUB_FINGERPRINT_KEY", "secret"),
            ("CLUB_SERVICE_KEY", "secret"),
            ("CLUB_TOTP_KEY", "secret"),
            ("CLUB_SIGNING_KEY", &"7".repeat(64)),
        ]);
        let output = club.arg("serve").output().await.unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let said = start().await;
    assert!(said.contains("the invite code 5858, which everybody knows"), "{said}");
    let mut club = program("club", &database.url());
    let closed = club.args(["invites", "deactivate", "5858"]).status().await.unwrap();
    assert!(closed.success());
    let said = start().await;
    assert!(said.contains("demo accounts") && !said.contains("invite code"), "{said}");
    // The seed does not open it again.
    let mut seed = program("club", &database.url());
    assert!(seed.arg("seed").status().await.unwrap().success());
    assert!(!start().await.contains("invite code"));
}
