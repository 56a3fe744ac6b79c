//! `/api/events`.

mod leaderboard;
mod missions;
mod refusals;

use chrono::{DateTime, Days, TimeDelta, Utc};
use serde_json::{Value, json};

use super::streak::{in_day, move_to, today};
use crate::app::{Answer, App, PLAYER_ID, replay};
use crate::provider::now;
use crate::service::Service;
use crate::socket::Socket;

/// The moment that the club takes for now.
pub async fn moment(app: &App) -> DateTime<Utc> {
    DateTime::from_timestamp(now(app).await, 0).unwrap()
}

/// Draws an event up and publishes it; its number.
pub async fn publish(app: &App, terms: Value) -> i64 {
    let mut wish = json!({"name": "시험", "name_en": "Test", "publish": true});
    wish.as_object_mut().unwrap().extend(terms.as_object().unwrap().clone());
    let admin = app.admin().await;
    let made = app.post("/api/admin/events", Some(&admin), wish).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.body["id"].as_i64().unwrap()
}

/// Reports something that a player did, as the demo's game server.
pub async fn play(app: &App, player: i64, action: &str, amount: u64) -> Answer {
    let service = Service::demo(app).await;
    let id = uuid::Uuid::now_v7();
    let action =
        json!({"action_id": id, "user_id": player, "action_type": action, "amount": amount});
    let reported = service.post(app, "/api/actions", &action).await;
    assert_eq!((reported.status.as_u16(), &reported.body["accepted"]), (200, &json!(1)));
    reported
}

/// The list of events as a player sees it at a position, by number.
pub async fn seen(app: &App, token: &str, position: &Value) -> Vec<Value> {
    let list = app.get_at("/api/events/", token, position.as_u64().unwrap()).await;
    assert_eq!(list.status, 200, "{}", list.text);
    list.body.as_array().unwrap().clone()
}

/// One event of such a list.
pub fn event(list: &[Value], id: i64) -> &Value {
    list.iter().find(|event| event["id"] == id).unwrap()
}

/// Joins an event.
pub async fn join(app: &App, token: &str, id: i64) -> Answer {
    app.post("/api/events/join", Some(token), json!({"event_id": id})).await
}

/// Claims an event.
pub async fn claim(app: &App, token: &str, id: i64) -> Answer {
    app.post(&format!("/api/events/claim/{id}"), Some(token), json!({})).await
}

/// Every rule holds of what is in the log.
pub async fn is_clean(app: &App) {
    let (code, said) = replay(&app.database, &["verify"]).await;
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test]
async fn joining_the_daily_login_completes_and_claims_it_once_a_utc_day() {
    let app = App::start().await;
    let day = today(&app).await + Days::new(1);
    move_to(&app, in_day(day, 86_340)).await;
    let token = app.player().await;
    let list = app.get("/api/events/", Some(&token)).await;
    let first = &list.body[0];
    assert_eq!((&first["id"], &first["name"]), (&json!(1), &json!("데일리 로그인")));
    assert_eq!((&first["name_en"], &first["type"]), (&json!("Daily login"), &json!("daily")));
    assert_eq!(first["participation"]["joined"], false);

    let body = json!({"event_id": 1});
    let joined = app.post_keyed("/api/events/join", &token, "join-1", &body).await;
    assert_eq!(joined.status, 200, "{}", joined.text);
    let told = &joined.body;
    assert_eq!((&told["success"], &told["reward_claimed"]), (&json!(true), &json!(true)));
    assert_eq!((&told["rewards"]["gold"], &told["new_gold_balance"]), (&json!(100), &json!(1_100)));
    assert_eq!(told["idempotent"], false);
    let repeat = app.post_keyed("/api/events/join", &token, "join-1", &body).await;
    assert_eq!(repeat.text, joined.text);
    assert_eq!(repeat.headers["idempotency-replayed"], "true");
    let events = app.database.events().await;
    let second = join(&app, &token, 1).await;
    assert_eq!((&second.body["idempotent"], second.status.as_u16()), (&json!(true), 200));
    for name in ["reward_claimed", "rewards", "new_gold_balance", "participation"] {
        assert_eq!(second.body[name], told[name], "{name}");
    }
    assert_eq!(app.database.events().await, events, "nothing was written");
    claim(&app, &token, 1).await.is_problem(409, "ALREADY_CLAIMED");
    let list = seen(&app, &token, &told["position"]).await;
    let participation = &event(&list, 1)["participation"];
    let standing = ["joined", "completed", "claimed"].map(|name| participation[name].clone());
    assert_eq!(standing, [json!(true), json!(true), json!(true)]);

    // Midnight.
    move_to(&app, in_day(day + Days::new(1), 5)).await;
    let token = app.player().await;
    let next = join(&app, &token, 1).await;
    assert_eq!(
        (&next.body["idempotent"], &next.body["new_gold_balance"]),
        (&json!(false), &json!(1_200))
    );
    let lines = app.get("/api/users/statement?kind=event", Some(&token)).await.body;
    assert_eq!(lines["items"].as_array().unwrap().len(), 2, "{lines}");
    assert_eq!(lines["items"][1]["reference"], format!("1/{day}"));
    is_clean(&app).await;
}

#[tokio::test]
async fn an_event_is_joined_played_and_claimed_and_screens_are_told() {
    let app = App::start().await;
    let token = app.player().await;
    let (mut feed, _) = Socket::me(&app, &token, None).await;
    let joined = join(&app, &token, 2).await;
    assert_eq!((&joined.body["reward_claimed"], joined.status.as_u16()), (&json!(false), 200));
    let told = feed.until("event_progress").await;
    assert_eq!((&told["data"]["event_id"], &told["data"]["joined"]), (&json!(2), &json!(true)));
    play(&app, PLAYER_ID, "play_count", 4).await;
    let told = feed.until("event_progress").await;
    assert_eq!((&told["data"]["progress"], &told["data"]["target"]), (&json!(4), &json!(10)));
    claim(&app, &token, 2).await.is_problem(409, "NOT_COMPLETED");
    let done = play(&app, PLAYER_ID, "play_count", 9).await;
    let list = seen(&app, &token, &done.body["position"]).await;
    let participation = &event(&list, 2)["participation"];
    assert_eq!(
        (&participation["completed"], &participation["claimed"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(participation["progress"][0]["progress"], 10, "not more than it takes");

    let claimed = claim(&app, &token, 2).await;
    assert_eq!(claimed.status, 200, "{}", claimed.text);
    assert_eq!(claimed.body["rewards"]["gold"], 5_000);
    assert_eq!(claimed.body["new_gold_balance"], 6_000);
    let reward = feed.until("reward_granted").await;
    assert_eq!(
        (&reward["data"]["kind"], &reward["data"]["gold"]),
        (&json!("event"), &json!(5_000))
    );
    let balance = feed.until("balance_update").await;
    assert_eq!(balance["data"]["gold"], 6_000);
    assert_eq!(balance["position"], claimed.body["position"]);
    is_clean(&app).await;
}

#[tokio::test]
async fn what_is_to_be_claimed_by_itself_is_once_it_is_complete() {
    let app = App::start().await;
    let token = app.player().await;
    let requirements = json!([{"counter": "play_count", "target": 2},
        {"counter": "win_count", "target": 1}]);
    let ends_at = moment(&app).await + TimeDelta::days(1);
    let id = publish(
        &app,
        json!({"ends_at": ends_at, "auto_claim": true,
        "requirements": requirements, "rewards": {"gold": 70, "vip_points": 3, "xp": 500}}),
    )
    .await;
    join(&app, &token, id).await;
    let (mut feed, _) = Socket::me(&app, &token, None).await;
    play(&app, PLAYER_ID, "play_count", 2).await;
    play(&app, PLAYER_ID, "win_count", 1).await;
    let reward = feed.until("reward_granted").await;
    assert_eq!((&reward["data"]["id"], &reward["data"]["level"]), (&json!(id), &json!(2)));
    let list = seen(&app, &token, &reward["position"]).await;
    assert_eq!(event(&list, id)["participation"]["claimed"], true);
    let balance = app.get("/api/users/balance", Some(&token)).await.body;
    assert_eq!((&balance["gold"], &balance["vip_points"]), (&json!(1_070), &json!(3)));
    is_clean(&app).await;
}

#[tokio::test]
async fn spending_buying_and_being_there_count_too() {
    let app = App::without_limits().await;
    let admin = app.admin().await;
    let mut missions = Vec::new();
    for (counter, target) in [("spend_gold", 300), ("purchase_count", 1), ("login", 1)] {
        let wish = json!({"name": "시험", "name_en": "Test", "counter": counter, "target": target,
            "period": "once", "rewards": {"xp": 1}});
        let made = app.post("/api/admin/missions", Some(&admin), wish).await;
        missions.push(made.body["id"].as_i64().unwrap());
    }
    let token = app.player().await;
    let (mut feed, _) = Socket::me(&app, &token, None).await;
    app.post("/test/spend", Some(&token), json!({"gold": 300})).await;
    let spent = feed.until("mission_progress").await;
    assert_eq!(
        (&spent["data"]["mission_id"], &spent["data"]["progress"]),
        (&json!(missions[0]), &json!(300))
    );
    app.post("/api/shop/buy", Some(&token), json!({"product_id": 1001})).await;
    let bought = feed.until("mission_progress").await;
    assert_eq!(bought["data"]["mission_id"], missions[1]);
    let path = "/api/events/missions/all";
    let list = app.get_at(path, &token, bought["position"].as_u64().unwrap()).await.body;
    let done = list.as_array().unwrap().iter().filter(|mission| {
        missions.contains(&mission["id"].as_i64().unwrap()) && mission["completed"] == true
    });
    assert_eq!(done.count(), 3, "{list}");
    is_clean(&app).await;
}
