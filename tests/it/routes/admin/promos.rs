//! `/api/admin/promo-codes`.

use serde_json::{Value, json};

use crate::app::App;

const PROMOS: &str = "/api/admin/promo-codes";

#[tokio::test]
async fn a_promotion_is_made_used_and_counted() {
    let app = App::start().await;
    let (player, admin) = (app.player().await, app.admin().await);
    let wish = json!({
        "code": "blitz5", "package_id": "VIP_BLITZ", "cents_off": 500, "max_uses": 2,
        "per_user_limit": 1,
    });
    let made = app.post_keyed(PROMOS, &admin, "k-1", &wish).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let told = (&made.body["code"], &made.body["cents_off"], &made.body["percent"]);
    assert_eq!(told, (&json!("BLITZ5"), &json!(500), &Value::Null));
    let again = app.post_keyed(PROMOS, &admin, "k-1", &wish).await;
    assert_eq!((again.status, &again.text), (made.status, &made.text));

    let buy = json!({"package_id": "VIP_BLITZ", "promo_code": "BLITZ5"});
    let bought = app.post("/api/shop/buy-limited", Some(&player), buy).await;
    assert_eq!(bought.body["total_price_cents"], 1_499, "{}", bought.text);
    let at = bought.body["position"].as_u64().unwrap();
    let listed = app.get_at(PROMOS, &admin, at).await;
    let lines = listed.body["items"].as_array().unwrap();
    let codes: Vec<_> = lines.iter().map(|promo| promo["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["BLITZ5", "WELCOME10"], "the newest first");
    assert_eq!((&lines[0]["used"], &lines[0]["held"]), (&json!(1), &json!(0)));
    assert_eq!((&lines[1]["percent"], &lines[1]["per_user_limit"]), (&json!(10), &json!(1)));
    let there = app.post(PROMOS, Some(&admin), wish).await;
    assert_eq!((there.status.as_u16(), &there.body["used"]), (200, &json!(1)));
    let page = app.get(&format!("{PROMOS}?limit=1"), Some(&admin)).await;
    let cursor = page.body["next_cursor"].as_str().unwrap();
    let next = app.get(&format!("{PROMOS}?limit=1&cursor={cursor}"), Some(&admin)).await;
    assert_eq!(next.body["items"][0]["code"], "WELCOME10");
}

#[tokio::test]
async fn a_promotion_takes_off_a_share_or_an_amount_of_something_that_is_there() {
    let app = App::start().await;
    let (player, admin) = (app.player().await, app.admin().await);
    let before = app.database.events().await;
    let good = json!({"code": "TEN", "percent": 10});
    app.post(PROMOS, Some(&player), good.clone()).await.is_problem(403, "FORBIDDEN");
    let with = |name: &str, value: Value| {
        let mut wish = good.clone();
        wish[name] = value;
        wish
    };
    let unusable = [
        (json!({"code": "TEN"}), "percent"),
        (with("cents_off", json!(1)), "cents_off"),
        (with("percent", json!(0)), "percent"),
        (with("percent", json!(101)), "percent"),
        (json!({"code": "TEN", "cents_off": 0}), "cents_off"),
        (with("max_uses", json!(0)), "max_uses"),
        (with("code", json!("1")), "code"),
    ];
    for (wish, field) in unusable {
        let answer = app.post(PROMOS, Some(&admin), wish).await;
        answer.is_problem(422, "VALIDATION_FAILED");
        assert_eq!(answer.body["errors"][0]["loc"], json!(["body", field]), "{}", answer.text);
    }
    let mut closed = with("starts_at", json!("2027-01-01T00:00:00Z"));
    closed["ends_at"] = json!("2026-01-01T00:00:00Z");
    let answer = app.post(PROMOS, Some(&admin), closed).await;
    assert_eq!(answer.body["errors"][0]["loc"], json!(["body", "ends_at"]), "{}", answer.text);
    let unknown = app.post(PROMOS, Some(&admin), with("package_id", json!("NOTHING"))).await;
    unknown.is_problem(404, "NOT_FOUND");
    let other = json!({"code": "WELCOME10", "percent": 11});
    app.post(PROMOS, Some(&admin), other).await.is_problem(409, "CONFLICT");
    assert_eq!(app.database.events().await, before);
}
