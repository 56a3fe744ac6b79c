//! `/api/shop/catalog`.

use serde_json::{Value, json};

use crate::app::App;

#[tokio::test]
async fn the_catalogue_is_the_price_list_and_an_edit_shows_in_it() {
    let app = App::start().await;
    let catalog = app.get("/api/shop/catalog", None).await;
    let names = ["id", "sku", "price_cents", "discounted_price_cents", "gold", "min_rank"];
    let told = |item: &Value| json!(names.map(|name| &item[name]));
    let expected = [
        json!([1001, "GOLD_PACK_SMALL", 299, 299, 100, "STANDARD"]),
        json!([1002, "GOLD_PACK_MED", 1299, 1195, 550, "STANDARD"]),
        json!([1003, "GOLD_PACK_BIG", 2499, 2199, 1200, "STANDARD"]),
        json!([1004, "GOLD_PACK_VIP", 5999, 5099, 3000, "VIP"]),
    ];
    let items = catalog.body.as_array().expect("a bare array");
    assert_eq!(items.iter().map(told).collect::<Vec<_>>(), expected);
    assert!(items.iter().all(|item| item["version"] == 1 && item["currency"] == "USD"));
    assert!(items[3]["discount_ends_at"].is_string(), "the VIP pack's discount ends");

    let admin = app.admin().await;
    let terms = json!({
        "sku": "GOLD_PACK_SMALL", "name": "골드", "name_en": "Gold", "price_cents": 100, "gold": 7,
        "discount_percent": 50, "discount_ends_at": "2020-01-01T00:00:00Z",
    });
    let edited = app.call(
        "PUT".parse().unwrap(),
        "/api/admin/shop/products/1001",
        Some(&admin),
        Some(terms),
    );
    let edited = edited.await;
    assert_eq!(edited.status, 200, "{}", edited.text);
    assert_eq!(edited.body["product"]["version"], 2);
    let position = edited.body["position"].as_u64().unwrap();
    let now = app.get_at("/api/shop/catalog", &admin, position).await.body[0].clone();
    assert_eq!((&now["version"], &now["gold"]), (&json!(2), &json!(7)));
    assert_eq!(now["discounted_price_cents"], 100, "that discount has ended");
    assert_eq!(now["discount_percent"], 0);
}
