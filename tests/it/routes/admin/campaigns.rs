//! `/api/admin/campaigns`, and the way out of them.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::app::{Answer, App};
use crate::mailbox::{Mailbox, change, club, settle, until};
use crate::provider::wait_for;

/// Players of the demo: number, name, language.
const PEOPLE: [(i64, &str, &str); 3] =
    [(23, "testuser20250926012525", "ko"), (6, "minjun", "en"), (7, "seoyeon", "ko")];

/// Somebody with a letter box.
pub struct Person {
    pub id: i64,
    pub token: String,
    pub mailbox: Mailbox,
}

/// Three of the demo's players with letter boxes, who want offers.
pub async fn people(app: &App) -> Vec<Person> {
    let mut people = vec![];
    for (_, name, language) in PEOPLE {
        let token = app.sign_in("/api/auth/login", (name, "1234")).await;
        let id = app.get("/api/auth/me", Some(&token)).await.body["id"].as_i64().unwrap();
        let mailbox = Mailbox::new("campaign");
        settle(app, (&token, "1234"), &mailbox, language).await;
        assert_eq!(change(app, &token, json!({"marketing_mail": true})).await.status, 200);
        people.push(Person { id, token, mailbox });
    }
    people
}

/// Draws a campaign up; its number.
pub async fn draw_up(app: &App, admin: &str, audience: Value) -> i64 {
    let wish = json!({"subject": "봄 <소식>", "subject_en": "Spring <news>",
        "body": "첫 문단 <b>&\n\nhttps://club.test/spring\n\n끝", "body_en": "One <b>&\n\nhttps://club.test/spring\n\nend",
        "audience": audience});
    let drawn = app.post("/api/admin/campaigns", Some(admin), wish).await;
    assert_eq!(drawn.status, 201, "{}", drawn.text);
    drawn.body["id"].as_i64().unwrap()
}

/// Asks something of a campaign.
pub async fn ask(app: &App, admin: &str, id: i64, what: &str) -> Answer {
    app.post(&format!("/api/admin/campaigns/{id}/{what}"), Some(admin), json!({})).await
}

async fn campaign(app: &App, admin: &str, id: i64) -> Value {
    app.get(&format!("/api/admin/campaigns/{id}"), Some(admin)).await.body
}

/// Waits until a campaign is finished; what became of it.
pub async fn finished(app: &App, admin: &str, id: i64) -> Value {
    let latest = Instant::now() + Duration::from_secs(20);
    loop {
        let now = campaign(app, admin, id).await;
        if now["status"] == "finished" {
            return now["counts"].clone();
        }
        assert!(Instant::now() < latest, "not finished: {now}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// How many the dry run of a start says would get it.
async fn expected(app: &App, admin: &str, audience: Value) -> Value {
    let id = draw_up(app, admin, audience).await;
    let dry = ask(app, admin, id, "start?dry_run=true").await;
    assert_eq!(dry.status, 200, "{}", dry.text);
    dry.body["events"][0]["data"]["expected"].clone()
}

#[tokio::test]
async fn a_dry_run_tells_how_many_would_get_it() {
    let app = club(&[]).await;
    let admin = app.admin().await;
    let people = people(&app).await;
    let ids: Vec<i64> = people.iter().map(|it| it.id).collect();
    assert_eq!(expected(&app, &admin, json!("all")).await, 3);
    assert_eq!(expected(&app, &admin, json!({"list": [ids[0], ids[0], 8, 4711]})).await, 1);
    assert_eq!(expected(&app, &admin, json!({"segment": {"language": "en"}})).await, 1);
    assert_eq!(expected(&app, &admin, json!({"segment": {"rank": "VIP"}})).await, 0);
    assert_eq!(expected(&app, &admin, json!({"segment": {"min_level": 2}})).await, 0);
    assert_eq!(expected(&app, &admin, json!({"segment": {"max_level": 1}})).await, 3);
}

#[tokio::test]
async fn whoever_asked_for_news_gets_it_once_in_their_language_with_a_way_out() {
    let app = club(&[("MAIL_CAMPAIGN_PER_MINUTE", "60000")]).await;
    let admin = app.admin().await;
    let people = people(&app).await;
    let id = draw_up(&app, &admin, json!("all")).await;
    for what in ["stop", "resume"] {
        ask(&app, &admin, id, what).await.is_problem(409, "CONFLICT");
    }
    assert_eq!(ask(&app, &admin, id, "start").await.status, 200);
    let counts = finished(&app, &admin, id).await;
    assert_eq!(
        (&counts["recipients"], &counts["sent"], &counts["queued"]),
        (&json!(3), &json!(3), &json!(0))
    );
    ask(&app, &admin, id, "start").await.is_problem(409, "CONFLICT");

    for (person, (_, _, language)) in people.iter().zip(PEOPLE) {
        let letters = person.mailbox.until(2).await;
        let letter = &letters[1];
        let subject = if language == "ko" { "(광고) 봄 <소식>" } else { "(Ad) Spring <news>" };
        assert_eq!(letter.subject, subject, "an advertisement says so");
        assert!(
            letter.html.contains("&lt;b&gt;&amp;") && !letter.html.contains("<b>"),
            "{}",
            letter.html
        );
        assert!(
            letter.html.contains("<a href=\"https://club.test/spring\"")
                || letter.html.contains("href=\"https:&#x2f;&#x2f;club.test&#x2f;spring\""),
            "{}",
            letter.html
        );
        assert!(letter.text.contains("https://club.test/spring"), "{}", letter.text);
        let way_out = letter.header("List-Unsubscribe").unwrap();
        assert_eq!(letter.header("List-Unsubscribe-Post"), Some("List-Unsubscribe=One-Click"));
        let link = way_out.trim_matches(['<', '>']);
        assert!(link.starts_with(&app.url) && letter.text.contains(link), "{way_out}");
        assert_eq!(letters.len(), 2);
    }

    // One click, as mail programs do it; looking changes nothing; twice is once.
    let leaver = &people[0];
    let letter = leaver.mailbox.letters().pop().unwrap();
    let link = letter.header("List-Unsubscribe").unwrap().trim_matches(['<', '>']).to_owned();
    let looked = app.http.get(&link).send().await.unwrap();
    assert_eq!(looked.status(), 200);
    assert!(looked.text().await.unwrap().contains("method=\"post\""));
    let wants = async || {
        app.get("/api/users/profile", Some(&leaver.token)).await.body["marketing_mail"].clone()
    };
    assert_eq!(wants().await, true);
    for _ in 0..2 {
        let form = app.http.post(&link).form(&[("List-Unsubscribe", "One-Click")]);
        assert_eq!(form.send().await.unwrap().status(), 200);
        assert_eq!(wants().await, false);
    }
    let forged =
        link.replace(&format!("token={}.", leaver.id), &format!("token={}.", people[1].id));
    assert_eq!(app.http.post(&forged).send().await.unwrap().status(), 410);
    assert_eq!(expected(&app, &admin, json!("all")).await, 2);
}

#[tokio::test]
async fn a_campaign_waits_for_its_time_is_tried_stopped_and_resumed() {
    let app = club(&[("MAIL_CAMPAIGN_PER_MINUTE", "120")]).await;
    let admin = app.admin().await;
    let people = people(&app).await;
    let id = draw_up(&app, &admin, json!("all")).await;
    let own = Mailbox::new("staff");
    settle(&app, (&admin, "admin123"), &own, "en").await;
    assert_eq!(ask(&app, &admin, id, "test").await.status, 200);
    assert_eq!(own.next(1).await.subject, "(Ad) Spring <news>");

    let soon = app.get("/test/clock", None).await.body["now"].as_str().unwrap().to_owned();
    let soon = soon.parse::<chrono::DateTime<chrono::Utc>>().unwrap() + chrono::TimeDelta::hours(1);
    let path = format!("/api/admin/campaigns/{id}/start");
    let wish = json!({"starts_at": soon.to_rfc3339()});
    assert_eq!(app.post(&path, Some(&admin), wish).await.status, 200);
    assert_eq!(campaign(&app, &admin, id).await["counts"]["recipients"], 0);
    wait_for(&app, 3_600).await;
    let admin = app.admin().await;
    // Two a second: there is time to stop it after the first.
    let latest = Instant::now() + Duration::from_secs(10);
    while people.iter().all(|it| it.mailbox.letters().len() == 1) {
        assert!(Instant::now() < latest, "nobody got it");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(ask(&app, &admin, id, "stop").await.status, 200);
    // Whoever gets no mail, or wants no offers any more, gets none of the rest.
    let last = people.iter().max_by_key(|it| it.id).unwrap();
    assert_eq!(last.mailbox.letters().len(), 1, "the last in line");
    let wish = json!({"marketing_mail": false});
    let token = app.sign_in("/api/auth/login", (PEOPLE[0].1, "1234")).await;
    assert_eq!(change(&app, &token, wish).await.status, 200);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let stopped = campaign(&app, &admin, id).await;
    assert!(stopped["counts"]["queued"].as_u64().unwrap() >= 1, "{stopped}");
    assert_eq!(ask(&app, &admin, id, "resume").await.status, 200);
    let counts = finished(&app, &admin, id).await;
    assert_eq!((&counts["sent"], &counts["suppressed"]), (&json!(2), &json!(1)), "{counts}");
    until(&app, &admin, last.id, ("campaign", "suppressed")).await;
    let mail = until(&app, &admin, people[1].id, ("campaign", "sent")).await;
    let resend = format!("/api/admin/mails/{}/resend", mail["id"]);
    app.post(&resend, Some(&admin), json!({})).await.is_problem(409, "CONFLICT");
}

#[tokio::test]
async fn a_campaign_that_cannot_be_read_is_refused() {
    let app = App::start().await;
    let admin = app.admin().await;
    let good = json!({"subject": "소식", "subject_en": "News", "body": "본문", "body_en": "Text", "audience": "all"});
    for (field, bad) in [
        ("subject", json!("two\nlines")),
        ("subject", json!("x\u{0}")),
        ("body", json!("\u{7}")),
        ("body", json!("x".repeat(20_001))),
        ("audience", json!("some")),
        ("audience", json!({"segment": {"rank": "KING"}})),
        ("audience", json!({"segment": {}, "list": []})),
        ("audience", json!({"list": ["23"]})),
        ("audience", json!({})),
    ] {
        let mut wish = good.clone();
        wish[field] = bad;
        app.post("/api/admin/campaigns", Some(&admin), wish)
            .await
            .is_problem(422, "VALIDATION_FAILED");
    }
    ask(&app, &admin, 9, "start").await.is_problem(404, "NOT_FOUND");
    // Without a mail server it waits, and whoever looks sees that.
    let id = draw_up(&app, &admin, json!("all")).await;
    assert_eq!(ask(&app, &admin, id, "start").await.status, 200);
    assert_eq!(campaign(&app, &admin, id).await["status"], "started");
    let listed = app.get("/api/admin/campaigns", Some(&admin)).await.body;
    assert_eq!(listed["items"][0]["id"], id);
}
