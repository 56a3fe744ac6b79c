//! `/api/admin/shop/products`.

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{Answer, App};

const PRODUCTS: &str = "/api/admin/shop/products";

fn pack() -> Value {
    json!({"sku": "PACK", "name": "팩", "name_en": "Pack", "price_cents": 1, "gold": 1})
}

fn benefit() -> Value {
    json!({
        "kind": "item", "sku": "lucky_charm", "name": "부적", "name_en": "Lucky charm",
        "price_gold": 500, "limit": {"count": 2, "per": "week"}, "valid_days": 7,
    })
}

async fn put(app: &App, token: &str, id: &str, terms: Value) -> Answer {
    app.call(Method::PUT, &format!("{PRODUCTS}/{id}"), Some(token), Some(terms)).await
}

async fn put_if(app: &App, token: &str, tag: &str, terms: &Value) -> Answer {
    let request = app.http.put(format!("{}{PRODUCTS}/1001", app.url)).bearer_auth(token);
    Answer::read(request.header("If-Match", tag).json(terms).send().await.unwrap()).await
}

#[tokio::test]
async fn a_product_is_edited_by_those_who_may_and_with_terms_that_make_sense() {
    let app = App::start().await;
    let (player, admin) = (app.player().await, app.admin().await);
    let before = app.database.events().await;
    put(&app, &player, "1001", pack()).await.is_problem(403, "FORBIDDEN");
    put(&app, &admin, "4711", pack()).await.is_problem(404, "NOT_FOUND");
    put(&app, &admin, "1001", benefit()).await.is_problem(409, "CONFLICT");
    let unusable = [
        ("sku", json!("1001")),
        ("sku", json!("pack")),
        ("name", json!("")),
        ("price_cents", json!(0)),
        ("price_cents", json!(2.99)),
        ("price_cents", json!(-1)),
        ("gold", json!(0)),
        ("discount_percent", json!(101)),
        ("discount_ends_at", json!("tomorrow")),
        ("min_rank", json!("KING")),
        ("currency", json!("dollars")),
        ("on_sale", json!("yes")),
        ("kind", json!("thing")),
        ("price_gold", json!(1)),
        ("version", json!(9)),
    ];
    for (name, value) in unusable {
        let mut terms = pack();
        terms[name] = value;
        let answer = put(&app, &admin, "1001", terms).await;
        answer.is_problem(422, "VALIDATION_FAILED");
        assert_eq!(answer.body["errors"][0]["loc"], json!(["body", name]), "{}", answer.text);
    }
    for (name, value) in [
        ("price_gold", json!(0)),
        ("limit", json!({"count": 1, "per": "year"})),
        ("limit", json!(3)),
        ("valid_days", json!(0)),
        ("price_cents", json!(1)),
    ] {
        let mut terms = benefit();
        terms[name] = value;
        let answer = app.post(PRODUCTS, Some(&admin), terms).await;
        answer.is_problem(422, "VALIDATION_FAILED");
        assert_eq!(answer.body["errors"][0]["loc"], json!(["body", name]), "{}", answer.text);
    }
    assert_eq!(app.database.events().await, before);
}

#[tokio::test]
async fn new_products_take_the_next_number_and_are_sold_at_once() {
    let app = App::start().await;
    let (player, admin) = (app.player().await, app.admin().await);
    let made = app.post_keyed(PRODUCTS, &admin, "k-1", &pack()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let product = &made.body["product"];
    assert_eq!((&product["id"], &product["version"]), (&json!(1005), &json!(1)));
    assert_eq!(product["kind"], "gold");
    let again = app.post_keyed(PRODUCTS, &admin, "k-1", &pack()).await;
    assert_eq!((again.status, &again.text), (made.status, &made.text));
    assert_eq!(again.headers["idempotency-replayed"], "true");

    let charm = app.post(PRODUCTS, Some(&admin), benefit()).await;
    assert_eq!(charm.status, 201, "{}", charm.text);
    let expected = json!({
        "kind": "item", "id": 2010, "sku": "lucky_charm", "name": "부적",
        "name_en": "Lucky charm", "price_gold": 500, "limit": {"count": 2, "per": "week"},
        "valid_days": 7, "min_rank": "STANDARD", "on_sale": true, "version": 1,
    });
    assert_eq!(charm.body["product"], expected);
    let bought = app.post("/api/shop/buy", Some(&player), json!({"product_id": 1005})).await;
    assert_eq!(bought.body["gold_granted"], 1, "{}", bought.text);
    let wish = json!({"product_id": "lucky_charm", "kind": "item"});
    let bought = app.post("/api/shop/buy", Some(&player), wish).await;
    assert_eq!(bought.body["gold_spent"], 500, "{}", bought.text);

    let mut chosen = pack();
    chosen["id"] = json!(1500);
    assert_eq!(app.post(PRODUCTS, Some(&admin), chosen.clone()).await.status, 201);
    assert_eq!(app.post(PRODUCTS, Some(&admin), chosen.clone()).await.status, 200, "there already");
    chosen["gold"] = json!(2);
    app.post(PRODUCTS, Some(&admin), chosen).await.is_problem(409, "CONFLICT");

    let listed = app.get(PRODUCTS, Some(&admin)).await;
    let ids: Vec<_> = listed.body.as_array().unwrap().iter().map(|p| p["id"].clone()).collect();
    let benefits = 2001..=2010;
    let expected: Vec<_> = (1001..=1005).chain([1500]).chain(benefits).map(Value::from).collect();
    assert_eq!(ids, expected);
    for name in ["support", "auditor"] {
        let token = app.sign_in("/api/auth/admin/login", (name, &format!("{name}123"))).await;
        assert_eq!(app.get(PRODUCTS, Some(&token)).await.status, 200, "{name} may read");
        app.post(PRODUCTS, Some(&token), pack()).await.is_problem(403, "FORBIDDEN");
    }
}

#[tokio::test]
async fn many_new_products_at_once_have_numbers_of_their_own() {
    let app = App::start().await;
    let admin = app.admin().await;
    let made = (0..8).map(|number| {
        let (app, admin) = (&app, &admin);
        let mut terms = pack();
        terms["sku"] = json!(format!("PACK_{number}"));
        async move { app.post(PRODUCTS, Some(admin), terms).await.body["product"]["id"].as_i64() }
    });
    let mut ids = futures::future::join_all(made).await;
    ids.sort_unstable();
    assert_eq!(ids, (1005..=1012).map(Some).collect::<Vec<_>>());
}

#[tokio::test]
async fn whoever_edits_says_which_version_they_have_seen() {
    let app = App::start().await;
    let admin = app.admin().await;
    let seen = app.get(&format!("{PRODUCTS}/1001"), Some(&admin)).await;
    assert_eq!(seen.headers["etag"], "\"1\"");
    assert_eq!(seen.body["sku"], "GOLD_PACK_SMALL");
    let revised = put_if(&app, &admin, "\"1\"", &pack()).await;
    assert_eq!((revised.status.as_u16(), &revised.body["product"]["version"]), (200, &json!(2)));
    assert_eq!(revised.headers["etag"], "\"2\"");

    let mut other = pack();
    other["gold"] = json!(2);
    for stale in ["\"1\"", "W/\"2\"", "\"abc\"", "\"1\", \"3\""] {
        let refused = put_if(&app, &admin, stale, &other).await;
        refused.is_problem(412, "PRECONDITION_FAILED");
        assert_eq!(refused.body["version"], 2, "{stale}");
    }
    put_if(&app, &admin, "2", &other).await.is_problem(400, "BAD_REQUEST");
    let at = revised.body["position"].as_u64().unwrap();
    let now = app.get_at(&format!("{PRODUCTS}/1001"), &admin, at).await;
    assert_eq!((&now.headers["etag"], &now.body["gold"]), (&"\"2\"".parse().unwrap(), &json!(1)));
    for fitting in ["\"2\"", "*", "\"9\", \"4\""] {
        other["gold"] = json!(other["gold"].as_u64().unwrap() + 1);
        assert_eq!(put_if(&app, &admin, fitting, &other).await.status, 200, "{fitting}");
    }
    assert_eq!(put(&app, &admin, "1001", pack()).await.status, 200, "without, the last one wins");
    app.get(&format!("{PRODUCTS}/4711"), Some(&admin)).await.is_problem(404, "NOT_FOUND");
    app.get(&format!("{PRODUCTS}/one"), Some(&admin)).await.is_problem(404, "NOT_FOUND");
}

#[tokio::test]
async fn a_product_is_taken_off_sale_and_put_on_again() {
    let app = App::start().await;
    let (player, admin) = (app.player().await, app.admin().await);
    let switch = |id: u32, what: &'static str| {
        let (app, admin) = (&app, &admin);
        async move { app.post(&format!("{PRODUCTS}/{id}/{what}"), Some(admin), json!({})).await }
    };
    let off = switch(1001, "deactivate").await;
    let told = (&off.body["product"]["on_sale"], &off.body["product"]["version"]);
    assert_eq!(told, (&json!(false), &json!(2)), "{}", off.text);
    let again = switch(1001, "deactivate").await;
    assert_eq!(again.body["product"]["version"], 2, "doing it twice is no version");
    let buy = json!({"product_id": 1001});
    app.post("/api/shop/buy", Some(&player), buy.clone()).await.is_problem(404, "NOT_FOUND");
    assert_eq!(switch(1001, "activate").await.body["product"]["version"], 3);
    assert_eq!(app.post("/api/shop/buy", Some(&player), buy).await.status, 200);
    assert_eq!(switch(2001, "deactivate").await.body["product"]["kind"], "item");
    switch(4711, "activate").await.is_problem(404, "NOT_FOUND");
}
