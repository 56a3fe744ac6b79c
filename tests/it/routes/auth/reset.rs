//! `/api/auth/password/forgot` and `/reset`.

use serde_json::json;
use tokio::time::Instant;

use crate::app::{Answer, App, PLAYER, PLAYER_ID};
use crate::mailbox::{Mailbox, club, settle, until};
use crate::provider::wait_for;

async fn forgot(app: &App, name: &str) -> Answer {
    app.post("/api/auth/password/forgot", None, json!({"site_id": name})).await
}

async fn reset(app: &App, token: &str, password: &str) -> Answer {
    let body = json!({"token": token, "password": password});
    app.post("/api/auth/password/reset", None, body).await
}

async fn log_in(app: &App, password: &str) -> Answer {
    let body = json!({"site_id": PLAYER.0, "password": password});
    app.post("/api/auth/login", None, body).await
}

#[tokio::test]
async fn whoever_has_the_letter_box_sets_another_password_and_everybody_else_is_out() {
    let app = club(&[]).await;
    let player = app.player().await;
    let mailbox = Mailbox::new("forgetful");
    settle(&app, (&player, PLAYER.1), &mailbox, "en").await;

    // By site id, by nickname in another case, by address in another case: the newest link counts.
    let nickname = app.get("/api/users/profile", Some(&player)).await.body["nickname"].clone();
    let names = [
        PLAYER.0.to_owned(),
        nickname.as_str().unwrap().to_uppercase(),
        mailbox.address.to_uppercase(),
    ];
    let mut tokens = vec![];
    for (name, known) in names.iter().zip(1..) {
        assert_eq!(forgot(&app, name).await.status, 202);
        let letter = mailbox.next(known).await;
        assert_eq!(letter.subject, "Your link to set a new password");
        assert!(letter.text.contains("30 minutes"), "{}", letter.text);
        tokens.push(letter.token());
    }
    // More are asked for in vain, and look the same.
    assert_eq!(forgot(&app, PLAYER.0).await.text, forgot(&app, "nobody at all").await.text);
    for old in &tokens[..2] {
        reset(&app, old, "another password").await.is_problem(410, "LINK_EXPIRED");
    }
    // A password that cannot be used does not use the link up.
    reset(&app, &tokens[2], "x").await.is_problem(422, "VALIDATION_FAILED");
    let both = tokio::join!(
        reset(&app, &tokens[2], "first password"),
        reset(&app, &tokens[2], "second password")
    );
    let statuses = [both.0.status.as_u16(), both.1.status.as_u16()];
    assert!(statuses == [200, 410] || statuses == [410, 200], "once: {statuses:?}");
    let new = if statuses[0] == 200 { "first password" } else { "second password" };
    app.until_refused(&player).await.is_problem(401, "UNAUTHENTICATED");
    log_in(&app, PLAYER.1).await.is_problem(401, "INVALID_CREDENTIALS");
    assert_eq!(log_in(&app, new).await.status, 200);
    let last = mailbox.until(5).await.pop().unwrap();
    assert_eq!(last.subject, "Your password was changed");
}

#[tokio::test]
async fn nobody_learns_who_is_in_the_club() {
    let app = club(&[]).await;
    let player = app.player().await;
    let mailbox = Mailbox::new("private");
    settle(&app, (&player, PLAYER.1), &mailbox, "ko").await;
    let mut times = vec![];
    // Somebody with an address, somebody without, nobody.
    for name in [PLAYER.0, "minjun", "nobody at all", &mailbox.address, "nobody@mail.test"] {
        let began = Instant::now();
        let answer = forgot(&app, name).await;
        times.push(began.elapsed().as_millis());
        assert_eq!(answer.status, 202, "{}", answer.text);
        assert_eq!(answer.body["success"], true);
    }
    assert!(times.iter().all(|time| *time >= 250), "as long for everybody: {times:?}");
    mailbox.until(3).await;
    let admin = app.admin().await;
    let none = app.get("/api/admin/mails?user_id=6&kind=password_reset", Some(&admin)).await;
    assert_eq!(none.body["items"], json!([]));
}

#[tokio::test]
async fn a_link_is_good_for_half_an_hour_and_ends_no_ban() {
    let app = club(&[]).await;
    let (player, admin) = (app.player().await, app.admin().await);
    let mailbox = Mailbox::new("banned");
    settle(&app, (&player, PLAYER.1), &mailbox, "ko").await;
    forgot(&app, PLAYER.0).await;
    let late = mailbox.next(1).await.token();
    wait_for(&app, 30 * 60).await;
    reset(&app, &late, "another password").await.is_problem(410, "LINK_EXPIRED");

    let admin_again = app.admin().await;
    let ban = app.post("/api/admin/users/23/ban", Some(&admin_again), json!({"reason": "a test"}));
    assert_eq!(ban.await.status, 200);
    let known = mailbox.until(3).await.len();
    forgot(&app, PLAYER.0).await;
    let token = mailbox.next(known).await.token();
    assert_eq!(reset(&app, &token, "another password").await.status, 200);
    log_in(&app, "another password").await.is_problem(403, "BANNED");
    drop(admin);
}

#[tokio::test]
async fn a_changed_password_takes_links_back_and_whoever_was_locked_out_is_let_in() {
    let app = club(&[]).await;
    let player = app.player().await;
    let mailbox = Mailbox::new("locked");
    settle(&app, (&player, PLAYER.1), &mailbox, "ko").await;
    forgot(&app, PLAYER.0).await;
    let token = mailbox.next(1).await.token();
    let wish = json!({"current_password": PLAYER.1, "new_password": "changed"});
    let changed = app.call(reqwest::Method::PUT, "/api/auth/password", Some(&player), Some(wish));
    assert_eq!(changed.await.status, 200);
    let letter = mailbox.next(2).await;
    assert_eq!(letter.subject, "비밀번호가 변경되었습니다");
    reset(&app, &token, "another password").await.is_problem(410, "LINK_EXPIRED");

    while log_in(&app, "wrong").await.status != 429 {}
    log_in(&app, "changed").await.is_problem(429, "RATE_LIMIT");
    forgot(&app, PLAYER.0).await;
    let token = mailbox.next(3).await.token();
    assert_eq!(reset(&app, &token, "another password").await.status, 200);
    assert_eq!(log_in(&app, "another password").await.status, 200);
    // A link that was not used in time is not mailed late.
    let admin = app.admin().await;
    until(&app, &admin, PLAYER_ID, ("password_reset", "sent")).await;
}
