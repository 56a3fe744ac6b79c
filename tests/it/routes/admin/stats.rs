//! `/api/admin/shop/stats` and `/api/admin/shop/categories`.

use serde_json::{Value, json};

use crate::app::App;

#[tokio::test]
async fn sums_are_by_product_and_day_and_the_books_balance() {
    let app = App::start().await;
    let (player, admin) = (app.player().await, app.admin().await);
    for wish in [json!({"product_id": 1001, "quantity": 2}), json!({"product_id": 1002})] {
        assert_eq!(app.post("/api/shop/buy", Some(&player), wish).await.status, 200);
    }
    let declined = json!({"product_id": 1001, "card_token": "tok_decline"});
    app.post("/api/shop/buy", Some(&player), declined).await.is_problem(402, "PAYMENT_DECLINED");
    let gift = json!({"gold": 30_000, "reason": "for a benefit"});
    app.post_keyed("/api/admin/users/23/grant", &admin, "g", &gift).await;
    let wish = json!({"product_id": 2001, "kind": "item"});
    let bought = app.post("/api/shop/buy", Some(&player), wish).await;
    assert_eq!(bought.status, 200, "{}", bought.text);
    let at = bought.body["position"].as_u64().unwrap();
    let stats = app.get_at("/api/admin/shop/stats", &admin, at).await;
    assert_eq!(stats.status, 200, "{}", stats.text);

    let line = |sku: &str| {
        let lines = stats.body["sales"].as_array().unwrap().iter();
        lines.clone().find(|line| line["sku"] == sku).cloned().unwrap_or_default()
    };
    let small = line("GOLD_PACK_SMALL");
    let counted =
        (&small["requested"], &small["completed"], &small["amount_cents"], &small["gold"]);
    assert_eq!(counted, (&json!(2), &json!(1), &json!(598), &json!(200)), "{small}");
    assert_eq!((&small["kind"], &small["product_id"]), (&json!("gold"), &json!(1001)));
    let charm = line("anti_bankruptcy");
    assert_eq!((&charm["kind"], &charm["gold_spent"]), (&json!("item"), &json!(20_000)), "{charm}");
    let totals = &stats.body["totals"][0];
    let sold = (&totals["currency"], &totals["net_cents"], &totals["gold"]);
    assert_eq!(sold, (&json!("USD"), &json!(598 + 1_195), &json!(750)), "{totals}");

    let prepaid = &stats.body["prepaid"];
    let kinds = |name: &str| {
        let sum = |kind: &str| prepaid[name][kind].as_i64().unwrap();
        (sum("paid"), sum("free"))
    };
    assert_eq!(kinds("sold"), (750, 0));
    let of_all = |kind: fn((i64, i64)) -> i64| {
        let [outstanding, owed, sold, given, spent, refunded] =
            ["outstanding", "owed", "sold", "given", "spent", "refunded"].map(|n| kind(kinds(n)));
        assert_eq!(outstanding - owed, sold + given - spent - refunded);
    };
    of_all(|(paid, _)| paid);
    of_all(|(_, free)| free);
    assert_eq!(kinds("spent").0 + kinds("spent").1, 20_000);

    let none = app.get("/api/admin/shop/stats?until=2026-01-01T00:00:00Z", Some(&admin)).await;
    assert_eq!(none.body["sales"], json!([]), "{}", none.text);
    let wrong = app.get("/api/admin/shop/stats?until=yesterday", Some(&admin)).await;
    wrong.is_problem(400, "BAD_REQUEST");
}

#[tokio::test]
async fn the_shelves_say_how_much_is_on_them() {
    let app = App::start().await;
    let admin = app.admin().await;
    let off = "/api/admin/shop/products/1001/deactivate";
    assert_eq!(app.post(off, Some(&admin), json!({})).await.status, 200);
    let shelves = app.get("/api/admin/shop/categories", Some(&admin)).await;
    let counts =
        |shelf: &Value| (shelf["id"].clone(), shelf["count"].clone(), shelf["on_sale"].clone());
    let told: Vec<_> = shelves.body.as_array().unwrap().iter().map(counts).collect();
    let expected = [("packs", 4, 3), ("benefits", 9, 9), ("packages", 2, 2)];
    assert_eq!(told, expected.map(|(id, count, sold)| (json!(id), json!(count), json!(sold))));
}
