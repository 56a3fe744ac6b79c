//! The sandbox, card by card.

use std::sync::Arc;
use std::time::Duration;

use commands::clock::Clock;
use commands::payments::sandbox::{Sandbox, SandboxSettings};
use commands::payments::{
    CardToken, ChargeState, Delivery, Notice, PaymentProvider, ProviderError, Refund, RefundState,
};
use commands::secret::Secret;
use domain::account::FailureReason;
use domain::id::ReceiptCode;
use domain::money::Cents;
use futures::future::join_all;
use tokio::sync::watch;

use super::listener::{Listener, Received};
use super::{Hand, card, charge};
use crate::database::Database;

const DELAY: Duration = Duration::from_secs(2);
const REFUNDED: ChargeState = ChargeState::Captured { refunded: Cents(1299), charged_back: false };
const CHARGED_BACK: ChargeState = ChargeState::Captured { refunded: Cents(0), charged_back: true };

struct Desk {
    database: Database,
    clock: Hand,
    sandbox: Sandbox,
    address: watch::Sender<Option<String>>,
}

impl Desk {
    async fn open() -> Self {
        Self::on(Database::empty().await, Hand::default()).await
    }

    /// As another process would open it.
    async fn on(database: Database, clock: Hand) -> Self {
        let (address, told) = watch::channel(None);
        let secrets = ["new", "old"].map(Secret::new).to_vec();
        let settings = SandboxSettings { secrets, delay: DELAY, address: told };
        let pool = database.service_pool(4).await;
        let sandbox = Sandbox::start(pool, Arc::new(clock.clone()), settings).unwrap();
        Self { database, clock, sandbox, address }
    }

    async fn listener(&self, statuses: &[u16]) -> Listener {
        let listener = Listener::start(statuses).await;
        self.address.send_replace(Some(listener.address.clone()));
        listener
    }

    async fn take(&self, number: u32, token: &str) -> ChargeState {
        self.sandbox.charge(&charge(number), &card(token)).await.unwrap()
    }

    async fn status(&self, number: u32) -> ChargeState {
        self.sandbox.status(&charge(number)).await.unwrap()
    }

    async fn refund(&self, number: u32, id: &str, cents: u64) -> RefundState {
        let refund = Refund { id: id.to_owned(), amount: Cents(cents) };
        self.sandbox.refund(&charge(number), &refund).await.unwrap()
    }

    /// Waits, in real time, until the charge stands so.
    async fn until(&self, number: u32, state: ChargeState) {
        for _ in 0..200 {
            if self.status(number).await == state {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("charge {number} is {:?} and not {state:?}", self.status(number).await);
    }

    fn believe(&self, received: &Received) -> Notice {
        let delivery = Delivery { header: &received.headers, body: &received.body };
        self.sandbox.verify(&delivery, self.clock.now()).unwrap()
    }

    async fn note(&self, number: u32, status: &str, reason: Option<&str>) -> ChargeState {
        let notice = Notice {
            event_id: "evt-1".to_owned(),
            receipt_code: Some(charge(number).receipt_code),
            payment: None,
            status: status.to_owned(),
            reason: reason.map(str::to_owned),
        };
        self.sandbox.take_note(&charge(number), &notice).await.unwrap();
        self.status(number).await
    }
}

fn done(cents: u64) -> RefundState {
    RefundState::Done { refunded: Cents(cents) }
}

#[tokio::test]
async fn plain_cards_are_decided_at_once_and_for_good() {
    let desk = Desk::open().await;
    assert_eq!(desk.status(1).await, ChargeState::Unknown);
    let declined = [
        ("tok_decline", FailureReason::PaymentDeclined),
        ("tok_decline_insufficient_funds", FailureReason::InsufficientFunds),
        ("tok_decline_expired_card", FailureReason::ExpiredCard),
        ("tok_decline_stolen_card", FailureReason::StolenCard),
    ];
    for ((token, reason), number) in declined.into_iter().zip(1..) {
        assert_eq!(desk.take(number, token).await, ChargeState::Declined(reason));
        assert_eq!(desk.take(number, "tok_approve").await, ChargeState::Declined(reason));
        assert_eq!(desk.status(number).await, ChargeState::Declined(reason));
        assert_eq!(desk.refund(number, "r", 1).await, RefundState::Refused);
    }
    let none = CardToken::default();
    assert_eq!(desk.sandbox.charge(&charge(10), &none).await, Ok(ChargeState::CAPTURED));
    assert_eq!(desk.take(11, "tok_visa").await, ChargeState::CAPTURED);
    assert_eq!(desk.take(11, "tok_decline").await, ChargeState::CAPTURED);
    assert_eq!(desk.sandbox.void(&charge(11)).await, Ok(ChargeState::CAPTURED));
}

#[tokio::test]
async fn many_at_once_are_each_recorded_once() {
    let desk = Desk::open().await;
    // Two for each charge: one of them wins, and both learn which.
    let wish = |n: u32| {
        let token = card(if n.is_multiple_of(2) { "tok_approve" } else { "tok_decline" });
        let sandbox = desk.sandbox.clone();
        async move { sandbox.charge(&charge(n / 2), &token).await.unwrap() }
    };
    let states = join_all((0..1000).map(wish)).await;
    for (pair, number) in states.chunks(2).zip(0..) {
        assert_eq!(pair[0], pair[1]);
        assert_eq!(desk.status(number).await, pair[0]);
    }
}

#[tokio::test]
async fn a_void_wins_over_a_charge_that_comes_later() {
    let desk = Desk::open().await;
    assert_eq!(desk.sandbox.void(&charge(1)).await, Ok(ChargeState::Voided));
    for token in ["tok_approve", "tok_late_refund", "tok_pending"] {
        assert_eq!(desk.take(1, token).await, ChargeState::Voided);
    }
    assert_eq!(desk.sandbox.capture(&charge(1)).await, Ok(ChargeState::Voided));
}

#[tokio::test]
async fn a_pending_charge_is_decided_by_capture_void_or_message() {
    let desk = Desk::open().await;
    for number in 1..=6 {
        assert_eq!(desk.take(number, "tok_pending").await, ChargeState::Pending);
    }
    assert_eq!(desk.refund(1, "r", 1).await, RefundState::Refused);
    assert_eq!(desk.sandbox.capture(&charge(1)).await, Ok(ChargeState::CAPTURED));
    assert_eq!(desk.sandbox.void(&charge(2)).await, Ok(ChargeState::Voided));
    assert_eq!(desk.note(3, "succeeded", None).await, ChargeState::CAPTURED);
    let expired = ChargeState::Declined(FailureReason::ExpiredCard);
    assert_eq!(desk.note(4, "failed", Some("EXPIRED_CARD")).await, expired);
    let declined = ChargeState::Declined(FailureReason::PaymentDeclined);
    assert_eq!(desk.note(5, "failed", None).await, declined);
    assert_eq!(desk.note(6, "thought_about", None).await, ChargeState::Pending);
    assert_eq!(desk.note(6, "refunded", None).await, ChargeState::Pending);
    assert_eq!(desk.sandbox.capture(&charge(9)).await, Ok(ChargeState::Unknown));
}

#[tokio::test]
async fn messages_change_nothing_that_was_decided_but_may_take_money_back() {
    let desk = Desk::open().await;
    desk.take(1, "tok_approve").await;
    desk.take(2, "tok_approve").await;
    desk.take(3, "tok_decline").await;
    assert_eq!(desk.note(1, "failed", None).await, ChargeState::CAPTURED);
    assert_eq!(desk.note(1, "refunded", None).await, REFUNDED);
    assert_eq!(desk.note(1, "charged_back", None).await, REFUNDED, "there is nothing left");
    assert_eq!(desk.note(2, "charged_back", None).await, CHARGED_BACK);
    let declined = ChargeState::Declined(FailureReason::PaymentDeclined);
    for status in ["succeeded", "refunded", "charged_back"] {
        assert_eq!(desk.note(3, status, None).await, declined);
        assert_eq!(desk.note(9, status, None).await, ChargeState::Unknown);
    }
}

#[tokio::test]
async fn refunds_add_up_to_what_was_taken_and_each_counts_once() {
    let desk = Desk::open().await;
    desk.take(1, "tok_approve").await;
    assert_eq!(desk.refund(1, "a-1", 299).await, done(299));
    assert_eq!(desk.refund(1, "a-1", 299).await, done(299));
    assert_eq!(desk.refund(1, "a-2", 1001).await, RefundState::Refused);
    assert_eq!(desk.refund(1, "a-3", 0).await, RefundState::Refused);
    // A race for what is left: one wins.
    let race = join_all(["a-4", "a-5"].map(|id| desk.refund(1, id, 1000))).await;
    assert!(race.contains(&done(1299)) && race.contains(&RefundState::Refused), "{race:?}");
    assert_eq!(desk.status(1).await, REFUNDED);
    assert_eq!(desk.refund(1, "a-1", 299).await, done(1299), "a repeat tells the whole");

    desk.take(2, "tok_refund_refused").await;
    assert_eq!(desk.refund(2, "b-1", 1).await, RefundState::Refused);
    assert_eq!(desk.refund(9, "c-1", 1).await, RefundState::Refused);
    desk.take(3, "tok_approve").await;
    desk.note(3, "charged_back", None).await;
    assert_eq!(desk.refund(3, "d-1", 1).await, RefundState::Refused);
}

#[tokio::test]
async fn what_happens_later_happens_on_the_clubs_clock_and_is_told() {
    let desk = Desk::open().await;
    let mut listener = desk.listener(&[]).await;
    let declined = ChargeState::Declined(FailureReason::PaymentDeclined);
    let cards = [
        ("tok_pending_success", ChargeState::Pending, ChargeState::CAPTURED, "succeeded"),
        ("tok_pending_failure", ChargeState::Pending, declined, "failed"),
        ("tok_late_refund", ChargeState::CAPTURED, REFUNDED, "refunded"),
        ("tok_chargeback", ChargeState::CAPTURED, CHARGED_BACK, "charged_back"),
    ];
    for ((token, at_once, later, status), number) in cards.into_iter().zip(1..) {
        assert_eq!(desk.take(number, token).await, at_once);
        desk.clock.forward(DELAY - Duration::from_millis(1));
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(desk.status(number).await, at_once, "{token}");
        assert_eq!(listener.already(), None);
        desk.clock.forward(Duration::from_millis(1));
        desk.until(number, later).await;
        let notice = desk.believe(&listener.next().await);
        assert_eq!((&*notice.status, notice.receipt_code), (status, Some(receipt(number))));
        assert_eq!(notice.reason.is_some(), status == "failed");
    }
}

fn receipt(number: u32) -> ReceiptCode {
    charge(number).receipt_code
}

#[tokio::test]
async fn what_was_decided_before_its_time_stays_so() {
    let desk = Desk::open().await;
    let mut listener = desk.listener(&[]).await;
    desk.take(1, "tok_pending_success").await;
    desk.take(2, "tok_pending_failure").await;
    desk.take(3, "tok_late_refund").await;
    assert_eq!(desk.sandbox.void(&charge(1)).await, Ok(ChargeState::Voided));
    assert_eq!(desk.sandbox.capture(&charge(2)).await, Ok(ChargeState::CAPTURED));
    assert_eq!(desk.refund(3, "r-1", 1299).await, done(1299));
    desk.take(4, "tok_chargeback").await;
    desk.clock.forward(DELAY);
    desk.until(4, CHARGED_BACK).await;
    assert_eq!(desk.believe(&listener.next().await).status, "charged_back");
    assert_eq!(desk.status(1).await, ChargeState::Voided);
    assert_eq!(desk.status(2).await, ChargeState::CAPTURED);
    assert_eq!(desk.status(3).await, REFUNDED);
    assert_eq!(listener.already(), None);
}

#[tokio::test]
async fn a_card_may_capture_what_was_voided() {
    let desk = Desk::open().await;
    let mut listener = desk.listener(&[]).await;
    assert_eq!(desk.take(1, "tok_capture_after_void").await, ChargeState::Pending);
    assert_eq!(desk.sandbox.void(&charge(1)).await, Ok(ChargeState::Voided));
    assert_eq!(desk.sandbox.void(&charge(1)).await, Ok(ChargeState::Voided));
    desk.clock.forward(DELAY);
    desk.until(1, ChargeState::CAPTURED).await;
    assert_eq!(desk.believe(&listener.next().await).status, "succeeded");
    assert_eq!(desk.sandbox.void(&charge(1)).await, Ok(ChargeState::CAPTURED));
    assert_eq!(desk.refund(1, "r-1", 1299).await, done(1299));
}

#[tokio::test]
async fn a_lost_answer_is_told_by_the_status() {
    let desk = Desk::open().await;
    for _ in 0..2 {
        let lost = desk.sandbox.charge(&charge(1), &card("tok_timeout")).await;
        assert!(matches!(lost, Err(ProviderError { .. })));
    }
    assert_eq!(desk.status(1).await, ChargeState::CAPTURED);
}

#[tokio::test]
async fn one_webhook_may_come_three_times() {
    let desk = Desk::open().await;
    let mut listener = desk.listener(&[]).await;
    assert_eq!(desk.take(1, "tok_duplicate_webhook").await, ChargeState::CAPTURED);
    let first = listener.next().await;
    assert_eq!(desk.believe(&first).status, "succeeded");
    for _ in 0..2 {
        assert_eq!(listener.next().await.body, first.body);
    }
    assert_eq!(desk.take(1, "tok_duplicate_webhook").await, ChargeState::CAPTURED);
    desk.clock.forward(Duration::from_secs(60));
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(listener.already(), None);
}

#[tokio::test]
async fn a_webhook_may_come_before_the_answer() {
    let desk = Desk::open().await;
    let mut listener = desk.listener(&[]).await;
    assert_eq!(desk.take(1, "tok_webhook_first").await, ChargeState::CAPTURED);
    let notice = desk.believe(&listener.already().expect("it should have come first"));
    assert_eq!((&*notice.status, notice.receipt_code), ("succeeded", Some(receipt(1))));
    desk.clock.forward(Duration::from_secs(60));
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(listener.already(), None, "it was confirmed");
}

#[tokio::test]
async fn a_message_that_is_not_confirmed_comes_again() {
    let desk = Desk::open().await;
    let mut listener = desk.listener(&[500, 404]).await;
    desk.take(1, "tok_late_refund").await;
    desk.clock.forward(DELAY);
    let mut events = vec![];
    for status in [500, 404, 200] {
        let received = listener.next().await;
        assert_eq!(received.answered, status);
        events.push(desk.believe(&received));
        desk.clock.forward(Duration::from_secs(30));
    }
    assert!(events.iter().all(|event| *event == events[0]));
}

#[tokio::test]
async fn a_crash_loses_no_message_and_no_plan() {
    let desk = Desk::open().await;
    desk.take(1, "tok_chargeback").await;
    desk.take(2, "tok_duplicate_webhook").await;
    let Desk { database, clock, .. } = desk;
    clock.forward(DELAY);
    let next = Desk::on(database, clock).await;
    let mut listener = next.listener(&[]).await;
    let mut told = vec![];
    for _ in 0..4 {
        told.push(next.believe(&listener.next().await).status);
    }
    told.sort();
    assert_eq!(told, ["charged_back", "succeeded", "succeeded", "succeeded"]);
    assert_eq!(next.status(1).await, CHARGED_BACK);
}

#[tokio::test]
async fn its_list_has_every_charge_once_page_by_page() {
    let desk = Desk::open().await;
    let charges: Vec<_> = (0..1_203).map(charge).collect();
    let approve = CardToken::default();
    join_all(charges.iter().map(|charge| desk.sandbox.charge(charge, &approve))).await;
    desk.take(5_000, "tok_pending").await;
    let mut listed = vec![];
    loop {
        let page = desk.sandbox.records(listed.last()).await.unwrap();
        if page.is_empty() {
            break;
        }
        listed.extend(page);
    }
    assert_eq!(listed.len(), 1_204);
    let last = listed.pop().unwrap();
    assert_eq!(last.charge_id, charge(5_000).charge_id);
    assert_eq!((last.receipt_code, last.state), (Some(receipt(5_000)), ChargeState::Pending));
    let ids = listed.iter().map(|record| record.charge_id);
    assert!(ids.eq(charges.iter().map(|charge| charge.charge_id)));
    assert!(
        listed
            .iter()
            .all(|record| record.state == ChargeState::CAPTURED && record.amount == Cents(1299))
    );
    assert_eq!(desk.database.events().await, 0, "nothing of it is in the log");
}
