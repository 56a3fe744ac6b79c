//! `Idempotency-Key`: asking twice does nothing twice, on whichever node.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::app::{ADMIN, Answer, App, PLAYER_ID};

const BUY: &str = "/api/shop/buy";
const SPEND: &str = "/test/spend";
const GRANT: &str = "/api/admin/users/23/grant";
const PARALLEL: usize = 64;

/// Asks 64 times at once under one key, in turn on each node; the one answer that all of them got.
async fn at_once(nodes: &[&App], path: &str, token: &str, key: &str, body: &Value) -> Answer {
    let asked =
        (0..PARALLEL).map(|count| nodes[count % nodes.len()].post_keyed(path, token, key, body));
    let answers = join_all(asked).await;
    let first = answers[0].clone();
    for answer in &answers {
        assert_eq!((answer.status, &answer.text), (first.status, &first.text), "{path}");
    }
    let is_replay = |answer: &&Answer| answer.headers.contains_key("idempotency-replayed");
    assert_eq!(answers.iter().filter(is_replay).count(), PARALLEL - 1, "{path}: all but one");
    first
}

async fn gold(app: &App, token: &str, position: &Value) -> Value {
    let position = position.as_u64().unwrap();
    app.get_at("/api/users/balance", token, position).await.body["gold"].clone()
}

/// Everything that a key promises, on one node or on several.
async fn a_key_keeps_its_word(nodes: &[&App]) {
    let (first, last) = (nodes[0], nodes[nodes.len() - 1]);
    let (player, admin) = (first.player().await, first.admin().await);
    let database = &first.database;
    let before = database.events().await;
    let wish = json!({"product_id": 1001});

    let bought = at_once(nodes, BUY, &player, "k-buy", &wish).await;
    assert_eq!((bought.status.as_u16(), &bought.body["new_gold_balance"]), (200, &json!(1100)));
    assert_eq!(database.events().await, before + 2, "requested once, completed once");
    let gift = json!({"gold": 400, "reason": "sorry for the wait"});
    let granted = at_once(nodes, GRANT, &admin, "k-grant", &gift).await;
    assert_eq!((granted.status.as_u16(), &granted.body["new_gold_balance"]), (200, &json!(1500)));
    assert_eq!(database.events().await, before + 3);

    let other = json!({"product_id": 1001, "quantity": 2});
    last.post_keyed(BUY, &player, "k-buy", &other).await.is_problem(422, "IDEMPOTENCY_KEY_REUSED");
    last.post_keyed(SPEND, &player, "k-buy", &json!({"gold": 1}))
        .await
        .is_problem(422, "IDEMPOTENCY_KEY_REUSED");
    let other = json!({"gold": 401, "reason": "sorry for the wait"});
    last.post_keyed(GRANT, &admin, "k-grant", &other)
        .await
        .is_problem(422, "IDEMPOTENCY_KEY_REUSED");

    let spent = last.post_keyed(SPEND, &player, "k-spend", &json!({"gold": 1500})).await;
    assert_eq!(spent.body["new_gold_balance"], 0, "{}", spent.text);
    for node in nodes {
        let again = node.post_keyed(BUY, &player, "k-buy", &wish).await;
        assert_eq!(again.text, bought.text, "the first answer, although the gold is spent");
        let again = node.post_keyed(GRANT, &admin, "k-grant", &gift).await;
        assert_eq!(again.text, granted.text);
        let again = node.post_keyed(SPEND, &player, "k-spend", &json!({"gold": 1500})).await;
        assert_eq!(again.text, spent.text, "not refused for want of gold");
        assert_eq!(gold(node, &player, &spent.body["position"]).await, 0);
    }
    assert_eq!(database.events().await, before + 4);
}

#[tokio::test]
async fn a_key_makes_one_event_and_one_answer_for_good() {
    let app = App::start().await;
    a_key_keeps_its_word(&[&app]).await;
}

#[tokio::test]
async fn a_key_makes_one_event_and_one_answer_across_two_nodes() {
    let first = App::start().await;
    let second = App::start_on(first.database.clone(), &[]).await;
    a_key_keeps_its_word(&[&first, &second]).await;

    // A node that was not there when the keys were used knows them from the log.
    let third = App::start_on(first.database.clone(), &[]).await;
    let token = third.player().await;
    let again = third.post_keyed(BUY, &token, "k-buy", &json!({"product_id": 1001})).await;
    assert_eq!(again.body["new_gold_balance"], 1100, "{}", again.text);
    assert_eq!(again.headers["idempotency-replayed"], "true");
}

#[tokio::test]
async fn a_key_refused_without_an_event_may_be_used_again_on_any_node() {
    let first = App::start().await;
    let second = App::start_on(first.database.clone(), &[]).await;
    let (player, admin) = (first.player().await, first.admin().await);
    let spend = json!({"gold": 5000});
    for node in [&first, &second] {
        let refused = node.post_keyed(SPEND, &player, "k-1", &spend).await;
        refused.is_problem(409, "INSUFFICIENT_GOLD");
        assert_eq!((&refused.body["gold"], &refused.body["needed"]), (&json!(1000), &json!(5000)));
        node.post_keyed(BUY, &player, "k-2", &json!({"product_id": 1004}))
            .await
            .is_problem(403, "RANK_REQUIRED");
    }
    let gift = json!({"gold": 4000, "reason": "so that it is enough"});
    let granted = first.post_keyed(GRANT, &admin, "k-3", &gift).await;
    assert_eq!(granted.body["new_gold_balance"], 5000);
    // The second node may not have heard of the gift yet; it must not refuse all the same.
    let spent = second.post_keyed(SPEND, &player, "k-1", &spend).await;
    assert_eq!(spent.body["new_gold_balance"], 0, "{}", spent.text);
    let bought = first.post_keyed(BUY, &player, "k-2", &json!({"product_id": 1001})).await;
    assert_eq!(bought.body["new_gold_balance"], 100, "the key takes another body: {}", bought.text);
}

#[tokio::test]
async fn a_key_belongs_to_its_caller_and_a_declined_purchase_stays_declined() {
    let app = App::start().await;
    let player = app.player().await;
    let other = app.sign_in("/api/auth/login", ("minjun", "1234")).await;
    let wish = json!({"product_id": 1001});
    let mine = app.post_keyed(BUY, &player, "k", &wish).await;
    let theirs = app.post_keyed(BUY, &other, "k", &wish).await;
    assert_eq!((&mine.body["user_id"], &theirs.body["user_id"]), (&json!(PLAYER_ID), &json!(6)));
    assert_ne!(mine.body["receipt_code"], theirs.body["receipt_code"]);

    let wish = json!({"product_id": 1001, "card_token": "tok_decline"});
    let declined = app.post_keyed(BUY, &player, "k-declined", &wish).await;
    declined.is_problem(402, "PAYMENT_DECLINED");
    let before = app.database.events().await;
    let again = app.post_keyed(BUY, &player, "k-declined", &wish).await;
    again.is_problem(402, "PAYMENT_DECLINED");
    assert_eq!(again.body["receipt_code"], declined.body["receipt_code"]);
    assert_eq!(again.body["position"], declined.body["position"]);
    assert_eq!(app.database.events().await, before);

    // In the body, quoted, and under its older name: the same key.
    let wish = json!({"gold": 10});
    let spent = app.post_keyed(SPEND, &player, "\"k-4\"", &wish).await;
    let in_body = json!({"gold": 10, "idempotency_key": "k-4"});
    let again = app.post(SPEND, Some(&player), in_body).await;
    assert_eq!(again.text, spent.text);
    let older = app.http.post(format!("{}{SPEND}", app.url)).bearer_auth(&player);
    let older = older.header("X-Idempotency-Key", "k-4").json(&wish).send().await.unwrap();
    assert_eq!(Answer::read(older).await.text, spent.text);
}

/// All terms of the small pack, at this price, with so much gold.
fn terms(price_cents: u64, gold: u64, on_sale: bool) -> Value {
    json!({
        "sku": "GOLD_PACK_SMALL", "name": "골드 팩 (소)", "name_en": "Small gold pack",
        "price_cents": price_cents, "gold": gold, "on_sale": on_sale,
    })
}

async fn revise(app: &App, token: &str, key: &str, terms: &Value) -> Answer {
    let url = format!("{}/api/admin/shop/products/1001", app.url);
    let request = app.http.put(url).bearer_auth(token).header("Idempotency-Key", key);
    Answer::read(request.json(terms).send().await.unwrap()).await
}

#[tokio::test]
async fn a_node_with_old_prices_in_mind_sells_at_the_new_one() {
    let first = App::start().await;
    let second = App::start_on(first.database.clone(), &[]).await;
    let player = second.player().await;
    let admin = first.sign_in("/api/auth/admin/login", ADMIN).await;
    for price in 1..=10 {
        let edited =
            revise(&first, &admin, &format!("p-{price}"), &terms(price * 100, price, true)).await;
        assert_eq!(edited.status, 200, "{}", edited.text);
        let bought = second.post(BUY, Some(&player), json!({"product_id": 1001})).await;
        assert_eq!(bought.body["gold_granted"], price, "{}", bought.text);
        let listed = second.get("/api/shop/transactions?limit=1", Some(&player)).await;
        assert_eq!(listed.body["items"][0]["amount_cents"], price * 100);

        revise(&first, &admin, &format!("off-{price}"), &terms(price * 100, price, false)).await;
        let refused = second.post(BUY, Some(&player), json!({"product_id": 1001})).await;
        refused.is_problem(404, "NOT_FOUND");
    }
    // The answer to an edit is that edit's, whatever has been edited since.
    let again = revise(&second, &admin, "p-1", &terms(100, 1, true)).await;
    assert_eq!(again.headers["idempotency-replayed"], "true", "{}", again.text);
    assert_eq!(again.body["product"]["price_cents"], 100, "{}", again.text);
    assert_eq!(again.body["product"]["version"], 2, "{}", again.text);
    let same = revise(&first, &admin, "p-same", &terms(1000, 10, false)).await;
    assert_eq!((same.status.as_u16(), &same.body["product"]["version"]), (200, &json!(21)));
}
