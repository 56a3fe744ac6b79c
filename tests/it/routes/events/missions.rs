//! `/api/events/missions`.

use chrono::{Datelike, Days, Weekday};
use serde_json::{Value, json};

use super::super::streak::{in_day, move_to, today};
use super::{is_clean, play};
use crate::app::{Answer, App, PLAYER_ID};
use crate::service::Service;
use crate::socket::Socket;

async fn list(app: &App, token: &str, kind: &str, position: &Value) -> Vec<Value> {
    let path = format!("/api/events/missions/{kind}");
    let list = app.get_at(&path, token, position.as_u64().unwrap()).await;
    assert_eq!(list.status, 200, "{}", list.text);
    list.body.as_array().unwrap().clone()
}

fn mission(list: &[Value], id: i64) -> &Value {
    list.iter().find(|mission| mission["id"] == id).unwrap()
}

async fn claim(app: &App, token: &str, id: i64) -> Answer {
    app.post(&format!("/api/events/missions/claim/{id}"), Some(token), json!({})).await
}

#[tokio::test]
async fn play_completes_missions_and_each_is_claimed_once_a_period() {
    let app = App::start().await;
    let token = app.player().await;
    let (mut feed, _) = Socket::me(&app, &token, None).await;
    let start = list(&app, &token, "all", &json!(0)).await;
    let told: Vec<_> = start.iter().map(|it| (it["id"].clone(), it["target"].clone())).collect();
    let expected = [(1, 1), (2, 5), (3, 3), (4, 20)].map(|(id, n)| (json!(id), json!(n)));
    assert_eq!(told, expected);
    claim(&app, &token, 1).await.is_problem(409, "NOT_COMPLETED");
    claim(&app, &token, 99).await.is_problem(404, "NOT_FOUND");

    let played = play(&app, PLAYER_ID, "play_count", 1).await;
    let told = feed.until("mission_progress").await;
    assert_eq!(
        (&told["data"]["mission_id"], &told["data"]["completed"]),
        (&json!(1), &json!(true))
    );
    let daily = list(&app, &token, "daily", &played.body["position"]).await;
    let standing = |id| {
        let mission = mission(&daily, id);
        (mission["progress"].as_u64().unwrap(), mission["completed"] == true)
    };
    assert_eq!([standing(1), standing(2), standing(3)], [(1, true), (1, false), (0, false)]);
    let weekly = list(&app, &token, "weekly", &played.body["position"]).await;
    assert_eq!((weekly.len(), &mission(&weekly, 4)["progress"]), (1, &json!(1)));

    let path = "/api/events/missions/claim/1";
    let claimed = app.post_keyed(path, &token, "mission-1", &json!({})).await;
    assert_eq!(
        (&claimed.body["rewards"]["gold"], &claimed.body["rewards"]["xp"]),
        (&json!(100), &json!(10))
    );
    assert_eq!(
        (&claimed.body["new_gold_balance"], &claimed.body["xp"]),
        (&json!(1_100), &json!(10))
    );
    let repeat = app.post_keyed(path, &token, "mission-1", &json!({})).await;
    assert_eq!(repeat.text, claimed.text);
    claim(&app, &token, 1).await.is_problem(409, "ALREADY_CLAIMED");
    play(&app, PLAYER_ID, "play_count", 1).await;
    let after = list(&app, &token, "daily", &claimed.body["position"]).await;
    assert_eq!(mission(&after, 1)["claimed"], true);
    claim(&app, &token, 1).await.is_problem(409, "ALREADY_CLAIMED");
    is_clean(&app).await;
}

#[tokio::test]
async fn a_new_period_starts_at_zero_and_takes_no_job() {
    let app = App::start().await;
    // A Sunday: a day and a week end together.
    let mut day = today(&app).await + Days::new(1);
    while day.weekday() != Weekday::Sun {
        day = day + Days::new(1);
    }
    move_to(&app, in_day(day, 86_340)).await;
    let token = app.player().await;
    let played = play(&app, PLAYER_ID, "play_count", 20).await;
    let before = list(&app, &token, "all", &played.body["position"]).await;
    assert!([1, 2, 4].iter().all(|id| mission(&before, *id)["completed"] == true), "{before:?}");
    assert_eq!(mission(&before, 4)["ends_at"], mission(&before, 1)["ends_at"]);
    let claimed = claim(&app, &token, 2).await;
    assert_eq!(claimed.status, 200);

    let monday = day + Days::new(1);
    move_to(&app, in_day(monday, 1)).await;
    let token = app.player().await;
    let after = list(&app, &token, "all", &json!(0)).await;
    let is_fresh =
        |it: &Value| it["progress"] == 0 && it["completed"] == false && it["claimed"] == false;
    assert!(after.iter().all(is_fresh), "{after:?}");
    claim(&app, &token, 1).await.is_problem(409, "NOT_COMPLETED");
    // Done before midnight and reported after it: it counts for what is over, not for today.
    let service = Service::demo(&app).await;
    let late = json!({"action_id": "late-1", "user_id": PLAYER_ID, "action_type": "play_count",
        "at": in_day(day, 86_399)});
    let late = service.post(&app, "/api/actions", &late).await;
    assert_eq!(late.body["accepted"], 1, "{}", late.text);
    let after = list(&app, &token, "all", &late.body["position"]).await;
    assert!(after.iter().all(is_fresh), "{after:?}");
    let first = json!({"action_id": "first-1", "user_id": PLAYER_ID, "action_type": "play_count",
        "at": in_day(monday, 0)});
    let first = service.post(&app, "/api/actions", &first).await;
    let after = list(&app, &token, "all", &first.body["position"]).await;
    assert_eq!(
        [1, 2, 4].map(|id| mission(&after, id)["progress"].clone()),
        [1, 1, 1].map(|n| json!(n))
    );
    assert_eq!(claim(&app, &token, 1).await.status, 200);
    is_clean(&app).await;
}

#[tokio::test]
async fn a_mission_can_wait_for_others_and_everything_is_claimed_at_once() {
    let app = App::start().await;
    let (token, admin) = (app.player().await, app.admin().await);
    let wish = json!({"name": "모두", "name_en": "All of it", "counter": "play_count", "target": 1,
        "requires": {"any": [3, {"all": [1, 2]}]},
        "rewards": {"gold": 7, "vip_points": 2, "items": [{"product_id": 2001, "quantity": 2}]}});
    let made = app.post("/api/admin/missions", Some(&admin), wish).await;
    assert_eq!((made.status.as_u16(), &made.body["id"]), (201, &json!(5)), "{}", made.text);
    play(&app, PLAYER_ID, "play_count", 1).await;
    claim(&app, &token, 5).await.is_problem(409, "MISSION_LOCKED");
    let played = play(&app, PLAYER_ID, "play_count", 4).await;
    let now = list(&app, &token, "all", &played.body["position"]).await;
    assert_eq!(mission(&now, 5)["locked"], false);

    let path = "/api/events/missions/claim-all";
    let all = app.post_keyed(path, &token, "all-1", &json!({})).await;
    assert_eq!(all.status, 200, "{}", all.text);
    let ids: Vec<_> = all.body["claimed"].as_array().unwrap().iter().map(|it| &it["id"]).collect();
    assert_eq!(ids, [&json!(1), &json!(2), &json!(5)]);
    assert_eq!(
        (&all.body["rewards"]["gold"], &all.body["new_gold_balance"]),
        (&json!(607), &json!(1_607))
    );
    let repeat = app.post_keyed(path, &token, "all-1", &json!({})).await;
    assert_eq!(repeat.text, all.text);
    let nothing = app.post(path, Some(&token), json!({})).await;
    assert_eq!(
        (&nothing.body["claimed"], &nothing.body["new_gold_balance"]),
        (&json!([]), &json!(1_607))
    );
    let inventory =
        app.get_at("/api/inventory", &token, all.body["position"].as_u64().unwrap()).await;
    let items = inventory.body["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "{}", inventory.text);
    let item = &all.body["claimed"][2]["rewards"]["items"][0]["item_ids"][1];
    let used = app
        .post(&format!("/api/inventory/{}/use", item.as_str().unwrap()), Some(&token), json!({}))
        .await;
    assert_eq!(used.status, 200, "{}", used.text);
    is_clean(&app).await;
}
