//! `/api/auth/totp`, and signing in with a code; `/api/admin/users/{id}/totp`.

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::query_scalar;

use crate::app::{ADMIN, Answer, App, PLAYER, demo_database};
use crate::newcomers::all_is_well;
use crate::phone::{Phone, next_step, remove, sign_in};
use crate::provider::wait_for;

/// Two nodes of one club, where nobody is kept from trying.
async fn two_nodes() -> (App, App) {
    let database = demo_database().await;
    let settings = [("CLUB_LIMITS", "off")];
    (App::start_on(database.clone(), &settings).await, App::start_on(database, &settings).await)
}

fn token(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body["access_token"].as_str().unwrap().to_owned()
}

async fn state(app: &App, token: &str) -> Value {
    let state = app.get("/api/auth/totp", Some(token)).await;
    assert_eq!(state.status, 200, "{}", state.text);
    state.body
}

async fn reset(app: &App, token: &str, key: &str, id: i64) -> Answer {
    let request = app.http.delete(format!("{}/api/admin/users/{id}/totp", app.url));
    let request = request.bearer_auth(token).header("Idempotency-Key", key);
    let wish = json!({"reason": "lost the phone"});
    Answer::read(request.json(&wish).send().await.unwrap()).await
}

#[tokio::test]
async fn whoever_has_enrolled_signs_in_with_a_code_and_each_works_once() {
    let app = App::start().await;
    let (here, there) = (app.player().await, app.player().await);
    let none = json!({"enrolled": false, "signed_in_with_code": false, "required": false,
        "recovery_codes_left": 0});
    assert_eq!(state(&app, &here).await, none);

    next_step(&[&app]).await;
    let (phone, _) = Phone::enrol(&app, &here, PLAYER.1).await;
    app.until_refused(&there).await.is_problem(401, "UNAUTHENTICATED");
    let has = state(&app, &here).await;
    assert_eq!((&has["enrolled"], &has["recovery_codes_left"]), (&json!(true), &json!(10)));
    assert_eq!(has["signed_in_with_code"], false, "{has}");

    sign_in(&app, PLAYER, None).await.is_problem(401, "TOTP_REQUIRED");
    let used = phone.code(&app, 0).await;
    sign_in(&app, PLAYER, Some(&used)).await.is_problem(401, "TOTP_WRONG");
    let next = phone.code(&app, 1).await;
    let wrong = sign_in(&app, (PLAYER.0, "12345"), Some(&next)).await;
    wrong.is_problem(401, "INVALID_CREDENTIALS");
    let first = token(&sign_in(&app, PLAYER, Some(&next)).await);
    sign_in(&app, PLAYER, Some(&next)).await.is_problem(401, "TOTP_WRONG");
    assert_eq!(state(&app, &first).await["signed_in_with_code"], true);
    all_is_well(&app.database).await;
}

#[tokio::test]
async fn a_session_remembers_that_it_began_with_a_code() {
    let app = App::start().await;
    let here = app.player().await;
    next_step(&[&app]).await;
    let (phone, _) = Phone::enrol(&app, &here, PLAYER.1).await;
    next_step(&[&app]).await;
    let signed_in = sign_in(&app, PLAYER, Some(&phone.code(&app, 0).await)).await;
    let refresh = json!({"refresh_token": signed_in.body["refresh_token"]});
    let refreshed = app.post("/api/auth/refresh", None, refresh).await;
    assert_eq!(state(&app, &token(&refreshed)).await["signed_in_with_code"], true);
}

#[tokio::test]
async fn of_many_who_come_with_one_code_at_once_on_two_nodes_one_comes_in() {
    let (app, other) = two_nodes().await;
    next_step(&[&app, &other]).await;
    let (phone, recovery) = Phone::enrol(&app, &app.player().await, PLAYER.1).await;
    next_step(&[&app, &other]).await;
    for code in [phone.code(&app, 0).await, recovery[0].clone()] {
        let tries = (0..6).flat_map(|_| [&app, &other]);
        let answers = join_all(tries.map(|node| sign_in(node, PLAYER, Some(&code)))).await;
        let (came_in, refused): (Vec<_>, Vec<_>) =
            answers.iter().partition(|answer| answer.status == 200);
        assert_eq!(came_in.len(), 1, "with {code}");
        refused.iter().for_each(|answer| answer.is_problem(401, "TOTP_WRONG"));
        assert_eq!(refused.len(), 11);
    }
}

#[tokio::test]
async fn a_phones_clock_may_be_wrong_by_half_a_minute() {
    let (app, _) = two_nodes().await;
    next_step(&[&app]).await;
    let (phone, _) = Phone::enrol(&app, &app.player().await, PLAYER.1).await;
    wait_for(&app, 300).await;
    for (steps, status) in [(-2, 401), (2, 401), (-1, 200), (0, 200), (1, 200), (0, 401)] {
        let code = phone.code(&app, steps).await;
        let answer = sign_in(&app, PLAYER, Some(&code)).await;
        assert_eq!(answer.status, status, "{steps} steps: {}", answer.text);
    }
    wait_for(&app, 60).await;
    for (steps, status) in [(2, 401), (1, 200)] {
        let code = phone.code(&app, 0).await;
        for _ in 0..steps {
            next_step(&[&app]).await;
        }
        let answer = sign_in(&app, PLAYER, Some(&code)).await;
        assert_eq!(answer.status, status, "{steps} steps later: {}", answer.text);
    }
}

#[tokio::test]
async fn each_recovery_code_lets_in_once_however_it_is_typed() {
    let app = App::start().await;
    let (_, recovery) = Phone::enrol(&app, &app.player().await, PLAYER.1).await;
    assert_eq!(recovery.len(), 10);
    let (first, second) = (recovery[0].to_uppercase(), recovery[1].replace('-', ""));
    token(&sign_in(&app, PLAYER, Some(&first)).await);
    sign_in(&app, PLAYER, Some(&first)).await.is_problem(401, "TOTP_WRONG");
    let here = token(&sign_in(&app, PLAYER, Some(&second)).await);
    assert_eq!(state(&app, &here).await["recovery_codes_left"], 8);
    // Those of somebody else open nothing.
    let minjun = ("minjun", "1234");
    let other = app.sign_in("/api/auth/login", minjun).await;
    Phone::enrol(&app, &other, minjun.1).await;
    sign_in(&app, minjun, Some(&recovery[2])).await.is_problem(401, "TOTP_WRONG");
}

#[tokio::test]
async fn wrong_codes_lock_the_name_and_the_right_password_takes_nothing_back() {
    let app = App::start().await;
    let here = app.player().await;
    next_step(&[&app]).await;
    let (phone, _) = Phone::enrol(&app, &here, PLAYER.1).await;
    next_step(&[&app]).await;
    for _ in 0..3 {
        sign_in(&app, PLAYER, Some("000000")).await.is_problem(401, "TOTP_WRONG");
        sign_in(&app, PLAYER, None).await.is_problem(401, "TOTP_REQUIRED");
    }
    // Another door counts with it.
    remove(&app, &here, PLAYER.1, "000000").await.is_problem(401, "TOTP_WRONG");
    sign_in(&app, PLAYER, Some("abcd-efgh-jkmn-pqrs")).await.is_problem(401, "TOTP_WRONG");
    let right = phone.code(&app, 0).await;
    for code in [None, Some(right.as_str())] {
        sign_in(&app, PLAYER, code).await.is_problem(429, "RATE_LIMIT");
    }
    remove(&app, &here, PLAYER.1, &right).await.is_problem(429, "RATE_LIMIT");
    wait_for(&app, 601).await;
    let right = phone.code(&app, 0).await;
    token(&sign_in(&app, PLAYER, Some(&right)).await);
}

#[tokio::test]
async fn a_first_code_cannot_be_guessed_either() {
    let app = App::start().await;
    let here = app.player().await;
    let phone = Phone::begin(&app, &here, PLAYER.1).await;
    let confirm = async |code: String| {
        app.post("/api/auth/totp/confirm", Some(&here), json!({"code": code})).await
    };
    for _ in 0..5 {
        confirm("000000".to_owned()).await.is_problem(401, "TOTP_WRONG");
    }
    confirm(phone.code(&app, 0).await).await.is_problem(429, "RATE_LIMIT");
    assert_eq!(state(&app, &here).await["enrolled"], false);
}

#[tokio::test]
async fn the_last_secret_that_was_begun_counts_for_an_hour() {
    let (app, _) = two_nodes().await;
    let here = app.player().await;
    let confirm = async |phone: &Phone| {
        let code = json!({"code": phone.code(&app, 0).await});
        app.post("/api/auth/totp/confirm", Some(&here), code).await
    };
    let wrong = json!({"password": "12345"});
    app.post("/api/auth/totp", Some(&here), wrong).await.is_problem(401, "INVALID_CREDENTIALS");
    let old = Phone::begin(&app, &here, PLAYER.1).await;
    let new = Phone::begin(&app, &here, PLAYER.1).await;
    assert_ne!(old.secret, new.secret);
    assert_eq!(new.secret.len(), 32, "160 bits");
    confirm(&old).await.is_problem(401, "TOTP_WRONG");
    assert_eq!(sign_in(&app, PLAYER, None).await.status, 200, "it counts for nothing yet");
    wait_for(&app, 3_601).await;
    let here = app.player().await;
    let code = json!({"code": new.code(&app, 0).await});
    let late = app.post("/api/auth/totp/confirm", Some(&here), code).await;
    late.is_problem(401, "TOTP_WRONG");
    let (phone, _) = Phone::enrol(&app, &here, PLAYER.1).await;
    let again = app.post("/api/auth/totp", Some(&here), json!({"password": PLAYER.1})).await;
    again.is_problem(409, "CONFLICT");
    let code = json!({"code": phone.code(&app, 1).await});
    let again = app.post("/api/auth/totp/confirm", Some(&here), code).await;
    again.is_problem(401, "TOTP_WRONG");
}

#[tokio::test]
async fn of_two_who_confirm_at_once_one_gets_recovery_codes() {
    let (app, other) = two_nodes().await;
    let here = app.player().await;
    let phone = Phone::begin(&app, &here, PLAYER.1).await;
    let code = json!({"code": phone.code(&app, 0).await});
    let tries = (0..4).flat_map(|_| [&app, &other]);
    let tries = tries.map(|node| node.post("/api/auth/totp/confirm", Some(&here), code.clone()));
    let answers = join_all(tries).await;
    let (confirmed, refused): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == 200);
    assert_eq!((confirmed.len(), refused.len()), (1, 7));
    let recovery = confirmed[0].body["recovery_codes"][0].as_str().unwrap();
    token(&sign_in(&app, PLAYER, Some(recovery)).await);
    all_is_well(&app.database).await;
}

#[tokio::test]
async fn a_second_factor_is_removed_by_whoever_has_it_and_other_sessions_end() {
    let (app, other) = two_nodes().await;
    next_step(&[&app, &other]).await;
    let here = app.player().await;
    let (phone, recovery) = Phone::enrol(&app, &here, PLAYER.1).await;
    let there = token(&sign_in(&other, PLAYER, Some(&recovery[0])).await);
    next_step(&[&app, &other]).await;
    let code = phone.code(&app, 0).await;
    remove(&app, &here, "12345", &code).await.is_problem(401, "INVALID_CREDENTIALS");
    remove(&app, &here, PLAYER.1, "000000").await.is_problem(401, "TOTP_WRONG");
    assert_eq!(app.get("/api/auth/me", Some(&there)).await.status, 200);

    let removed = remove(&app, &here, PLAYER.1, &code).await;
    assert_eq!(removed.status, 200, "{}", removed.text);
    for node in [&app, &other] {
        node.until_refused(&there).await.is_problem(401, "UNAUTHENTICATED");
    }
    assert_eq!(state(&app, &here).await["enrolled"], false);
    assert_eq!(sign_in(&other, PLAYER, None).await.status, 200);
    assert_eq!(remove(&app, &here, PLAYER.1, &code).await.status, 200, "again does nothing");
    let mut superuser = app.database.superuser().await;
    for table in ["totp", "recovery_codes"] {
        let count = format!("select count(*) from identity.{table}");
        let left: i64 = query_scalar(&count).fetch_one(&mut superuser).await.unwrap();
        assert_eq!(left, 0, "{table}");
    }
    // A new one asks for its own codes.
    let (_, _) = Phone::enrol(&app, &here, PLAYER.1).await;
    sign_in(&app, PLAYER, Some(&recovery[1])).await.is_problem(401, "TOTP_WRONG");
    all_is_well(&app.database).await;
}

#[tokio::test]
async fn the_staff_resets_the_second_factor_of_whoever_lost_the_phone() {
    let (app, other) = two_nodes().await;
    let here = app.player().await;
    let (_, recovery) = Phone::enrol(&app, &here, PLAYER.1).await;
    let admin = app.admin().await;
    let operator = app.sign_in("/api/auth/admin/login", ("operator", "operator123")).await;
    reset(&app, &operator, "k", 23).await.is_problem(403, "FORBIDDEN");
    reset(&app, &here, "k", 23).await.is_problem(403, "FORBIDDEN");
    reset(&app, &admin, "k", 1).await.is_problem(403, "FORBIDDEN");
    reset(&app, &admin, "k", 4711).await.is_problem(404, "NOT_FOUND");
    let no_reason =
        app.call(Method::DELETE, "/api/admin/users/23/totp", Some(&admin), Some(json!({})));
    no_reason.await.is_problem(422, "VALIDATION_FAILED");
    sign_in(&other, PLAYER, None).await.is_problem(401, "TOTP_REQUIRED");

    let done = reset(&app, &admin, "k", 23).await;
    assert_eq!((done.status.as_u16(), &done.body["success"]), (200, &json!(true)), "{}", done.text);
    for node in [&app, &other] {
        node.until_refused(&here).await.is_problem(401, "UNAUTHENTICATED");
    }
    let here = token(&sign_in(&other, PLAYER, None).await);

    // What was enrolled since is not touched by the same wish, asked again.
    let (_, fresh) = Phone::enrol(&app, &here, PLAYER.1).await;
    let again = reset(&app, &admin, "k", 23).await;
    assert_eq!((again.status, &again.text), (done.status, &done.text));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    sign_in(&app, PLAYER, None).await.is_problem(401, "TOTP_REQUIRED");
    sign_in(&app, PLAYER, Some(&recovery[0])).await.is_problem(401, "TOTP_WRONG");
    token(&sign_in(&app, PLAYER, Some(&fresh[0])).await);

    let head = u64::try_from(app.database.head().await).unwrap();
    let path = "/api/admin/audit/logs?target=23&action=totp_removed";
    let line = app.get_at(path, &admin, head).await.body["items"][0].clone();
    assert_eq!(
        (&line["actor"], &line["reason"]),
        (&json!("admin:1"), &json!("lost the phone")),
        "{line}"
    );
    all_is_well(&app.database).await;
}

#[tokio::test]
async fn nothing_that_makes_codes_is_stored_or_logged() {
    let app = App::start_on(demo_database().await, &[("RUST_LOG", "debug")]).await;
    let (phone, recovery) = Phone::enrol(&app, &app.admin().await, ADMIN.1).await;
    token(&sign_in(&app, ADMIN, Some(&recovery[0])).await);
    let mut superuser = app.database.superuser().await;
    let rows = "select coalesce(string_agg(it::text, ' '), '') from identity.totp it";
    let codes = "select coalesce(string_agg(it::text, ' '), '') from identity.recovery_codes it";
    let events = "select string_agg(payload::text || metadata::text, ' ') from events";
    let mut told = vec![app.said()];
    for select in [rows, codes, events] {
        told.push(query_scalar::<_, String>(select).fetch_one(&mut superuser).await.unwrap());
    }
    for text in &told {
        assert!(!text.contains(&phone.secret) && !text.contains(&recovery[1]));
        assert!(!text.contains(&recovery[1].replace('-', "")));
    }
    assert!(told[3].contains("totp_enrolled"));
    // With another key the same rows make other codes: the table alone is worth nothing.
    let database = app.kill().await;
    let app = App::start_on(database, &[("CLUB_TOTP_KEY", "another")]).await;
    let code = phone.code(&app, 1).await;
    sign_in(&app, ADMIN, Some(&code)).await.is_problem(401, "TOTP_WRONG");
    // Recovery codes go on.
    token(&sign_in(&app, ADMIN, Some(&recovery[2])).await);
}

#[tokio::test]
async fn what_cannot_be_a_code_is_refused() {
    let app = App::start().await;
    let here = app.player().await;
    for code in [json!(123_456), json!(""), json!("1".repeat(65)), json!(null), json!("12\u{0}456")]
    {
        let body = json!({"code": code});
        let answer = app.post("/api/auth/totp/confirm", Some(&here), body).await;
        answer.is_problem(422, "VALIDATION_FAILED");
    }
    let mut body = json!({"site_id": PLAYER.0, "password": PLAYER.1, "totp": 123_456});
    app.post("/api/auth/login", None, body.clone()).await.is_problem(422, "VALIDATION_FAILED");
    // Whoever has no second factor is not asked for one, and a form may send an empty field.
    for unasked in [json!(null), json!("123456")] {
        body["totp"] = unasked;
        assert_eq!(app.post("/api/auth/login", None, body.clone()).await.status, 200, "{body}");
    }
}
