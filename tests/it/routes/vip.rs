//! `/api/vip`.

use chrono::Days;
use serde_json::{Value, json};

use super::streak::{in_day, move_to, today};
use crate::app::{App, replay};

#[tokio::test]
async fn fifty_points_a_day_and_a_second_claim_is_answered_from_the_first() {
    let app = App::start().await;
    let day = today(&app).await + Days::new(1);
    // The last minute of a day.
    move_to(&app, in_day(day, 86_340)).await;
    let token = app.player().await;
    let status = app.get("/api/vip/status", Some(&token)).await.body;
    assert_eq!((&status["claimed_today"], &status["vip_points"]), (&json!(false), &json!(0)));
    assert_eq!(status["last_claim_at"], Value::Null);
    let first = app.post_keyed("/api/vip/claim", &token, "vip-1", &json!({})).await;
    assert_eq!((&first.body["success"], &first.body["idempotent"]), (&json!(true), &json!(false)));
    let points = (&first.body["awarded_points"], &first.body["new_vip_points"]);
    assert_eq!(points, (&json!(50), &json!(50)));
    let repeat = app.post_keyed("/api/vip/claim", &token, "vip-1", &json!({})).await;
    assert_eq!(repeat.text, first.text);
    let second = app.post("/api/vip/claim", Some(&token), json!({})).await;
    let mut expected = first.body.clone();
    expected["idempotent"] = json!(true);
    assert_eq!(second.body, expected);
    let status = app.get("/api/vip/status", Some(&token)).await.body;
    assert_eq!((&status["claimed_today"], &status["vip_points"]), (&json!(true), &json!(50)));
    assert_eq!(status["last_claim_at"], first.body["claimed_at"]);

    // Midnight.
    move_to(&app, in_day(day + Days::new(1), 5)).await;
    let token = app.player().await;
    let next = app.post("/api/vip/claim", Some(&token), json!({})).await;
    assert_eq!(
        (&next.body["new_vip_points"], &next.body["idempotent"]),
        (&json!(100), &json!(false))
    );
    // Missed days cost nothing, and bring nothing.
    move_to(&app, in_day(day + Days::new(40), 5)).await;
    let token = app.player().await;
    let later = app.post("/api/vip/claim", Some(&token), json!({})).await;
    assert_eq!(later.body["new_vip_points"], 150);
    let balance = app.get("/api/users/balance", Some(&token)).await.body;
    assert_eq!((&balance["vip_points"], &balance["gold"]), (&json!(150), &json!(1_000)));
    let (code, said) = replay(&app.database, &["verify"]).await;
    assert_eq!(code, Some(0), "{said}");
}
