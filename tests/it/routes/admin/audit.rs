//! `/api/admin/audit/logs`.

use serde_json::{Value, json};

use crate::app::{Answer, App};

async fn logs(app: &App, token: &str, query: &str) -> Vec<Value> {
    let head = u64::try_from(app.database.head().await).unwrap();
    let answer = app.get_at(&format!("/api/admin/audit/logs{query}"), token, head).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body["items"].as_array().unwrap().clone()
}

async fn grant(app: &App, token: &str, gold: u32, key: &str) -> Answer {
    let wish = json!({"gold": gold, "reason": "=a gift, \"really\""});
    app.post_keyed("/api/admin/users/23/grant", token, key, &wish).await
}

#[tokio::test]
async fn what_the_staff_does_and_is_refused_is_all_there() {
    let app = App::start().await;
    let (admin, player) = (app.admin().await, app.player().await);
    let auditor = app.sign_in("/api/auth/admin/login", ("auditor", "auditor123")).await;
    assert_eq!(grant(&app, &admin, 100, "k1").await.status, 200);
    grant(&app, &auditor, 100, "k2").await.is_problem(403, "FORBIDDEN");
    grant(&app, &player, 100, "k3").await.is_problem(403, "FORBIDDEN");
    let nobody = json!({"gold": 1, "reason": "a gift"});
    let refused = app.post_keyed("/api/admin/users/4711/grant", &admin, "k4", &nobody).await;
    refused.is_problem(404, "NOT_FOUND");

    let done = logs(&app, &auditor, "?action=gold_granted").await;
    assert_eq!(done.len(), 1);
    assert_eq!((&done[0]["actor"], &done[0]["target"]), (&json!("admin:1"), &json!("23")));
    assert_eq!(done[0]["reason"], "=a gift, \"really\"");
    assert_eq!(done[0]["details"]["movement"]["gold"]["free"], 100);
    assert!(done[0]["request_id"].is_string());

    let refused = logs(&app, &auditor, "?action=attempt_refused").await;
    let told: Vec<_> = refused.iter().map(|it| (&it["actor"], &it["details"]["code"])).collect();
    let told: Vec<_> =
        told.iter().map(|(who, why)| (who.as_str().unwrap(), why.as_str().unwrap())).collect();
    assert_eq!(
        told,
        [("admin:1", "NOT_FOUND"), ("player:23", "FORBIDDEN"), ("admin:5", "FORBIDDEN")]
    );
    assert_eq!(refused[0]["target"], "/api/admin/users/4711/grant");

    assert_eq!(logs(&app, &auditor, "?actor=5").await.len(), 1);
    assert_eq!(logs(&app, &auditor, "?target=23&actor=1").await.len(), 1);
    assert!(logs(&app, &auditor, "?until=2020-01-01T00:00:00Z").await.is_empty());
    let all = logs(&app, &auditor, "?since=2020-01-01T00:00:00Z").await;
    assert_eq!(all.len(), 4, "what the club itself did is not the staff's: {all:?}");
    let first = logs(&app, &auditor, "?limit=3").await;
    let cursor = first[2]["position"].as_u64().unwrap();
    let rest = logs(&app, &auditor, &format!("?limit=3&cursor={cursor}")).await;
    assert_eq!([first, rest].concat(), all);
}

#[tokio::test]
async fn files_have_all_lines_and_calculate_nothing() {
    let app = App::start().await;
    let admin = app.admin().await;
    for key in 0..3 {
        assert_eq!(grant(&app, &admin, 10, &format!("k{key}")).await.status, 200);
    }
    let head = u64::try_from(app.database.head().await).unwrap();
    let csv = app.get_at("/api/admin/audit/logs.csv?action=gold_granted", &admin, head).await;
    assert_eq!(csv.headers["content-type"], "text/csv; charset=utf-8");
    let lines: Vec<&str> = csv.text.split("\r\n").collect();
    assert_eq!(lines.len(), 5, "a head, three lines, an end: {}", csv.text);
    assert!(lines[1].contains("\"'=a gift, \"\"really\"\"\""), "{}", lines[1]);
    let json = app.get_at("/api/admin/audit/logs.ndjson?action=gold_granted", &admin, head).await;
    let lines: Vec<Value> =
        json.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|line| line["action"] == "gold_granted"));
}
