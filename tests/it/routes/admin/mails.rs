//! `/api/admin/mails`: each mail in both languages, and what is seen of those that are not sent.

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{Answer, App, PLAYER, PLAYER_ID};
use crate::mailbox::{Letter, Mailbox, after, change, club, confirm, settle, until};
use crate::newcomers::{invite, sign_up, wish};

/// Nothing of a hostile name that a browser or a mail server would take for its own.
const HOSTILE: &str = "<b onclick=x>&\"' {{7*7}}";

async fn buy(app: &App, player: &str) -> Value {
    let bought = app.post("/api/shop/buy", Some(player), json!({"product_id": 1001})).await;
    assert_eq!(bought.status, 200, "{}", bought.text);
    bought.body["receipt_code"].clone()
}

async fn refund(app: &App, admin: &str, receipt: &Value, key: &str) {
    let path = format!("/api/admin/transactions/{}/refund", receipt.as_str().unwrap());
    let wish = json!({"reason": "a test"});
    let done = app.post_keyed(&path, admin, key, &wish).await;
    assert_eq!(done.status, 200, "{}", done.text);
}

/// Holds for every mail.
fn is_whole(letter: &Letter, language: &str) {
    assert_eq!(letter.header("Content-Language"), Some(language));
    assert_eq!(letter.header("Auto-Submitted"), Some("auto-generated"));
    assert!(letter.html.contains(&format!("<html lang=\"{language}\">")), "{}", letter.html);
    assert!(letter.html.trim_end().ends_with("</html>"), "{}", letter.html);
    assert!(letter.message_id.ends_with("@club.example>"), "{}", letter.message_id);
    assert!(letter.header("List-Unsubscribe").is_none(), "no way out of receipts");
    for text in [&letter.text, &letter.html] {
        assert!(!text.contains("{{") || text.contains("7*7"), "{text}");
    }
}

#[tokio::test]
async fn receipt_refund_and_ban_arrive_in_the_players_language_as_text_and_html() {
    let app = club(&[]).await;
    let admin = app.admin().await;
    for (language, name, id, told) in [
        ("ko", PLAYER.0, 23, ["구매 영수증", "환불 안내", "계정 이용이 제한되었습니다"]),
        ("en", "minjun", 6, ["Your receipt", "Your refund", "has been restricted"]),
    ] {
        let player = app.sign_in("/api/auth/login", (name, "1234")).await;
        let me = app.get("/api/auth/me", Some(&player)).await.body["id"].as_i64().unwrap();
        assert_eq!(me, id, "the demo's players");
        let mailbox = Mailbox::new(language);
        settle(&app, (&player, "1234"), &mailbox, language).await;
        change(&app, &player, json!({"nickname": format!("{HOSTILE} {language}")})).await;

        let receipt = buy(&app, &player).await;
        let code = receipt.as_str().unwrap();
        let letter = mailbox.next(1).await;
        is_whole(&letter, language);
        let amount = if language == "ko" { "US$2.99" } else { "$2.99" };
        assert_eq!(letter.subject, format!("{} {code} ({amount})", told[0]));
        for text in [&letter.text, &letter.html] {
            for figure in [code, amount, "GOLD_PACK_SMALL", "100"] {
                assert!(text.contains(figure), "{figure} in {text}");
            }
        }
        assert!(letter.text.contains(HOSTILE), "text is text: {}", letter.text);
        assert!(letter.html.contains("&lt;b onclick"), "{}", letter.html);
        assert!(!letter.html.contains("<b "), "{}", letter.html);

        refund(&app, &admin, &receipt, language).await;
        let letter = mailbox.next(2).await;
        is_whole(&letter, language);
        assert_eq!(letter.subject, format!("{} {code} ({amount})", told[1]));

        let ban = json!({"reason": "secret reason", "duration_hours": 24});
        let path = format!("/api/admin/users/{id}/ban");
        assert_eq!(app.post(&path, Some(&admin), ban).await.status, 200);
        let letter = mailbox.next(3).await;
        is_whole(&letter, language);
        assert!(letter.subject.contains(told[2]), "{}", letter.subject);
        assert!(!letter.text.contains("secret reason"), "the reason is the staff's");
        let sent = until(&app, &admin, id, ("receipt", "sent")).await;
        assert_eq!((&sent["attempts"], &sent["server_said"]), (&json!(1), &json!(null)));
    }
}

#[tokio::test]
async fn a_newcomer_is_welcomed_once_the_address_is_confirmed() {
    let app = club(&[]).await;
    invite(&app, "HALL", 3).await;
    for (number, language) in [(1, "ko"), (2, "en")] {
        let mailbox = Mailbox::new("newcomer");
        let mut wish = wish(number, "HALL");
        wish["email"] = json!(mailbox.address);
        wish["nickname"] = json!(format!("evil.example/{number}"));
        let signed_up = sign_up(&app, &wish).await;
        assert_eq!(signed_up.status, 201, "{}", signed_up.text);
        let asked = mailbox.next(0).await;
        is_whole(&asked, "ko");
        // Whoever signs up may write anything there, and the address may be a stranger's.
        assert!(!asked.raw.contains("evil.example") && !asked.text.contains("evil.example"));
        let (id, token) =
            (signed_up.body["user"]["id"].as_i64().unwrap(), &signed_up.body["access_token"]);
        let admin = app.admin().await;
        until(&app, &admin, id, ("welcome", "queued")).await;
        change(&app, token.as_str().unwrap(), json!({"language": language})).await;
        assert_eq!(confirm(&app, &asked.token()).await.status, 200);
        let welcome = mailbox.next(1).await;
        is_whole(&welcome, language);
        let told = if language == "ko" { "환영합니다" } else { "Welcome" };
        assert!(welcome.subject.contains(told), "{}", welcome.subject);
        assert!(welcome.html.contains("1,000"));
    }
    let mut wish = wish(3, "HALL");
    wish["email"] = json!("not an address");
    sign_up(&app, &wish).await.is_problem(422, "VALIDATION_FAILED");
}

#[tokio::test]
async fn what_is_not_sent_says_why() {
    let app = club(&[]).await;
    let (player, admin) = (app.player().await, app.admin().await);
    buy(&app, &player).await;
    let nowhere = until(&app, &admin, PLAYER_ID, ("receipt", "no_address")).await;
    assert!(nowhere["finished_at"].is_string());

    let mailbox = Mailbox::new("suppressed");
    settle(&app, (&player, PLAYER.1), &mailbox, "ko").await;
    let wish = json!({"user_id": PLAYER_ID, "reason": "it comes back"});
    let suppressions = "/api/admin/mails/suppressions";
    let done = app.post(suppressions, Some(&admin), wish).await;
    assert_eq!((done.status.as_u16(), &done.body["is_suppressed"]), (200, &json!(true)));
    let listed = app.get(suppressions, Some(&admin)).await;
    assert_eq!(listed.body["items"][0]["user_id"], PLAYER_ID, "{}", listed.text);
    buy(&app, &player).await;
    until(&app, &admin, PLAYER_ID, ("receipt", "suppressed")).await;
    assert_eq!(mailbox.letters().len(), 1, "only the link");
    let path = format!("{suppressions}/{PLAYER_ID}");
    let done = app.call(Method::DELETE, &path, Some(&admin), None).await;
    assert_eq!((done.status.as_u16(), &done.body["is_suppressed"]), (200, &json!(false)));
    assert_eq!(app.get(suppressions, Some(&admin)).await.body["items"], json!([]));
    let nobody = json!({"user_id": 4711, "reason": "nobody"});
    app.post(suppressions, Some(&admin), nobody).await.is_problem(404, "NOT_FOUND");

    // What found no address is sent once more when there is one; a repeat sends no second.
    let resend = format!("/api/admin/mails/{}/resend", nowhere["id"]);
    for _ in 0..2 {
        let again = app.post_keyed(&resend, &admin, "again", &json!({})).await;
        assert_eq!(again.status, 200, "{}", again.text);
    }
    let letter = mailbox.next(1).await;
    assert!(letter.subject.starts_with("구매 영수증"), "{}", letter.subject);
    let sent = until(&app, &admin, PLAYER_ID, ("receipt", "sent")).await;
    assert_eq!(sent["resent_of"], nowhere["id"]);
    assert_eq!(mailbox.letters().len(), 2);
    let page = "/api/admin/mails?user_id=23&limit=2";
    let first = app.get(page, Some(&admin)).await.body;
    let cursor = format!("{page}&cursor={}", first["next_cursor"].as_str().unwrap());
    let second = app.get(&cursor, Some(&admin)).await.body;
    assert!(second["items"][0]["id"].as_i64() < first["items"][1]["id"].as_i64());
    for bad in ["?status=lost", "?kind=love", "?x=1"] {
        let path = format!("/api/admin/mails{bad}");
        app.get(&path, Some(&admin)).await.is_problem(400, "BAD_REQUEST");
    }
}

#[tokio::test]
async fn a_server_that_refuses_is_quoted_and_asked_again_unless_it_says_never() {
    let app = club(&[]).await;
    let (player, admin) = (app.player().await, app.admin().await);
    let refused = Mailbox::new("refuse-for-good");
    let wish = |to: &Mailbox| json!({"email": to.address, "current_password": PLAYER.1});
    change(&app, &player, wish(&refused)).await;
    let failed = until(&app, &admin, PLAYER_ID, ("confirm_email", "failed")).await;
    let said = failed["server_said"].as_str().unwrap();
    assert_eq!(said, "550 5.1.1 <…>: there is nobody here", "without the address");

    let later = Mailbox::new("refuse-once");
    change(&app, &player, wish(&later)).await;
    assert!(later.next(0).await.subject.contains("확인"));
    let sent = until(&app, &admin, PLAYER_ID, ("confirm_email", "sent")).await;
    assert_eq!(sent["attempts"], 2);

    let never = Mailbox::new("refuse-for-now");
    change(&app, &player, wish(&never)).await;
    let waits = until(&app, &admin, PLAYER_ID, ("confirm_email", "queued")).await;
    assert!(waits["due_at"].is_string());
}

#[tokio::test]
async fn without_a_mail_server_nothing_breaks_and_every_mail_is_seen() {
    let app = App::start().await;
    let (player, admin) = (app.player().await, app.admin().await);
    buy(&app, &player).await;
    until(&app, &admin, PLAYER_ID, ("receipt", "not_configured")).await;
    let wish = json!({"email": "me@mail.test", "current_password": PLAYER.1});
    assert_eq!(change(&app, &player, wish).await.status, 200);
    until(&app, &admin, PLAYER_ID, ("confirm_email", "not_configured")).await;
    let ready = app.get("/ready", None).await;
    assert_eq!((ready.status.as_u16(), &ready.body["dependencies"]["mail"]), (200, &json!("off")));
    let follower =
        ready.body["followers"].as_array().unwrap().iter().find(|it| it["name"] == "mail");
    assert!(follower.is_some(), "{}", ready.text);
}

#[tokio::test]
async fn what_a_mail_says_is_personal_and_its_links_are_nobody_elses() {
    let app = club(&[]).await;
    let (player, admin) = (app.player().await, app.admin().await);
    let mailbox = Mailbox::new("seen");
    settle(&app, (&player, PLAYER.1), &mailbox, "ko").await;
    app.post("/api/auth/password/forgot", None, json!({"site_id": PLAYER.0})).await;
    let token = mailbox.next(1).await.token();
    let mail = until(&app, &admin, PLAYER_ID, ("password_reset", "sent")).await;
    let path = format!("/api/admin/mails/{}", mail["id"]);
    let operator = app.sign_in("/api/auth/admin/login", ("operator", "operator123")).await;
    app.get(&path, Some(&operator)).await.is_problem(403, "FORBIDDEN");
    let seen: Answer = app.get(&path, Some(&admin)).await;
    assert_eq!(seen.body["preview"]["to"], mailbox.address, "{}", seen.text);
    assert!(!seen.text.contains(&token), "nobody of the staff takes the account");
    assert!(after(seen.body["preview"]["text"].as_str().unwrap(), "#").starts_with('…'));
    let head = u64::try_from(app.database.head().await).unwrap();
    let looks = "/api/admin/audit/logs?action=personal_data_seen&target=23";
    let looks = app.get_at(looks, &admin, head).await;
    assert_eq!(looks.body["items"].as_array().unwrap().len(), 1, "{}", looks.text);
    app.get("/api/admin/mails/4711", Some(&admin)).await.is_problem(404, "NOT_FOUND");
}
