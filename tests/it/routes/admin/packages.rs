//! `/api/admin/limited-packages`.

use serde_json::{Value, json};

use crate::app::App;

const PACKAGES: &str = "/api/admin/limited-packages";

fn package() -> Value {
    json!({
        "code": "NEW_YEAR", "name": "새해", "name_en": "New year", "price_cents": 999,
        "gold": 1_500, "stock_total": 3, "per_user_limit": 2,
        "starts_at": "2026-01-01T00:00:00Z", "ends_at": "2036-01-01T00:00:00Z",
    })
}

#[tokio::test]
async fn a_package_is_offered_counted_and_taken_off_sale() {
    let app = App::start().await;
    let (player, admin) = (app.player().await, app.admin().await);
    let made = app.post_keyed(PACKAGES, &admin, "k-1", &package()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    for (name, value) in package().as_object().unwrap() {
        let told = &made.body[name];
        // Moments are told in milliseconds.
        let is_same = told == value || told.as_str().is_some_and(|t| t.ends_with(":00.000Z"));
        assert!(is_same, "{name}: {told}");
    }
    assert_eq!(made.body["package_id"], "NEW_YEAR");
    assert_eq!((&made.body["is_active"], &made.body["sold"]), (&json!(true), &json!(0)));
    let again = app.post_keyed(PACKAGES, &admin, "k-1", &package()).await;
    assert_eq!((again.status, &again.text), (made.status, &made.text));

    let wish = json!({"package_id": "NEW_YEAR", "quantity": 2});
    let bought = app.post("/api/shop/buy-limited", Some(&player), wish.clone()).await;
    assert_eq!(bought.body["total_price_cents"], 1_998, "{}", bought.text);
    let at = bought.body["position"].as_u64().unwrap();
    let listed = app.get_at(PACKAGES, &admin, at).await;
    let codes: Vec<_> =
        listed.body.as_array().unwrap().iter().map(|p| p["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["WEEKEND_STARTER", "VIP_BLITZ", "NEW_YEAR"]);
    let line = &listed.body[2];
    let counted = (&line["sold"], &line["reserved"], &line["remaining_stock"]);
    assert_eq!(counted, (&json!(2), &json!(0), &json!(1)));
    // There already, with the same terms: as it is now.
    let there = app.post(PACKAGES, Some(&admin), package()).await;
    assert_eq!((there.status.as_u16(), &there.body["sold"]), (200, &json!(2)));

    let disabled = app.post(&format!("{PACKAGES}/NEW_YEAR/disable"), Some(&admin), json!({})).await;
    assert_eq!(disabled.body["is_active"], false, "{}", disabled.text);
    app.post("/api/shop/buy-limited", Some(&player), wish).await.is_problem(409, "WINDOW_CLOSED");
    let enabled = app.post(&format!("{PACKAGES}/NEW_YEAR/enable"), Some(&admin), json!({})).await;
    assert_eq!((&enabled.body["is_active"], &enabled.body["sold"]), (&json!(true), &json!(2)));
    let unknown = app.post(&format!("{PACKAGES}/NOTHING/disable"), Some(&admin), json!({})).await;
    unknown.is_problem(404, "NOT_FOUND");
}

#[tokio::test]
async fn a_package_has_terms_that_make_sense_and_keeps_them() {
    let app = App::start().await;
    let (player, admin) = (app.player().await, app.admin().await);
    app.post(PACKAGES, Some(&player), package()).await.is_problem(403, "FORBIDDEN");
    let before = app.database.events().await;
    let unusable = [
        ("code", json!("새해")),
        ("code", json!("2026")),
        ("name", json!("")),
        ("price_cents", json!(0)),
        ("gold", json!(0)),
        ("stock_total", json!(0)),
        ("per_user_limit", json!(-1)),
        ("ends_at", json!("2026-01-01T00:00:00Z")),
        ("starts_at", json!("tomorrow")),
        ("sold", json!(1)),
    ];
    for (name, value) in unusable {
        let mut wish = package();
        wish[name] = value;
        let answer = app.post(PACKAGES, Some(&admin), wish).await;
        answer.is_problem(422, "VALIDATION_FAILED");
        assert_eq!(answer.body["errors"][0]["loc"], json!(["body", name]), "{}", answer.text);
    }
    let mut taken = package();
    taken["code"] = json!("WEEKEND_STARTER");
    app.post(PACKAGES, Some(&admin), taken).await.is_problem(409, "CONFLICT");
    assert_eq!(app.database.events().await, before);
    let auditor = app.sign_in("/api/auth/admin/login", ("auditor", "auditor123")).await;
    assert_eq!(app.get(PACKAGES, Some(&auditor)).await.status, 200);
}
