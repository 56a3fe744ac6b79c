//! Stripe, against a server that speaks its API (see ops/localstripe). What that server has not is
//! tested beside the code, on what Stripe is known to answer: disputes, reasons of declines, events
//! of refunds.

use std::sync::Arc;

use commands::clock::{Clock, SystemClock};
use commands::payments::stripe::{Stripe, StripeSettings};
use commands::payments::{
    CardToken, ChargeState, Delivery, Notice, PaymentProvider, Refund, RefundState,
};
use commands::secret::Secret;
use domain::account::FailureReason;
use domain::money::{Cents, Currency};
use serde_json::{Value, json};
use sqlx::Executor;

use super::listener::Listener;
use super::{card, charge};
use crate::database::Database;

const VISA: &str = "pm_card_visa";
const DECLINED: ChargeState = ChargeState::Declined(FailureReason::PaymentDeclined);
const KEY: &str = "sk_test_club";

struct Desk {
    database: Database,
    stripe: Stripe,
    url: String,
    /// So that tests do not see each other's charges: the server is everybody's.
    first: u32,
}

impl Desk {
    async fn open() -> Self {
        Self::on(Database::empty().await, rand::random_range(1..1_000_000) * 1_000)
    }

    /// As another process would open it.
    fn on(database: Database, first: u32) -> Self {
        let url = std::env::var("STRIPE_TEST_URL")
            .expect("STRIPE_TEST_URL is not set: run the tests with `make test`");
        Self { stripe: stripe(&database, &url), database, url, first }
    }

    fn charge(&self, number: u32) -> commands::payments::Charge {
        charge(self.first + number)
    }

    async fn take(&self, number: u32, token: &str) -> ChargeState {
        self.stripe.charge(&self.charge(number), &card(token)).await.unwrap()
    }

    async fn status(&self, number: u32) -> ChargeState {
        self.stripe.status(&self.charge(number)).await.unwrap()
    }

    async fn void(&self, number: u32) -> ChargeState {
        self.stripe.void(&self.charge(number)).await.unwrap()
    }

    async fn refund(&self, number: u32, id: &str, cents: u64) -> RefundState {
        let refund = Refund { id: format!("{}-{id}", self.first), amount: Cents(cents) };
        self.stripe.refund(&self.charge(number), &refund).await.unwrap()
    }

    /// What the server answers.
    async fn ask(&self, request: reqwest::RequestBuilder) -> Value {
        request.bearer_auth(KEY).send().await.unwrap().json().await.unwrap()
    }

    async fn post(&self, path: &str, form: Value) -> Value {
        let request = reqwest::Client::new().post(format!("{}{path}", self.url));
        self.ask(request.json(&form)).await
    }

    /// The intents that stand for a charge at Stripe.
    async fn intents(&self, number: u32) -> Vec<Value> {
        let url = format!("{}/v1/payment_intents?limit=10000", self.url);
        let all = self.ask(reqwest::Client::new().get(url)).await;
        let id = self.charge(number).charge_id.to_string();
        let is_it = |intent: &&Value| intent["metadata"]["charge_id"] == id;
        all["data"].as_array().unwrap().iter().filter(is_it).cloned().collect()
    }

    async fn intent(&self, number: u32) -> Value {
        let mut intents = self.intents(number).await;
        assert_eq!(intents.len(), 1, "{intents:?}");
        intents.remove(0)
    }

    /// A card that wants its owner to prove who he is.
    async fn authenticated_card(&self) -> String {
        let card =
            json!({"number": "4000002500003155", "exp_month": 12, "exp_year": 2030, "cvc": "123"});
        let method = self.post("/v1/payment_methods", json!({"type": "card", "card": card})).await;
        method["id"].as_str().unwrap().to_owned()
    }

    /// The owner has proved it.
    async fn authenticate(&self, number: u32) {
        let intent = self.intent(number).await;
        let path = format!("/v1/payment_intents/{}/_authenticate", intent["id"].as_str().unwrap());
        self.post(&path, json!({"client_secret": intent["client_secret"], "success": true})).await;
    }
}

fn stripe(database: &Database, url: &str) -> Stripe {
    let pool = sqlx::postgres::PgPoolOptions::new()
        .max_connections(2)
        .after_connect(|connection, _| {
            Box::pin(async move { connection.execute("set role club_service").await.map(drop) })
        })
        .connect_lazy(&database.url())
        .unwrap();
    let settings = StripeSettings {
        api_key: Secret::new(KEY),
        webhook_secrets: ["whsec_new", "whsec_old"].map(Secret::new).to_vec(),
        api_url: url.to_owned(),
    };
    Stripe::new(pool, Arc::new(SystemClock), settings).unwrap()
}

#[tokio::test]
async fn a_charge_is_one_intent_however_often_it_is_asked_for() {
    let desk = Desk::open().await;
    assert_eq!(desk.status(1).await, ChargeState::Unknown);
    for _ in 0..2 {
        assert_eq!(desk.take(1, VISA).await, ChargeState::CAPTURED);
    }
    assert_eq!(desk.status(1).await, ChargeState::CAPTURED);
    assert_eq!(desk.void(1).await, ChargeState::CAPTURED);
    let intent = desk.intent(1).await;
    assert_eq!((&intent["amount"], &intent["currency"]), (&json!(1299), &json!("usd")));
    assert_eq!(intent["status"], "succeeded");
    let receipt = desk.charge(1).receipt_code.to_string();
    assert_eq!(intent["metadata"]["receipt_code"], receipt);
    assert_eq!(intent["metadata"]["player"], "23");
}

#[tokio::test]
async fn a_race_of_charges_takes_money_once() {
    let desk = Desk::open().await;
    let charges = (0..5).map(|_| async {
        // Some may hear that another is at it; none hears anything else.
        let state = desk.stripe.charge(&desk.charge(1), &card(VISA)).await;
        assert!(
            state.as_ref().is_ok_and(|state| *state == ChargeState::CAPTURED) || state.is_err()
        );
    });
    futures::future::join_all(charges).await;
    assert_eq!(desk.take(1, VISA).await, ChargeState::CAPTURED);
    assert_eq!(desk.intent(1).await["status"], "succeeded");
}

#[tokio::test]
async fn a_declined_card_stays_declined() {
    let desk = Desk::open().await;
    for token in ["pm_card_chargeCustomerFail", VISA] {
        assert_eq!(desk.take(1, token).await, DECLINED);
    }
    assert_eq!(desk.void(1).await, DECLINED);
    assert_eq!(desk.status(1).await, DECLINED);
    assert_eq!(desk.refund(1, "r", 1).await, RefundState::Refused);
}

#[tokio::test]
async fn a_card_that_is_none_is_declined_for_good() {
    let desk = Desk::open().await;
    for token in ["pm_nothing", VISA] {
        assert_eq!(desk.take(1, token).await, DECLINED);
    }
    assert_eq!(desk.intent(1).await["status"], "canceled");
    let none = desk.stripe.charge(&desk.charge(2), &CardToken::default()).await;
    assert_eq!(none, Ok(DECLINED));
    assert_eq!(desk.take(2, VISA).await, DECLINED);
    assert!(desk.intents(2).await.is_empty());
    assert_eq!((desk.status(1).await, desk.status(2).await), (DECLINED, DECLINED));
}

#[tokio::test]
async fn a_void_wins_over_a_charge_that_comes_later_without_asking_stripe() {
    let desk = Desk::open().await;
    let unreachable = stripe(&desk.database, "http://127.0.0.1:1");
    assert_eq!(unreachable.void(&desk.charge(1)).await, Ok(ChargeState::Voided));
    assert_eq!(desk.take(1, VISA).await, ChargeState::Voided);
    assert_eq!(desk.status(1).await, ChargeState::Voided);
    assert!(desk.intents(1).await.is_empty());
}

#[tokio::test]
async fn what_the_owner_must_prove_is_pending_until_then() {
    let desk = Desk::open().await;
    let token = desk.authenticated_card().await;
    for number in 1..=2 {
        assert_eq!(desk.take(number, &token).await, ChargeState::Pending);
        assert_eq!(desk.status(number).await, ChargeState::Pending);
        assert_eq!(desk.refund(number, "r", 1).await, RefundState::Refused);
    }
    desk.authenticate(1).await;
    assert_eq!(desk.intent(1).await["status"], "requires_capture");
    // Whoever looks finishes what a crash may have left.
    assert_eq!(desk.status(1).await, ChargeState::CAPTURED);
    assert_eq!(desk.void(2).await, ChargeState::Voided);
    assert_eq!(desk.intent(2).await["status"], "canceled");
    assert_eq!(desk.take(2, &token).await, ChargeState::Voided);
}

#[tokio::test]
async fn an_intent_that_was_lost_in_a_crash_never_gets_a_card() {
    let desk = Desk::open().await;
    // Made in a process that died before it wrote it down, more than a day ago.
    let charge_id = desk.charge(1).charge_id.to_string();
    let form = json!({"amount": 1299, "currency": "usd", "capture_method": "manual",
                      "metadata": {"charge_id": charge_id}});
    let lost = desk.post("/v1/payment_intents", form).await;
    assert_eq!(desk.take(1, VISA).await, ChargeState::CAPTURED);
    let intents = desk.intents(1).await;
    let lost = intents.iter().find(|intent| intent["id"] == lost["id"]).unwrap();
    assert_eq!((intents.len(), &lost["status"]), (2, &json!("requires_payment_method")));
}

#[tokio::test]
async fn refunds_add_up_to_what_was_taken_and_each_counts_once() {
    let desk = Desk::open().await;
    desk.take(1, VISA).await;
    let done = |cents| RefundState::Done { refunded: Cents(cents) };
    assert_eq!(desk.refund(1, "a", 299).await, done(299));
    assert_eq!(desk.refund(1, "a", 299).await, done(299));
    assert_eq!(desk.refund(1, "b", 1001).await, RefundState::Refused);
    assert_eq!(desk.refund(1, "c", 0).await, RefundState::Refused);
    assert_eq!(desk.refund(1, "d", 1000).await, done(1299));
    let refunded = ChargeState::Captured { refunded: Cents(1299), charged_back: false };
    assert_eq!(desk.status(1).await, refunded);
    assert_eq!(desk.refund(2, "e", 1).await, RefundState::Refused);
}

#[tokio::test]
async fn a_repeat_of_a_refund_gives_nothing_back_twice_also_when_its_key_is_forgotten() {
    let desk = Desk::open().await;
    desk.take(1, VISA).await;
    let intent = desk.intent(1).await;
    let refund_id = format!("{}-a", desk.first);
    let form = json!({"payment_intent": intent["id"], "amount": 299,
                      "metadata": {"refund_id": refund_id}});
    desk.post("/v1/refunds", form).await;
    let done = RefundState::Done { refunded: Cents(299) };
    assert_eq!(desk.refund(1, "a", 299).await, done);
}

#[tokio::test]
async fn its_list_has_every_charge_of_ours_page_by_page() {
    let desk = Desk::open().await;
    desk.post("/v1/payment_intents", json!({"amount": 1, "currency": "usd"})).await;
    desk.take(1, VISA).await;
    desk.take(2, "pm_card_chargeCustomerFail").await;
    let mut listed = vec![];
    loop {
        let page = desk.stripe.records(listed.last()).await.unwrap();
        if page.is_empty() {
            break;
        }
        listed.extend(page);
    }
    let state = |number| {
        let charge = desk.charge(number);
        let mut found = listed.iter().filter(|record| record.charge_id == charge.charge_id);
        let record = found.next().unwrap();
        assert!(found.next().is_none());
        assert_eq!(record.receipt_code, Some(charge.receipt_code));
        assert_eq!((record.amount, record.currency), (Cents(1299), Currency::USD));
        record.state
    };
    assert_eq!((state(1), state(2)), (ChargeState::CAPTURED, DECLINED));
}

#[tokio::test]
async fn its_messages_are_believed_and_name_the_purchase() {
    let desk = Desk::open().await;
    let mut listener = Listener::start(&[]).await;
    let path = format!("/_config/webhooks/{}", desk.first);
    let webhook = json!({"url": listener.address, "secret": "whsec_old",
                         "events": ["payment_intent.succeeded"]});
    let request = reqwest::Client::new().post(format!("{}{path}", desk.url)).json(&webhook);
    assert!(request.send().await.unwrap().status().is_success());
    desk.take(1, VISA).await;
    let charge = desk.charge(1);
    // Others' messages come here too.
    loop {
        let received = listener.next().await;
        let delivery = Delivery { header: &received.headers, body: &received.body };
        let notice = desk.stripe.verify(&delivery, SystemClock.now()).unwrap();
        if notice.receipt_code == Some(charge.receipt_code) {
            assert_eq!(notice.status, "payment_intent.succeeded");
            let unnamed = Notice { receipt_code: None, ..notice };
            let receipt = desk.stripe.receipt_of(&unnamed).await;
            assert_eq!(receipt, Ok(Some(charge.receipt_code)), "as of a dispute");
            let foreign = Notice { payment: Some("pi_foreign".to_owned()), ..unnamed };
            assert_eq!(desk.stripe.receipt_of(&foreign).await, Ok(None));
            break;
        }
    }
}

#[tokio::test]
async fn a_stripe_that_cannot_be_reached_leaves_the_fate_unknown() {
    let desk = Desk::open().await;
    let unreachable = stripe(&desk.database, "http://127.0.0.1:1");
    let error = unreachable.charge(&desk.charge(1), &card(VISA)).await.unwrap_err();
    assert!(!error.to_string().contains(KEY), "{error}");
    assert_eq!(unreachable.status(&desk.charge(1)).await, Ok(ChargeState::Unknown));
    desk.take(2, VISA).await;
    assert!(unreachable.status(&desk.charge(2)).await.is_err());
    assert_eq!(desk.take(1, VISA).await, ChargeState::CAPTURED);
}
