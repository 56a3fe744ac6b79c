//! `/api/shop/receipts/{code}`: receipts that can be verified with the published key alone.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

use crate::provider::club;

#[tokio::test]
async fn a_receipt_is_verified_with_the_published_key_and_not_if_it_was_touched() {
    let app = club(&[]).await;
    let token = app.player().await;
    let bought = app.post("/api/shop/buy", Some(&token), json!({"product_id": 1002})).await;
    let code = bought.body["receipt_code"].as_str().unwrap();
    let path = format!("/api/shop/receipts/{code}");
    let answer = app.get(&path, Some(&token)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let receipt = &answer.body["receipt"];
    let told = ["receipt_code", "amount_cents", "gold_granted", "status", "user_id"];
    assert_eq!(json!(told.map(|name| &receipt[name])), json!([code, 1195, 550, "completed", 23]));

    let signature = answer.body["signature"].as_str().unwrap();
    let keys: JwkSet =
        serde_json::from_value(app.get("/.well-known/receipt-keys.json", None).await.body).unwrap();
    let header = decode_header(signature).unwrap();
    assert_eq!(header.typ.as_deref(), Some("receipt+jwt"));
    let key = DecodingKey::from_jwk(keys.find(&header.kid.unwrap()).unwrap()).unwrap();
    let mut rules = Validation::new(Algorithm::EdDSA);
    rules.required_spec_claims.clear();
    rules.validate_exp = false;
    let verified = decode::<Value>(signature, &key, &rules).unwrap().claims;
    assert_eq!(&verified, receipt, "what is signed is what is shown");
    let (head, tail) = signature.rsplit_once('.').unwrap();
    let touched = format!("{}A.{tail}", &head[..head.len() - 1]);
    assert!(decode::<Value>(&touched, &key, &rules).is_err());

    // A receipt opens nothing.
    app.get("/api/users/balance", Some(signature)).await.is_problem(401, "UNAUTHENTICATED");
    let other = app.sign_in("/api/auth/login", ("minjun", "1234")).await;
    app.get(&path, Some(&other)).await.is_problem(404, "NOT_FOUND");
}

#[tokio::test]
async fn there_is_no_receipt_for_what_was_not_paid() {
    let app = club(&[]).await;
    let token = app.player().await;
    let wish = json!({"product_id": 1001, "card_token": "tok_decline"});
    let declined = app.post("/api/shop/buy", Some(&token), wish).await;
    let path = format!("/api/shop/receipts/{}", declined.body["receipt_code"].as_str().unwrap());
    app.get(&path, Some(&token)).await.is_problem(409, "PURCHASE_NOT_COMPLETED");
    app.get("/api/shop/receipts/nonsense", Some(&token)).await.is_problem(404, "NOT_FOUND");
}
