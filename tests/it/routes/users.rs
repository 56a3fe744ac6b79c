//! `/api/users`.

mod profile;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::app::{App, PLAYER_ID};

pub mod leaving;

#[tokio::test]
async fn the_balance_is_the_one_that_people_know() {
    let app = App::start().await;
    let token = app.player().await;
    let balance = app.get("/api/users/balance", Some(&token)).await;
    assert_eq!(balance.status, 200);
    let known = r#"{"user_id":23,"gold":1000,"vip_points":0,"debt":0,"position":"#;
    assert!(balance.text.starts_with(known), "{}", balance.text);
    let parts = (&balance.body["gold_paid"], &balance.body["gold_free"]);
    assert_eq!(parts, (&json!(0), &json!(1000)));
    assert_eq!(balance.body["position"], app.database.head().await);
}

/// Moves the player's gold: bought 100, got 50, spent 1,020, which takes free gold first.
async fn move_gold(app: &App, player: &str, admin: &str) -> u64 {
    let bought = app.post("/api/shop/buy", Some(player), json!({"product_id": 1001})).await;
    assert_eq!(bought.status, 200, "{}", bought.text);
    let grant = format!("/api/admin/users/{PLAYER_ID}/grant");
    let wish = json!({"gold": 50, "reason": "welcome"});
    assert_eq!(app.post_keyed(&grant, admin, "g-1", &wish).await.status, 200);
    let spent = app.post("/test/spend", Some(player), json!({"gold": 1020})).await;
    assert_eq!(spent.status, 200, "{}", spent.text);
    spent.body["position"].as_u64().unwrap()
}

#[tokio::test]
async fn the_statement_shows_every_movement_with_the_balance_after_it_page_by_page() {
    let app = App::start().await;
    let (player, admin) = (app.player().await, app.admin().await);
    let position = move_gold(&app, &player, &admin).await;

    // Read at once: the node shows its callers what they were told.
    let statement = app.get("/api/users/statement", Some(&player)).await;
    let lines = statement.body["items"].as_array().unwrap();
    let told = |line: &Value| {
        let text = |name: &str| line[name].as_str().unwrap().to_owned();
        let number = |name: &str| line[name].as_i64().unwrap();
        (text("kind"), number("gold"), number("balance_after"), text("actor"))
    };
    let line = |kind: &str, gold, after, actor: &str| (kind.into(), gold, after, actor.into());
    let expected: [(String, i64, i64, String); 4] = [
        line("spend", -1020, 130, "player:23"),
        line("grant", 50, 1150, "admin:1"),
        line("purchase", 100, 1100, "player:23"),
        line("sign_up_bonus", 1000, 1000, "system:seed"),
    ];
    assert_eq!(lines.iter().map(told).collect::<Vec<_>>(), expected);
    assert_eq!(lines[0]["position"], position);
    assert_eq!((&lines[0]["gold_free"], &lines[0]["gold_paid"]), (&json!(-1020), &json!(0)));
    assert_eq!((&lines[2]["gold_free"], &lines[2]["gold_paid"]), (&json!(0), &json!(100)));
    assert!(statement.body["position"].as_u64().unwrap() >= position);

    let mut paged = Vec::new();
    let mut cursor = String::new();
    for _ in 0..5 {
        let path = format!("/api/users/statement?limit=1{cursor}");
        let page = app.get(&path, Some(&player)).await;
        paged.extend(page.body["items"].as_array().unwrap().clone());
        let Some(next) = page.body["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(&paged, lines, "pages are the whole, nothing twice and nothing left out");

    for (kind, count) in [("spend", 1), ("purchase", 1), ("grant", 1), ("nothing", 0)] {
        let path = format!("/api/users/statement?kind={kind}");
        let items = app.get(&path, Some(&player)).await.body["items"].clone();
        let items = items.as_array().unwrap();
        assert_eq!(items.len(), count, "{kind}");
        assert!(items.iter().all(|line| line["kind"] == kind));
    }
}

#[tokio::test]
async fn a_query_that_makes_no_sense_is_refused_by_name() {
    let app = App::start().await;
    let token = app.player().await;
    let lists = ["/api/users/statement", "/api/shop/transactions"];
    for list in lists {
        for query in ["cursor=x", "cursor=-1", "limit=-1", "limit=1.5", "page=2", "cursor=%ff"] {
            let answer = app.get(&format!("{list}?{query}"), Some(&token)).await;
            answer.is_problem(400, "BAD_REQUEST");
        }
        // More than any position can be: everything is before it.
        let all = app.get(list, Some(&token)).await.body["items"].clone();
        for cursor in [u64::MAX, u64::MAX / 2 + 1, u64::MAX / 2] {
            let answer = app.get(&format!("{list}?cursor={cursor}"), Some(&token)).await;
            assert_eq!((answer.status.as_u16(), &answer.body["items"]), (200, &all), "{cursor}");
        }
        let answer = app.get(&format!("{list}?limit=1000000"), Some(&token)).await;
        assert_eq!(answer.status, 200, "a limit is cut to what is allowed");
    }
    let answer = app.get("/api/users/statement?kind=%00", Some(&token)).await;
    answer.is_problem(400, "BAD_REQUEST");
}

#[tokio::test]
async fn a_read_waits_for_the_position_that_it_has_to_show_and_not_for_ever() {
    let first = App::start().await;
    let second = App::start_on(first.database.clone(), &[]).await;
    let token = first.player().await;
    for gold in 1..=20 {
        let spent = first.post("/test/spend", Some(&token), json!({"gold": gold})).await;
        let position = spent.body["position"].as_u64().unwrap();
        // The other node has told this caller nothing, so only the header says what to wait for.
        let balance = second.get_at("/api/users/balance", &token, position).await;
        assert_eq!(balance.body["gold"], spent.body["new_gold_balance"], "{}", balance.text);
        assert!(balance.body["position"].as_u64().unwrap() >= position);
        let statement = second.get_at("/api/users/statement?limit=1", &token, position).await;
        assert_eq!(statement.body["items"][0]["position"], position, "{}", statement.text);
    }
    let lists = ["users/balance", "users/statement", "shop/transactions", "shop/catalog"];
    let asked = lists.map(|list| {
        let (first, token) = (&first, &token);
        async move { first.get_at(&format!("/api/{list}"), token, 1_000_000).await }
    });
    let started = Instant::now();
    for answer in futures::future::join_all(asked).await {
        answer.is_problem(503, "READ_MODEL_BEHIND");
        assert!(answer.headers.contains_key("retry-after"));
    }
    assert!(started.elapsed() < Duration::from_secs(8), "took {:?}", started.elapsed());
    let request = first.http.get(format!("{}/api/users/balance", first.url)).bearer_auth(&token);
    let answer = request.header("X-Min-Position", "soon").send().await.unwrap();
    assert_eq!(answer.status(), 400);
}

#[tokio::test]
async fn a_refund_after_spending_reads_right_to_somebody_who_never_saw_the_code() {
    let app = App::start().await;
    let (player, admin) = (app.player().await, app.admin().await);
    let bought = app.post("/api/shop/buy", Some(&player), json!({"product_id": 1001})).await;
    let spent = app.post("/test/spend", Some(&player), json!({"gold": 1_070})).await;
    assert_eq!(spent.status, 200, "{}", spent.text);
    let receipt = bought.body["receipt_code"].as_str().unwrap();
    let path = format!("/api/admin/transactions/{receipt}/refund");
    let wish = json!({"reason": "the player asked"});
    let refunded = app.post_keyed(&path, &admin, "r-1", &wish).await;
    assert_eq!(refunded.body["debt"], 70, "{}", refunded.text);
    app.post("/test/spend", Some(&player), json!({"gold": 1}))
        .await
        .is_problem(403, "SPEND_LOCKED");
    let grant = format!("/api/admin/users/{PLAYER_ID}/grant");
    let earned = app.post_keyed(&grant, &admin, "g-1", &json!({"gold": 50, "reason": "won"})).await;
    assert_eq!(earned.body["new_gold_balance"], 0, "all of it repays: {}", earned.text);
    let earned = app.post_keyed(&grant, &admin, "g-2", &json!({"gold": 50, "reason": "won"})).await;
    let position = earned.body["position"].as_u64().unwrap();

    let statement = app.get_at("/api/users/statement", &player, position).await;
    let lines = statement.body["items"].as_array().unwrap();
    let names = ["kind", "gold", "balance_after", "debt_change", "debt_after", "description"];
    let told: Vec<Value> = lines.iter().map(|line| json!(names.map(|name| &line[name]))).collect();
    let expected = [
        json!(["grant", 30, 30, -20, 0, "운영팀 지급: 그중 20골드로 갚아야 할 골드를 갚음"]),
        json!(["grant", 0, 0, -50, 20, "운영팀 지급: 그중 50골드로 갚아야 할 골드를 갚음"]),
        json!([
            "refund",
            -30,
            0,
            70,
            70,
            "결제 환불로 골드 회수: 잔액이 70골드 모자라 갚아야 할 골드로 남음"
        ]),
        json!(["spend", -1_070, 30, 0, 0, "골드 사용"]),
        json!(["purchase", 100, 1_100, 0, 0, "골드 구매"]),
        json!(["sign_up_bonus", 1_000, 1_000, 0, 0, "가입 축하 골드"]),
    ];
    assert_eq!(told, expected);
}
