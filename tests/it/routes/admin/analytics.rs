//! `/api/admin/analytics`: figures, how fresh they are, and what is said when there are none.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::app::{Answer, App, demo_database};
use crate::clickhouse::{SOON, shared_url};

const ALL: [&str; 5] = ["kpis", "series", "funnel", "cohorts", "economy"];

fn path(name: &str) -> String {
    format!("/api/admin/analytics/{name}")
}

/// A club that counts.
async fn club() -> App {
    let database = demo_database().await;
    let (url, name) = (shared_url(), database.name.clone());
    let settings = [("CLICKHOUSE_URL", url.as_str()), ("CLICKHOUSE_DATABASE", name.as_str())];
    App::start_on(database, &settings).await
}

/// Figures that count everything up to a position.
async fn figures(app: &App, admin: &str, name: &str, position: u64) -> Answer {
    let latest = Instant::now() + SOON;
    loop {
        let answer = app.get(&path(name), Some(admin)).await;
        if answer.status == 200 && answer.body["position"].as_u64().unwrap() >= position {
            return answer;
        }
        assert!(Instant::now() < latest, "{}", answer.text);
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn figures_are_those_of_what_was_bought_given_and_spent() {
    let app = club().await;
    let (player, admin) = (app.player().await, app.admin().await);
    let before = u64::try_from(app.database.head().await).unwrap();
    let before = figures(&app, &admin, "kpis", before).await.body;
    let wish = json!({"product_id": 1001, "quantity": 2});
    assert_eq!(app.post("/api/shop/buy", Some(&player), wish).await.status, 200);
    let declined = json!({"product_id": 1001, "card_token": "tok_decline"});
    app.post("/api/shop/buy", Some(&player), declined).await.is_problem(402, "PAYMENT_DECLINED");
    let gift = json!({"gold": 30_000, "reason": "for a benefit"});
    app.post_keyed("/api/admin/users/23/grant", &admin, "g", &gift).await;
    let wish = json!({"product_id": 2001, "kind": "item"});
    let bought = app.post("/api/shop/buy", Some(&player), wish).await;
    let position = bought.body["position"].as_u64().unwrap();

    let kpis = figures(&app, &admin, "kpis", position).await.body;
    let more = |field: &str| kpis[field].as_i64().unwrap() - before[field].as_i64().unwrap();
    assert_eq!((more("revenue_cents"), more("purchases")), (598, 1), "{kpis}");
    // The deeds of the day may have paid something, too; nothing does here.
    assert_eq!((more("gold_minted"), more("gold_sunk")), (30_200, 20_000), "{kpis}");
    assert_eq!(more("gold_in_circulation"), 10_200);
    assert_eq!((more("gold_paid"), more("gold_debt")), (200, 0));
    assert!(kpis["lag_ms"].is_u64() && kpis["active_players"].as_u64().unwrap() >= 1, "{kpis}");
    assert_eq!(kpis["whales"][0]["player"], 23, "{kpis}");

    let funnel = figures(&app, &admin, "funnel", position).await.body;
    let purchases = &funnel["purchases"];
    assert_eq!((&purchases["completed"], &purchases["failed"]), (&json!(1), &json!(1)), "{funnel}");
    assert_eq!(funnel["failures"][0]["reason"], "PAYMENT_DECLINED", "{funnel}");
    let series = figures(&app, &admin, "series", position).await.body;
    let days = series["days"].as_array().unwrap();
    assert_eq!(days.len(), 30, "every day has a row");
    assert_eq!(days[29]["sold_cents"], 598, "{}", days[29]);
    let economy = figures(&app, &admin, "economy", position).await.body;
    assert_eq!(economy["week"]["alarm_above_percent"], 15, "{economy}");
    let flows = economy["flows"].as_array().unwrap();
    let sales = flows.iter().find(|flow| flow["counter_account"] == "sales").unwrap();
    assert_eq!((&sales["movement"], &sales["paid_in"]), (&json!("purchase"), &json!(200)));
    let cohorts = figures(&app, &admin, "cohorts", position).await.body;
    assert!(cohorts["cohorts"].is_array(), "{cohorts}");

    let ready = app.get("/ready", None).await.body;
    assert_eq!(ready["dependencies"]["clickhouse"], "up", "{ready}");
    let of_player = app.get(&path("kpis"), Some(&player)).await;
    of_player.is_problem(403, "FORBIDDEN");
    for days in ["from=2026-02-01&to=2026-01-01", "from=1900-01-01", "until=2026-01-01", "to=now"] {
        let answer = app.get(&format!("{}?{days}", path("kpis")), Some(&admin)).await;
        answer.is_problem(400, "BAD_REQUEST");
    }
}

#[tokio::test]
async fn without_a_clickhouse_figures_are_refused_with_the_reason() {
    let app = App::start().await;
    let admin = app.admin().await;
    for name in ALL {
        let answer = app.get(&path(name), Some(&admin)).await;
        answer.is_problem(503, "ANALYTICS_OFF");
        assert!(answer.body["detail"].as_str().unwrap().contains("CLICKHOUSE_URL"));
    }
    let ready = app.get("/ready", None).await;
    assert_eq!(ready.status, 200);
    assert_eq!(ready.body["dependencies"]["clickhouse"], "off", "{}", ready.text);
}
