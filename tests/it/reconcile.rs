//! `club reconcile`: the payment provider's books against the log.

use serde_json::{Value, json};

use crate::app::{App, program};
use crate::provider::{club, wait_for};

/// Runs it; its exit code, its report, and what it said otherwise.
async fn reconcile(app: &App, arguments: &[&str]) -> (Option<i32>, Value, String) {
    let mut command = program("club", &app.database.url());
    command.args(["reconcile", "--format", "json"]).args(arguments);
    // The test's clock is the club's alone: here purchases are late at once.
    command.env("CLUB_PENDING_SECONDS", "1").env("CLUB_PENDING_STOCKED_SECONDS", "1");
    let output = command.output().await.unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), report, String::from_utf8(said).unwrap())
}

fn kinds(report: &Value) -> Vec<&str> {
    let found = report["differences"].as_array().unwrap().iter();
    found.map(|one| one["kind"].as_str().unwrap()).collect()
}

async fn buy(app: &App, token: &str, card: &str) -> String {
    let wish = json!({"product_id": 1001, "card_token": card});
    let bought = app.post("/api/shop/buy", Some(token), wish).await;
    assert!(bought.status.as_u16() < 300, "{}", bought.text);
    bought.body["receipt_code"].as_str().unwrap().to_owned()
}

/// Changes the provider's books behind the club's back.
async fn meddle(app: &App, sql: &str) {
    sqlx::raw_sql(sql).execute(&mut app.database.superuser().await).await.unwrap();
}

#[tokio::test]
async fn a_club_that_works_has_no_differences() {
    let app = club(&[]).await;
    let (player, admin) = (app.player().await, app.admin().await);
    let receipt = buy(&app, &player, "tok_approve").await;
    let declined = json!({"product_id": 1001, "card_token": "tok_decline"});
    app.post("/api/shop/buy", Some(&player), declined).await.is_problem(402, "PAYMENT_DECLINED");
    let wish = json!({"amount_cents": 100, "reason": "a part of it"});
    let path = format!("/api/admin/transactions/{receipt}/refund");
    assert_eq!(app.post_keyed(&path, &admin, "k", &wish).await.status, 200);
    let pending = buy(&app, &player, "tok_pending").await;
    wait_for(&app, 400).await;
    crate::provider::until(&app, &player, &json!(pending), "voided").await;

    let (code, report, said) = reconcile(&app, &[]).await;
    assert_eq!((code, kinds(&report)), (Some(0), vec![]), "{said}");
    let counted = (&report["charges"], &report["purchases"], &report["provider"]);
    assert_eq!(counted, (&json!(3), &json!(3), &json!("sandbox")));
    let text = program("club", &app.database.url()).arg("reconcile").output().await.unwrap();
    assert!(String::from_utf8(text.stdout).unwrap().starts_with("no differences: 3 charges"));
}

#[tokio::test]
async fn every_difference_is_found_and_what_can_be_repaired_is() {
    let app = club(&[("CLUB_CHECKOUT_GRACE_MS", "3600000")]).await;
    let player = app.player().await;
    let [refunded, charged_back] =
        [buy(&app, &player, "tok_approve").await, buy(&app, &player, "tok_approve").await];
    let pending = buy(&app, &player, "tok_pending").await;
    for sql in [
        format!(
            "update sandbox.charges set refunded_cents = 299 where receipt_code = '{refunded}'"
        ),
        format!(
            "update sandbox.charges set charged_back = true where receipt_code = '{charged_back}'"
        ),
        format!("update sandbox.charges set state = 'captured' where receipt_code = '{pending}'"),
    ] {
        meddle(&app, &sql).await;
    }
    // What is pending is late after a second.
    let (mut code, mut report, mut said) = reconcile(&app, &[]).await;
    while kinds(&report).len() < 3 {
        assert_eq!(code, Some(1), "{said}");
        (code, report, said) = reconcile(&app, &[]).await;
    }
    assert_eq!(kinds(&report), ["refunded", "charged_back", "state"], "{said}");
    let first = &report["differences"][0];
    assert_eq!((&first["log"], &first["provider"]), (&json!("0.00 USD"), &json!("2.99 USD")));
    assert_eq!((&first["user_id"], &first["receipt_code"]), (&json!(23), &json!(refunded)));
    let (_, later, said) = reconcile(&app, &["--since", "2099-01-01"]).await;
    assert_eq!(kinds(&later), Vec::<&str>::new(), "{said}");

    let (code, report, said) = reconcile(&app, &["--repair"]).await;
    assert_eq!((code, kinds(&report)), (Some(0), vec![]), "{said}");
    assert_eq!(report["repairs"].as_array().unwrap().len(), 3, "{said}");
    let at = app.database.head().await;
    let balance = app.get_at("/api/users/balance", &player, at.unsigned_abs()).await;
    assert_eq!(balance.body["gold"], 1_100, "one of three is left: {}", balance.text);
    let (code, said) = crate::app::replay(&app.database, &["verify"]).await;
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test]
async fn what_no_settling_mends_stays_a_difference() {
    let app = club(&[]).await;
    let player = app.player().await;
    let [gone, dearer] =
        [buy(&app, &player, "tok_approve").await, buy(&app, &player, "tok_approve").await];
    meddle(&app, &format!("delete from sandbox.charges where receipt_code = '{gone}'")).await;
    meddle(
        &app,
        &format!("update sandbox.charges set amount_cents = 399 where receipt_code = '{dearer}'"),
    )
    .await;
    meddle(
        &app,
        "insert into sandbox.charges (charge_id, state, amount_cents, currency) \
         values ('ffffffffffffffffff', 'captured', 100, 'USD')",
    )
    .await;
    let (code, report, said) = reconcile(&app, &["--repair"]).await;
    assert_eq!(code, Some(1), "{said}");
    let expected = ["unknown_to_log", "unknown_to_provider", "amount"];
    assert_eq!(kinds(&report), expected, "{said}");
    assert_eq!(report["differences"][0]["provider"], "captured, 1.00 USD");
}

#[tokio::test]
async fn who_cannot_look_at_everything_says_so() {
    let app = club(&[]).await;
    meddle(&app, "revoke select on sandbox.charges from club_service").await;
    let (code, _, said) = reconcile(&app, &[]).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("the provider's books could not be read to their end"), "{said}");
}
