//! `/api/admin/users`.

use serde_json::{Value, json};

use crate::app::{App, PLAYER};

fn ids(page: &Value) -> Vec<i64> {
    page["items"].as_array().unwrap().iter().map(|user| user["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn everybody_is_listed_page_by_page_and_found_by_name() {
    let app = App::start().await;
    let admin = app.admin().await;
    let page = |query: &str| {
        let (app, admin, path) = (&app, &admin, format!("/api/admin/users{query}"));
        async move {
            let answer = app.get(&path, Some(admin)).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            answer.body
        }
    };
    let first = page("").await;
    let told = |name: &str| first[name].as_u64().unwrap();
    assert_eq!(
        [told("users"), told("total_pages"), told("page"), told("page_size")],
        [24, 3, 1, 10]
    );
    assert_eq!(ids(&first), (1..=10).collect::<Vec<_>>());
    let last = page("?page=3").await;
    assert_eq!(ids(&last), (21..=24).collect::<Vec<_>>());
    let player = &last["items"][2];
    assert_eq!((&player["site_id"], &player["gold"]), (&json!(PLAYER.0), &json!(1_000)));
    assert_eq!((&player["role"], &player["is_admin"]), (&json!("player"), &json!(false)));
    assert!(!last.to_string().contains("01025260023"), "no phone numbers in lists");

    let trimmed = page("?limit=2").await;
    assert_eq!((ids(&trimmed), &trimmed["total_pages"]), (vec![1, 2], &json!(3)));
    assert_eq!(ids(&page("?limit=100").await).len(), 24);
    assert_eq!(ids(&page("?search=ADMIN").await), [1, 2]);
    assert_eq!(ids(&page("?search=23").await), [23]);
    assert_eq!(ids(&page("?search=%EC%88%98%EB%B9%88").await), [14]);
    for nobody in ["?search=%25", "?search=_", "?page=99", "?search=%5C"] {
        assert!(ids(&page(nobody).await).is_empty(), "{nobody}");
    }
    app.get("/api/admin/users?search=%00", Some(&admin)).await.is_problem(400, "BAD_REQUEST");
    app.get("/api/admin/users?nonsense=1", Some(&admin)).await.is_problem(400, "BAD_REQUEST");
}

#[tokio::test]
async fn somebody_is_shown_with_sessions_and_ban() {
    let app = App::start().await;
    let (admin, _) = (app.admin().await, app.player().await);
    let one = app.get("/api/admin/users/23", Some(&admin)).await;
    assert_eq!((one.status.as_u16(), &one.body["id"]), (200, &json!(23)));
    assert_eq!(one.body["sessions"].as_array().unwrap().len(), 1, "{}", one.text);
    assert!(one.body["ban"].is_null() && one.body["is_active"] == true);
    let ban = json!({"reason": "abuse of a bonus"});
    let banned = app.post("/api/admin/users/23/ban", Some(&admin), ban).await;
    let position = banned.body["position"].as_u64().unwrap();
    let one = app.get_at("/api/admin/users/23", &admin, position).await;
    assert!(one.body["ban"]["since"].is_string() && one.body["is_active"] == false, "{}", one.text);
    for nobody in ["4711", "0", "me"] {
        let path = format!("/api/admin/users/{nobody}");
        app.get(&path, Some(&admin)).await.is_problem(404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn whoever_looks_at_personal_data_leaves_a_trace() {
    let app = App::start().await;
    let support = app.sign_in("/api/auth/admin/login", ("support", "support123")).await;
    let operator = app.sign_in("/api/auth/admin/login", ("operator", "operator123")).await;
    let path = "/api/admin/users/23/personal";
    app.get(path, Some(&operator)).await.is_problem(403, "FORBIDDEN");
    let seen = app.get(path, Some(&support)).await;
    assert_eq!((seen.status.as_u16(), &seen.body["phone_number"]), (200, &json!("01025260023")));
    let auditor = app.sign_in("/api/auth/admin/login", ("auditor", "auditor123")).await;
    let head = u64::try_from(app.database.head().await).unwrap();
    let log = "/api/admin/audit/logs?action=personal_data_seen";
    let looks = app.get_at(log, &auditor, head).await.body;
    let looks = looks["items"].as_array().unwrap();
    assert_eq!(looks.len(), 1);
    assert_eq!((&looks[0]["actor"], &looks[0]["target"]), (&json!("admin:3"), &json!("23")));
}
