//! `/api/users/profile`.

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{Answer, App, PLAYER};
use crate::mailbox::{Mailbox, change, club, confirm, settle};

async fn profile(app: &App, token: &str) -> Answer {
    app.get("/api/users/profile", Some(token)).await
}

async fn change_if(app: &App, token: &str, tag: &str, wish: &Value) -> Answer {
    let request = app.http.request(Method::PUT, format!("{}/api/users/profile", app.url));
    let request = request.bearer_auth(token).header("If-Match", tag).json(wish);
    Answer::read(request.send().await.unwrap()).await
}

#[tokio::test]
async fn what_people_may_change_is_changed_once_and_on_the_version_that_they_saw() {
    let app = App::start().await;
    let player = app.player().await;
    let before = profile(&app, &player).await;
    assert_eq!(before.body["language"], "ko");
    assert_eq!(
        (&before.body["email"], &before.body["pending_email"]),
        (&json!(null), &json!(null))
    );
    assert_eq!(before.body["marketing_mail"], false, "nobody gets offers without asking for them");
    assert_eq!(before.headers["cache-control"], "no-store");
    let tag = before.headers["etag"].to_str().unwrap();

    let wish = json!({"nickname": "새 이름", "language": "en", "marketing_mail": true});
    let changed = change_if(&app, &player, tag, &wish).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert_eq!(changed.body["nickname"], "새 이름");
    let position = changed.body["position"].as_u64().unwrap();
    change_if(&app, &player, tag, &json!({"language": "ko"}))
        .await
        .is_problem(412, "PRECONDITION_FAILED");
    let same = change(&app, &player, wish).await;
    assert_eq!((&same.headers["etag"], same.status.as_u16()), (&changed.headers["etag"], 200));
    let head = u64::try_from(app.database.head().await).unwrap();
    assert_eq!(head, position, "what is so already is no news");

    // The nickname is taken, in any case, and is what they sign in with.
    let other = app.sign_in("/api/auth/login", ("minjun", "1234")).await;
    change(&app, &other, json!({"nickname": "새 이름"})).await.is_problem(409, "NICKNAME_TAKEN");
    app.sign_in("/api/auth/login", ("새 이름", PLAYER.1)).await;
    for bad in [
        json!({"nickname": "x"}),
        json!({"nickname": "a\u{0}b"}),
        json!({"nickname": "two\nlines"}),
        json!({"nickname": null}),
        json!({"language": "fr"}),
        json!({"email": "nobody"}),
        json!({"email": "a@b.test\r\nBcc: all@b.test"}),
        json!({"email": "<a@b.test>"}),
        json!({"email": "a@b.test,c@d.test"}),
        json!({"email": "á@b.test"}),
        json!({"marketing_mail": "yes"}),
        json!({"site_id": "admin"}),
    ] {
        change(&app, &player, bad).await.is_problem(422, "VALIDATION_FAILED");
    }
    assert_eq!(profile(&app, &player).await.headers["etag"], changed.headers["etag"]);
}

#[tokio::test]
async fn an_address_counts_once_the_newest_link_to_it_comes_back_and_only_once() {
    let app = club(&[]).await;
    let player = app.player().await;
    let (first, second) = (Mailbox::new("first"), Mailbox::new("second"));
    let wish = |to: &Mailbox| json!({"email": to.address, "current_password": PLAYER.1});
    let without = json!({"email": first.address});
    change(&app, &player, without).await.is_problem(401, "INVALID_CREDENTIALS");
    let wrong = json!({"email": first.address, "current_password": "wrong"});
    change(&app, &player, wrong).await.is_problem(401, "INVALID_CREDENTIALS");

    let changed = change(&app, &player, wish(&first)).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert_eq!(changed.body["pending_email"], first.address);
    assert_eq!(changed.body["email"], json!(null), "not used before it is confirmed");
    let old = first.next(0).await.token();
    change(&app, &player, wish(&second)).await;
    let new = second.next(0).await.token();
    confirm(&app, &old).await.is_problem(410, "LINK_EXPIRED");
    confirm(&app, "garbage").await.is_problem(410, "LINK_EXPIRED");
    assert_eq!(confirm(&app, &new).await.status, 200);
    confirm(&app, &new).await.is_problem(410, "LINK_EXPIRED");
    let now = profile(&app, &player).await.body;
    assert_eq!((&now["email"], &now["pending_email"]), (&json!(second.address), &json!(null)));

    let removed = change(&app, &player, json!({"email": null, "current_password": PLAYER.1})).await;
    assert_eq!((removed.status.as_u16(), &removed.body["email"]), (200, &json!(null)));
    // Nobody is told where somebody else's letter box is, and the log knows none.
    let mut superuser = app.database.superuser().await;
    let told: i64 = sqlx::query_scalar(
        "select count(*) from events where payload::text like '%@%' or metadata::text like '%@%'",
    )
    .fetch_one(&mut superuser)
    .await
    .unwrap();
    assert_eq!(told, 0);
    let select = "select count(*) from mail.outbox where outbox::text like '%@%'";
    let told: i64 = sqlx::query_scalar(select).fetch_one(&mut superuser).await.unwrap();
    assert_eq!(told, 0);
}

#[tokio::test]
async fn two_people_never_share_a_confirmed_address_whatever_case_they_write_it_in() {
    let app = club(&[]).await;
    let (player, other) =
        (app.player().await, app.sign_in("/api/auth/login", ("minjun", "1234")).await);
    let mailbox = Mailbox::new("shared");
    settle(&app, (&player, PLAYER.1), &mailbox, "ko").await;
    let loud = mailbox.address.replace("shared", "SHARED");
    let wish = json!({"email": loud, "current_password": "1234"});
    // Whether somebody has it is not told before its owner has the link.
    assert_eq!(change(&app, &other, wish.clone()).await.status, 200);
    let at = Mailbox::at(&loud);
    confirm(&app, &at.next(0).await.token()).await.is_problem(409, "EMAIL_TAKEN");
    assert_eq!(profile(&app, &player).await.body["email"], mailbox.address);
    assert_eq!(profile(&app, &other).await.body["email"], json!(null));
    // Nobody's letter box is filled through the club.
    for _ in 0..4 {
        assert_eq!(change(&app, &other, wish.clone()).await.status, 200);
    }
    change(&app, &other, wish).await.is_problem(429, "RATE_LIMIT");
}
