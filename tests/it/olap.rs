//! `club olap`: whether everything is in ClickHouse, and what is done when it is not.

use serde_json::json;

use crate::app::{App, demo_database, program};
use crate::clickhouse::{ask, caught_up, olap, shared_url};

#[tokio::test]
async fn what_differs_is_told_by_day_and_type_and_repaired() {
    let database = demo_database().await;
    let url = shared_url();
    let settings = [("CLICKHOUSE_URL", &*url), ("CLICKHOUSE_DATABASE", &*database.name)];
    let app = App::start_on(database.clone(), &settings).await;
    let player = app.player().await;
    let bought = app.post("/api/shop/buy", Some(&player), json!({"product_id": 1001})).await;
    assert_eq!(bought.status, 200, "{}", bought.text);
    let head = caught_up(&database, &url).await;
    let (code, same) = olap(&database, &url, &["compare"]).await;
    assert_eq!((code, same), (Some(0), json!({"events": [], "tables": []})));

    let here = format!("{url}/?database={}", database.name);
    for harm in [
        "delete from events where type = 'purchase_completed'",
        "delete from sign_ups where player = 23",
    ] {
        ask(&here, harm).await.unwrap();
    }
    let (code, status) = olap(&database, &url, &["status"]).await;
    assert_eq!((code, &status["distinct"]), (Some(1), &json!(head - 1)), "{status}");
    let (code, differences) = olap(&database, &url, &["compare"]).await;
    assert_eq!(code, Some(1));
    let event = &differences["events"][0];
    assert_eq!(
        (&event["name"], &event["expected"], &event["found"]),
        (&json!("purchase_completed"), &json!(1), &json!(0)),
        "{differences}"
    );
    let tables: Vec<&str> = differences["tables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    assert!(tables.contains(&"sign_ups") && tables.contains(&"gold_movements"), "{tables:?}");
    let (code, done) = olap(&database, &url, &["repair"]).await;
    assert_eq!(code, Some(0), "{done}");
    assert_eq!(olap(&database, &url, &["compare"]).await.0, Some(0));
    caught_up(&database, &url).await;

    ask(&here, "truncate table events").await.unwrap();
    let half = (head / 2).to_string();
    let (_, done) = olap(&database, &url, &["backfill", "--from-position", &half]).await;
    assert_eq!(done["brought_in"], head - head / 2 + 1, "{done}");
    olap(&database, &url, &["backfill", "--from-position", "1"]).await;
    assert_eq!(olap(&database, &url, &["compare"]).await.0, Some(0));
    assert_eq!(olap(&database, &url, &["set-aside"]).await, (Some(0), json!([])));
}

#[tokio::test]
async fn without_a_clickhouse_nothing_can_be_told() {
    let database = demo_database().await;
    let mut command = program("club", &database.url());
    let told = command.args(["olap", "status"]).output().await.unwrap();
    assert_eq!(told.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&told.stderr).contains("CLICKHOUSE_URL is not set"));
    let (code, _) = olap(&database, "http://127.0.0.1:9", &["compare"]).await;
    assert_eq!(code, Some(2));
}
