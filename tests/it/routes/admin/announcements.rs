//! `/api/admin/announcements`, and what is heard of them on the live feed.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::super::events::moment;
use crate::app::{Answer, App, demo_database};
use crate::provider::wait_for;
use crate::socket::Socket;

const PATH: &str = "/api/admin/announcements";

fn maintenance() -> Value {
    json!({"about": "maintenance", "text": "곧 점검합니다", "text_en": "Maintenance soon"})
}

async fn publish(app: &App, admin: &str, key: &str, wish: &Value) -> Answer {
    let published = app.post_keyed(PATH, admin, key, wish).await;
    assert_eq!(published.status, 201, "{}", published.text);
    published
}

async fn withdraw(app: &App, admin: &str, id: &Value) -> Answer {
    app.post(&format!("{PATH}/{id}/withdraw"), Some(admin), json!({})).await
}

/// A feed that listens to `system`, and the announcements that it was told at first.
async fn listening(app: &App, token: &str) -> (Socket, Vec<Value>) {
    let mut feed = Socket::feed(app, token).await;
    assert_eq!(feed.json().await["type"], "hello");
    let state = feed.join("system", None).await;
    let items = state["state"]["items"].as_array().unwrap().clone();
    (feed, items.into_iter().filter(|item| item["kind"] == "announcement").collect())
}

/// The next thing that is said of an announcement.
async fn of_announcement(feed: &mut Socket, id: &Value) -> Value {
    let is_it = |told: &Value| told["type"] == "system" && told["data"]["id"] == *id;
    feed.until_on("system", is_it).await
}

#[tokio::test]
async fn everybody_on_every_node_is_told_and_whoever_comes_later_too_until_it_is_taken_back() {
    let database = demo_database().await;
    let first = App::start_on(database.clone(), &[]).await;
    let second = App::start_on(database, &[]).await;
    let (player, admin) = (first.player().await, first.admin().await);
    let (mut here, nothing) = listening(&first, &player).await;
    let (mut there, _) = listening(&second, &player).await;
    assert!(nothing.is_empty(), "{nothing:?}");

    let published = publish(&first, &admin, "a-1", &maintenance()).await;
    let id = &published.body["id"];
    for feed in [&mut here, &mut there] {
        let told = of_announcement(feed, id).await;
        assert_eq!(told["position"], published.body["position"]);
        for name in ["about", "text", "text_en", "published_at", "ends_at"] {
            assert_eq!(told["data"][name], published.body[name], "{name}: {told}");
        }
    }
    let (_, standing) = listening(&second, &player).await;
    assert_eq!((standing.len(), &standing[0]["id"]), (1, id));
    let listed = second.get_at(PATH, &admin, published.body["position"].as_u64().unwrap()).await;
    assert_eq!(listed.body["items"][0]["id"], *id, "{}", listed.text);

    let withdrawn = withdraw(&second, &admin, id).await;
    assert_eq!(withdrawn.status, 200, "{}", withdrawn.text);
    for feed in [&mut here, &mut there] {
        let told = of_announcement(feed, id).await;
        assert_eq!(told["data"], json!({"kind": "announcement_over", "id": id}));
    }
    assert!(listening(&first, &player).await.1.is_empty());
    assert_eq!(withdraw(&first, &admin, id).await.status, 200, "asking again does nothing");
    let listed = first.get(PATH, Some(&admin)).await;
    assert_eq!(listed.body["items"], json!([]), "{}", listed.text);

    // A node that starts later folds the same from the log.
    let third = App::start_on(first.database.clone(), &[]).await;
    publish(&first, &admin, "a-2", &maintenance()).await;
    let (mut late, standing) = listening(&third, &player).await;
    if standing.is_empty() {
        of_announcement(&mut late, &json!(2)).await;
    }
}

#[tokio::test]
async fn one_that_ends_is_over_by_itself() {
    let app = App::start().await;
    let (player, admin) = (app.player().await, app.admin().await);
    let mut wish = maintenance();
    wish["ends_at"] = json!(moment(&app).await + TimeDelta::seconds(60));
    let id = publish(&app, &admin, "a-1", &wish).await.body["id"].clone();
    let (mut feed, standing) = listening(&app, &player).await;
    if standing.is_empty() {
        assert_eq!(of_announcement(&mut feed, &id).await["data"]["kind"], "announcement");
    }
    wait_for(&app, 61).await;
    assert_eq!(of_announcement(&mut feed, &id).await["data"]["kind"], "announcement_over");
    assert!(listening(&app, &player).await.1.is_empty());
    assert_eq!(app.get(PATH, Some(&admin)).await.body["items"], json!([]));
}

#[tokio::test]
async fn a_repeat_publishes_once_and_what_nobody_should_see_is_refused() {
    let app = App::start().await;
    let (player, admin) = (app.player().await, app.admin().await);
    let published = publish(&app, &admin, "a-1", &maintenance()).await;
    let again = publish(&app, &admin, "a-1", &maintenance()).await;
    assert_eq!(again.body, published.body);
    let mut other = maintenance();
    other["text"] = json!("다른 글");
    app.post_keyed(PATH, &admin, "a-1", &other).await.is_problem(422, "IDEMPOTENCY_KEY_REUSED");

    app.post(PATH, Some(&player), maintenance()).await.is_problem(403, "FORBIDDEN");
    let bad = [
        ("about", json!("weather")),
        ("text", json!("")),
        ("text_en", json!("x".repeat(501))),
        ("ends_at", json!("2020-01-01T00:00:00Z")),
        ("ends_at", json!("soon")),
    ];
    for (field, value) in bad {
        let mut wish = maintenance();
        wish[field] = value;
        app.post(PATH, Some(&admin), wish).await.is_problem(422, "VALIDATION_FAILED");
    }
    for unknown in ["7", "0", "-1", "x"] {
        let path = format!("{PATH}/{unknown}/withdraw");
        app.post(&path, Some(&admin), json!({})).await.is_problem(404, "NOT_FOUND");
    }
    for number in 2..=10 {
        publish(&app, &admin, &format!("a-{number}"), &maintenance()).await;
    }
    app.post(PATH, Some(&admin), maintenance()).await.is_problem(409, "CONFLICT");
    let audited =
        app.get("/api/admin/audit/logs?action=announcement_published", Some(&admin)).await;
    assert_eq!(audited.body["items"].as_array().unwrap().len(), 10, "{}", audited.text);
}
