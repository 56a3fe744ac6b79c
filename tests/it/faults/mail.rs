//! Mail when something breaks: the mail server is away or hangs up, the service dies in the worst moment.

use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use crate::app::{App, PLAYER, PLAYER_ID, demo_database};
use crate::mailbox::{Mailbox, change, club, club_on, settle, smtp_url, until};
use crate::routes::admin::campaigns::{ask, draw_up, finished, people};

async fn buy(app: &App, player: &str) {
    let bought = app.post("/api/shop/buy", Some(player), json!({"product_id": 1001})).await;
    assert_eq!(bought.status, 200, "{}", bought.text);
}

/// A player of the demo with a letter box, on a database that no node works on.
async fn settled(name: &str) -> (crate::database::Database, Mailbox) {
    let app = club(&[]).await;
    let mailbox = Mailbox::new(name);
    settle(&app, (&app.player().await, PLAYER.1), &mailbox, "ko").await;
    let database = app.database.clone();
    assert!(app.stop().await.success());
    (database, mailbox)
}

/// A port at which nobody listens.
async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

/// The tests' mail server, at another port.
async fn open_at(port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let server = smtp_url().strip_prefix("smtp://").unwrap().to_owned();
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut server = TcpStream::connect(&server).await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut client, &mut server).await });
        }
    });
}

#[tokio::test]
async fn while_the_mail_server_is_away_mail_waits_and_is_sent_once_it_is_back() {
    let (database, mailbox) = settled("patient").await;
    let port = free_port().await;
    let url = format!("smtp://127.0.0.1:{port}");
    let app = App::start_on(database, &[("MAIL_SMTP_URL", &url)]).await;
    let (player, admin) = (app.player().await, app.admin().await);
    for _ in 0..3 {
        buy(&app, &player).await;
    }
    until(&app, &admin, PLAYER_ID, ("receipt", "queued")).await;
    // Seen by whoever looks after it, and nobody else is held up.
    loop {
        let ready = app.get("/ready", None).await;
        assert_eq!(ready.status, 200);
        let mail = ready.body["dependencies"]["mail"].as_str().unwrap();
        if mail.starts_with("away: ") && ready.body["mail_queued"] == 3 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let metrics = app.get("/metrics", None).await.text;
    assert!(metrics.contains("club_mail_queued 3"), "{metrics}");
    open_at(port).await;
    let letters = mailbox.until(4).await;
    assert_eq!(letters.len(), 4, "the link and three receipts, each once");
    until(&app, &admin, PLAYER_ID, ("receipt", "sent")).await;
    assert_eq!(app.get("/ready", None).await.body["dependencies"]["mail"], "up");
}

#[tokio::test]
async fn a_server_that_hangs_up_gets_the_mail_again() {
    let app = club(&[]).await;
    let player = app.player().await;
    let mailbox = Mailbox::new("hang-up-once");
    settle(&app, (&player, PLAYER.1), &mailbox, "en").await;
    assert_eq!(mailbox.letters().len(), 1);
}

#[tokio::test]
async fn a_mail_at_which_the_server_always_hangs_up_holds_up_no_other() {
    let app = club(&[]).await;
    let (player, admin) = (app.player().await, app.admin().await);
    let bad = Mailbox::new("hang-up-always");
    let wish = json!({"email": bad.address, "current_password": PLAYER.1});
    assert_eq!(change(&app, &player, wish).await.status, 200);
    let other = app.sign_in("/api/auth/login", ("minjun", "1234")).await;
    settle(&app, (&other, "1234"), &Mailbox::new("healthy"), "ko").await;
    let waits = until(&app, &admin, PLAYER_ID, ("confirm_email", "queued")).await;
    assert!(waits["attempts"].as_i64().unwrap() >= 1, "{waits}");
    assert!(waits["server_said"].is_string(), "{waits}");
    assert_eq!(app.get("/ready", None).await.body["dependencies"]["mail"], "up");
}

#[tokio::test]
async fn a_crash_between_sending_and_marking_sends_the_same_mail_again_under_the_same_id() {
    let (database, mailbox) = settled("twice").await;
    let mut doomed = club_on(database.clone(), &[("CLUB_FAULT", "mail/sent")]).await;
    let player = doomed.player().await;
    buy(&doomed, &player).await;
    assert!(!doomed.ended().await.success());
    assert_eq!(mailbox.letters().len(), 2, "the link, and the receipt that nobody marked");
    let app = club_on(database, &[]).await;
    let letters = mailbox.until(3).await;
    assert_eq!(letters[1].message_id, letters[2].message_id);
    assert_ne!(letters[0].message_id, letters[1].message_id);
    let admin = app.admin().await;
    until(&app, &admin, PLAYER_ID, ("receipt", "sent")).await;
    assert_eq!(mailbox.letters().len(), 3);
}

#[tokio::test]
async fn two_nodes_send_each_mail_once_and_old_events_mail_nobody() {
    // What happened before there was a follower of mail.
    let database = demo_database().await;
    let old = App::start_on(database.clone(), &[]).await;
    buy(&old, &old.player().await).await;
    assert!(old.stop().await.success());
    let mut superuser = database.superuser().await;
    for forget in ["delete from read.followers where name = 'mail'", "delete from mail.outbox"] {
        sqlx::query(forget).execute(&mut superuser).await.unwrap();
    }
    let (one, two) = (club_on(database.clone(), &[]).await, club_on(database, &[]).await);
    let mailbox = Mailbox::new("nodes");
    let player = one.player().await;
    settle(&one, (&player, PLAYER.1), &mailbox, "ko").await;
    for round in 0..10 {
        buy(if round % 2 == 0 { &one } else { &two }, &player).await;
    }
    let letters = mailbox.until(11).await;
    let admin = one.admin().await;
    let rows = one.get("/api/admin/mails?kind=receipt&user_id=23&status=sent", Some(&admin));
    assert_eq!(rows.await.body["items"].as_array().unwrap().len(), 10);
    let mut ids: Vec<_> = letters.iter().map(|letter| &letter.message_id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), mailbox.letters().len()), (11, 11));
}

#[tokio::test]
async fn a_campaign_that_dies_on_its_way_is_got_by_nobody_twice_and_says_of_whom_it_does_not_know()
{
    for (fault, got) in [("mail/campaign_marked", 2), ("mail/sent", 3)] {
        let fast = ("MAIL_CAMPAIGN_PER_MINUTE", "60000");
        let app = club(&[]).await;
        let people = people(&app).await;
        let database = app.database.clone();
        assert!(app.stop().await.success());
        let mut doomed = club_on(database.clone(), &[fast, ("CLUB_FAULT", fault)]).await;
        let admin = doomed.admin().await;
        let id = draw_up(&doomed, &admin, json!("all")).await;
        // It may be gone before it answers.
        let start = format!("{}/api/admin/campaigns/{id}/start", doomed.url);
        drop(doomed.http.post(start).bearer_auth(&admin).json(&json!({})).send().await);
        assert!(!doomed.ended().await.success());
        let (one, two) =
            (club_on(database.clone(), &[fast]).await, club_on(database, &[fast]).await);
        let admin = one.admin().await;
        let counts = finished(&one, &admin, id).await;
        assert_eq!((&counts["sent"], &counts["unknown"]), (&json!(2), &json!(1)), "{counts}");
        let arrived = people.iter().map(|it| it.mailbox.letters().len() - 1);
        let arrived: Vec<usize> = arrived.collect();
        assert!(arrived.iter().all(|letters| *letters <= 1), "{fault}: {arrived:?}");
        assert_eq!(arrived.iter().sum::<usize>(), got, "{fault}");
        ask(&two, &admin, id, "resume").await.is_problem(409, "CONFLICT");
    }
}
