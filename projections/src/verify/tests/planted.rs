//! Histories with an error planted in each chapter, written by somebody who can compute hashes: the
//! chain is right, and what happened cannot have happened.

use std::collections::HashMap;
use std::fmt::Display;

use chrono::TimeDelta;
use domain::account::{Account, AccountEvent, FailureReason, VoidReason};
use domain::aggregate::Aggregate;
use domain::id::{ChargeId, ItemId, PackageCode, ProductId, PromoCode, ReceiptCode};
use domain::money::{
    Cents, Currency, Gold, GoldParts, Movement, Percent, Quantity, SpendOrder, Wallet,
};
use domain::offer::{AppliedPromo, BenefitOffer, Offer, Rank, Ware};
use domain::package::{Package, PackageEvent, PackageTerms};
use domain::promo::{Promo, PromoEvent, PromoOff, PromoTerms};
use domain::stored::StoredEvent;
use domain::testing::at;

use super::verified;
use crate::testing::{Writer, database, stored};
use crate::verify::{Check, Report};

mod approvals;
mod closing;
mod contests;
mod daily;
mod events;
mod invites;
mod jobs;
mod missions;
mod rewards;

/// A history, and the findings that it must lead to: where, which rule, and a word of the message.
#[derive(Default)]
struct Story {
    events: Vec<StoredEvent>,
    sequences: HashMap<String, u64>,
    wallets: HashMap<i64, Wallet>,
    xp: HashMap<i64, u64>,
    player: i64,
    codes: u64,
    planted: Vec<(u64, Check, &'static str)>,
}

fn gold(amount: u64) -> Gold {
    Gold::new(amount).unwrap()
}

fn parts(paid: u64, free: u64) -> GoldParts {
    GoldParts { paid, free }
}

fn offer(ware: Ware, cents: u64, amount: u64) -> Offer {
    Offer {
        ware,
        product_version: 1,
        sku: ware.to_string(),
        quantity: Quantity::ONE,
        discount_percent: Percent::default(),
        total_cents: Cents(cents),
        currency: Currency::USD,
        gold: gold(amount),
        min_rank: Rank::Standard,
        user_limit: None,
        holds_stock: matches!(ware, Ware::Package(_)),
        promo: None,
    }
}

fn pack(cents: u64, amount: u64) -> Offer {
    offer(Ware::Product(ProductId(1001)), cents, amount)
}

impl Story {
    fn tell<A: Aggregate>(&mut self, id: impl Display, event: &A::Event) {
        let sequence = self.sequences.entry(format!("{} {id}", A::TYPE)).or_default();
        *sequence += 1;
        self.events.push(stored(A::TYPE, &id.to_string(), *sequence, event));
    }

    fn account(&mut self, event: &AccountEvent) {
        self.tell::<Account>(self.player, event);
    }

    /// The event that comes next is wrong.
    fn plant(&mut self, check: Check, word: &'static str) {
        self.planted.push((self.events.len() as u64 + 1, check, word));
    }

    /// The event that came last is wrong.
    fn planted(&mut self, check: Check, word: &'static str) {
        self.planted.push((self.events.len() as u64, check, word));
    }

    /// Another player, with 1,000 given gold.
    fn chapter(&mut self) {
        self.player += 1;
        self.account(&AccountEvent::AccountOpened { at: at(0) });
        let movement = self.credit(parts(0, 1_000));
        self.account(&AccountEvent::SignUpBonusGranted { at: at(0), movement });
    }

    fn code(&mut self) -> ReceiptCode {
        self.codes += 1;
        ReceiptCode::from_bits(self.codes)
    }

    fn moves(&mut self, movement: Movement) -> Movement {
        self.wallets.insert(self.player, movement.balance);
        movement
    }

    fn wallet(&self) -> Wallet {
        self.wallets.get(&self.player).copied().unwrap_or_default()
    }

    fn credit(&mut self, gold: GoldParts) -> Movement {
        self.moves(self.wallet().credit(gold).unwrap())
    }

    fn take_back(&mut self, amount: u64) -> Movement {
        self.moves(self.wallet().take_back(gold(amount)).unwrap())
    }

    fn spend(&mut self, amount: u64) {
        let movement = self.wallet().debit(gold(amount), SpendOrder::FreeFirst).unwrap();
        let movement = self.moves(movement);
        self.account(&AccountEvent::GoldSpent { at: at(1), reference: "game".into(), movement });
    }

    fn grant(&mut self, movement: Movement) {
        let (receipt_code, movement) = (self.code(), self.moves(movement));
        self.account(&AccountEvent::GoldGranted { at: at(1), receipt_code, movement });
    }

    fn requests(&mut self, offer: &Offer) -> ReceiptCode {
        let receipt_code = self.code();
        self.account(&AccountEvent::PurchaseRequested {
            at: at(1),
            receipt_code,
            charge_id: ChargeId::from_bits(1),
            payment_method: None,
            card: None,
            offer: offer.clone(),
        });
        receipt_code
    }

    fn completes(&mut self, receipt_code: ReceiptCode, amount: u64) {
        let movement = self.credit(parts(amount, 0));
        self.account(&AccountEvent::PurchaseCompleted { at: at(2), receipt_code, movement });
    }

    fn fails(&mut self, receipt_code: ReceiptCode) {
        let reason = FailureReason::PaymentDeclined;
        self.account(&AccountEvent::PurchaseFailed { at: at(2), receipt_code, reason });
    }

    /// 100 gold for 300 cents.
    fn buys(&mut self) -> ReceiptCode {
        let receipt_code = self.requests(&pack(300, 100));
        self.completes(receipt_code, 100);
        receipt_code
    }

    fn refunds(&mut self, receipt_code: ReceiptCode, cents: u64, all: u64, amount: u64) {
        let movement = self.take_back(amount);
        let (amount_cents, refunded_cents) = (Cents(cents), Cents(all));
        self.account(&AccountEvent::PurchaseRefunded {
            at: at(3),
            receipt_code,
            amount_cents,
            refunded_cents,
            left_cents: Cents(300).minus(refunded_cents),
            movement,
        });
    }

    fn charges_back(&mut self, receipt_code: ReceiptCode, cents: u64, amount: u64) {
        let (movement, amount_cents) = (self.take_back(amount), Cents(cents));
        let (at, code) = (at(4), receipt_code);
        let charged_back =
            AccountEvent::PurchaseChargedBack { at, receipt_code: code, amount_cents, movement };
        self.account(&charged_back);
    }

    fn captured_late(&mut self, receipt_code: ReceiptCode, cents: u64) {
        let amount_cents = Cents(cents);
        self.account(&AccountEvent::LateCaptureRefunded { at: at(5), receipt_code, amount_cents });
    }

    fn asks(&mut self, receipt_code: ReceiptCode, number: u16, cents: u64) {
        self.account(&AccountEvent::RefundRequested {
            at: at(3),
            receipt_code,
            number,
            amount_cents: Cents(cents),
            take_back_items: false,
        });
    }

    /// Items for a day, for 301 given gold.
    fn buys_items(&mut self, quantity: u8) -> ReceiptCode {
        let receipt_code = self.code();
        let movement = self.wallet().debit(gold(301), SpendOrder::FreeFirst).unwrap();
        let movement = self.moves(movement);
        let offer = BenefitOffer {
            product_id: ProductId(2001),
            product_version: 1,
            sku: "charge_30_percent".into(),
            quantity: Quantity::new(quantity).unwrap(),
            price: gold(301),
            min_rank: Rank::Standard,
            user_limit: None,
            expires_at: Some(at(0) + TimeDelta::days(1)),
        };
        self.account(&AccountEvent::BenefitPurchased { at: at(1), receipt_code, offer, movement });
        receipt_code
    }

    fn uses(&mut self, receipt_code: ReceiptCode, number: u8, second: i64) {
        let item_id = ItemId { receipt_code, number };
        self.account(&AccountEvent::ItemUsed { at: at(second), item_id });
    }

    fn takes_item_back(&mut self, receipt_code: ReceiptCode, number: u8, price: u64) {
        let (item_id, movement) = (ItemId { receipt_code, number }, self.credit(parts(0, price)));
        self.account(&AccountEvent::ItemRefunded { at: at(5), item_id, movement });
    }

    fn package(&mut self, code: &str, stock_total: u32) -> PackageCode {
        let code = code.parse().unwrap();
        let terms = PackageTerms {
            name: "주말 스타터".into(),
            name_en: "Weekend starter".into(),
            price_cents: Cents(499),
            currency: Currency::USD,
            gold: gold(600),
            stock_total: Some(stock_total),
            user_limit: None,
            starts_at: at(0),
            ends_at: at(100),
            on_sale: true,
        };
        self.tell::<Package>(code, &PackageEvent::PackageDefined { at: at(0), terms });
        code
    }

    fn reserves(&mut self, code: PackageCode, receipt_code: ReceiptCode, quantity: u8) {
        let (at, quantity) = (at(1), Quantity::new(quantity).unwrap());
        self.tell::<Package>(code, &PackageEvent::StockReserved { at, receipt_code, quantity });
    }

    fn confirms(&mut self, code: PackageCode, receipt_code: ReceiptCode) {
        self.tell::<Package>(code, &PackageEvent::StockConfirmed { at: at(2), receipt_code });
    }

    fn returns(&mut self, code: PackageCode, receipt_code: ReceiptCode) {
        self.tell::<Package>(code, &PackageEvent::StockReturned { at: at(2), receipt_code });
    }

    async fn verified(self) -> Report {
        let pool = database().await;
        Writer::new(&pool, 0).await.append(self.events).await;
        verified(&pool).await
    }

    /// Exactly what was planted is found.
    async fn end(self) {
        let mut planted = self.planted.clone();
        planted.sort_unstable();
        let report = self.verified().await;
        for (finding, (position, check, word)) in report.findings.iter().zip(&planted) {
            assert_eq!(
                (finding.position, finding.check),
                (*position, *check),
                "{finding:?}, {word}"
            );
            assert!(finding.message.contains(word), "{finding:?} does not say {word:?}");
        }
        assert_eq!(report.findings.len(), planted.len(), "{:?}", report.findings);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_right_is_no_finding() {
    let mut story = Story::default();
    story.chapter();
    let code = story.buys();
    story.refunds(code, 100, 100, 33);
    story.refunds(code, 100, 200, 33);
    story.spend(1_034);
    story.charges_back(code, 100, 34);
    let repaid = story.wallet().credit(parts(0, 50)).unwrap();
    assert_eq!((repaid.gold.free, repaid.debt.free), (16, 34));
    story.grant(repaid);
    let failed = story.requests(&pack(300, 100));
    story.fails(failed);
    story.captured_late(failed, 300);
    story.chapter();
    let code = story.buys_items(2);
    story.takes_item_back(code, 1, 150);
    story.takes_item_back(code, 2, 151);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn debts_that_are_not_repaid_first_are_named() {
    let mut story = Story::default();
    let owing = |story: &mut Story| {
        story.chapter();
        let code = story.buys();
        story.spend(1_050);
        story.refunds(code, 300, 300, 100);
        assert_eq!(story.wallet(), Wallet { debt: 50, ..Wallet::default() });
    };
    owing(&mut story);
    story.plant(Check::Balance, "gold and a debt at once");
    let balance = Wallet { free: 10, debt: 50, ..Wallet::default() };
    story.grant(Movement { gold: parts(0, 10), debt: parts(0, 0), balance });

    owing(&mut story);
    story.plant(Check::Balance, "50 paid and 0 free gold repay that, not 10 and 40");
    let balance = Wallet { paid: 40, free: 10, ..Wallet::default() };
    story.grant(Movement { gold: parts(40, 10), debt: parts(10, 40), balance });

    owing(&mut story);
    story.plant(Check::Balance, "on credit");
    let balance = Wallet { debt: 60, ..Wallet::default() };
    let movement = story.moves(Movement { gold: parts(0, 0), debt: parts(10, 0), balance });
    story.account(&AccountEvent::GoldSpent { at: at(5), reference: "game".into(), movement });

    story.chapter();
    let code = story.buys();
    story.plant(Check::Balance, "bought gold goes first");
    let balance = Wallet { paid: 100, free: 900, ..Wallet::default() };
    let movement = story.moves(Movement { gold: parts(0, 100), debt: parts(0, 0), balance });
    story.account(&AccountEvent::PurchaseRefunded {
        at: at(5),
        receipt_code: code,
        amount_cents: Cents(300),
        refunded_cents: Cents(300),
        left_cents: Cents(0),
        movement,
    });
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_debt_that_nobody_has_shows_in_the_books() {
    let mut story = Story::default();
    story.chapter();
    story.plant(Check::Balance, "cannot have happened");
    story.plant(Check::Books, "players owe 0 gold, and the books say -10");
    let balance = Wallet { free: 1_005, ..Wallet::default() };
    story.grant(Movement { gold: parts(0, 5), debt: parts(0, 10), balance });
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn purchases_that_end_wrongly_are_named() {
    let mut story = Story::default();
    story.chapter();
    let code = story.requests(&pack(300, 100));
    story.plant(Check::Purchase, "was for 100 gold and credited 99");
    story.completes(code, 99);
    story.plant(Check::Purchase, "had already ended at position 4");
    story.completes(code, 100);
    let code = story.requests(&pack(300, 100));
    story.plant(Check::Purchase, "credited given gold");
    let movement = story.credit(parts(0, 100));
    story.account(&AccountEvent::PurchaseCompleted { at: at(2), receipt_code: code, movement });
    story.plant(Check::Purchase, "used a second time");
    story.codes -= 1;
    story.requests(&pack(300, 100));
    let others = story.requests(&pack(300, 100));
    story.chapter();
    story.plant(Check::Purchase, "player 2 never began it");
    let reason = VoidReason::Abandoned;
    story.account(&AccountEvent::PurchaseVoided { at: at(2), receipt_code: others, reason });
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn money_given_back_wrongly_is_named() {
    let mut story = Story::default();
    story.chapter();
    let code = story.buys();
    story.plant(Check::Refund, "after 0, and that shall make 200");
    story.refunds(code, 100, 200, 66);
    let code = story.buys();
    story.plant(Check::Refund, "301 cents of the 300");
    story.refunds(code, 301, 301, 100);
    let code = story.buys();
    story.refunds(code, 100, 100, 33);
    story.plant(Check::Refund, "34 gold go with 100 cents");
    story.refunds(code, 100, 200, 34);
    story.plant(Check::Refund, "90 cents");
    story.charges_back(code, 90, 34);
    story.plant(Check::Refund, "was charged back at position");
    story.refunds(code, 100, 300, 34);
    story.plant(Check::Refund, "already");
    story.charges_back(code, 100, 34);
    let code = story.buys();
    story.refunds(code, 100, 100, 33);
    story.plant(Check::Refund, "66 gold go with 200 cents");
    story.charges_back(code, 200, 66);

    story.chapter();
    let open = story.requests(&pack(300, 100));
    story.plant(Check::Refund, "was not completed");
    story.refunds(open, 300, 300, 100);
    story.plant(Check::Refund, "its capture is not late");
    story.captured_late(open, 300);
    let code = story.buys();
    story.plant(Check::Refund, "its capture is not late");
    story.captured_late(code, 300);
    let failed = story.requests(&pack(300, 100));
    story.fails(failed);
    story.captured_late(failed, 300);
    story.plant(Check::Refund, "already");
    story.captured_late(failed, 300);

    story.chapter();
    story.plant(Check::Refund, "never made the purchase");
    story.refunds(code, 300, 300, 100);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refunds_asked_for_wrongly_are_named() {
    let mut story = Story::default();
    story.chapter();
    let code = story.buys();
    story.plant(Check::Refund, "refund 2 of 000000000001 comes after refund 0");
    story.asks(code, 2, 100);
    story.plant(Check::Refund, "while 2 is under way");
    story.asks(code, 3, 100);
    story.plant(Check::Refund, "refund 2 of 000000000001 fails, but it is not under way");
    story.account(&AccountEvent::RefundFailed { at: at(4), receipt_code: code, number: 2 });
    story.plant(Check::Refund, "301 cents");
    story.asks(code, 4, 301);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn items_that_are_not_there_are_named() {
    let mut story = Story::default();
    story.chapter();
    let code = story.buys_items(2);
    story.uses(code, 1, 5);
    story.plant(Check::Item, "already");
    story.uses(code, 1, 6);
    story.plant(Check::Item, "player 1 never got the item 000000000001-3");
    story.uses(code, 3, 5);
    story.plant(Check::Item, "had cost 0 paid and 151 free gold");
    story.takes_item_back(code, 2, 150);

    let code = story.buys_items(2);
    story.plant(Check::Item, "before its time");
    let item_id = ItemId { receipt_code: code, number: 1 };
    story.account(&AccountEvent::ItemExpired { at: at(86_399), item_id });
    story.plant(Check::Item, "after its time");
    story.uses(code, 2, 86_400);

    let code = story.buys_items(1);
    story.plant(Check::Purchase, "used a second time");
    story.codes -= 1;
    story.requests(&pack(300, 100));
    story.chapter();
    story.plant(Check::Item, "player 2 never got");
    story.uses(code, 1, 5);
    story.plant(Check::Purchase, "costs 301 gold and took 300");
    let movement = story.wallet().debit(gold(300), SpendOrder::FreeFirst).unwrap();
    let last = story.events.len();
    let code = story.buys_items(1);
    let Some(StoredEvent { payload, .. }) = story.events.get_mut(last) else { unreachable!() };
    let right = serde_json::to_string(&story.wallets[&2]).unwrap();
    *payload = payload.replace(&right, &serde_json::to_string(&movement.balance).unwrap()).into();
    *payload = payload.replace("\"free\":301", "\"free\":300").into();
    story.moves(movement);
    story.uses(code, 1, 5);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_that_is_oversold_or_leaks_is_named() {
    let mut story = Story::default();
    let rare = story.package("RARE", 2);
    let other = story.package("OTHER", 100);
    let one_of = |code| offer(Ware::Package(code), 499, 600);
    story.chapter();
    let sold = story.requests(&one_of(rare));
    story.reserves(rare, sold, 1);
    story.completes(sold, 600);
    story.confirms(rare, sold);
    let failed = story.requests(&one_of(rare));
    story.reserves(rare, failed, 1);
    story.fails(failed);
    story.returns(rare, failed);
    let last = story.requests(&one_of(rare));
    story.reserves(rare, last, 1);
    let too_many = story.requests(&one_of(rare));
    story.plant(Check::Stock, "2 are held and 1 used, where there are 2");
    story.reserves(rare, too_many, 1);

    // Each disagreement shows where the one of the two happened that is wrong.
    let leaks = story.requests(&one_of(other));
    story.reserves(other, leaks, 1);
    story.plant(Check::Stock, "ends, and still holds 1");
    story.fails(leaks);
    let returned = story.requests(&one_of(other));
    story.reserves(other, returned, 1);
    story.completes(returned, 600);
    story.plant(Check::Stock, "was completed, and what it held of the stock of OTHER was returned");
    story.returns(other, returned);
    let given = story.requests(&one_of(other));
    story.reserves(other, given, 1);
    story.fails(given);
    story.plant(Check::Stock, "was not completed");
    story.confirms(other, given);
    story.plant(Check::Stock, "already");
    story.returns(other, given);
    let early = story.requests(&one_of(other));
    story.reserves(other, early, 1);
    story.plant(Check::Stock, "before it has ended");
    story.returns(other, early);
    story.requests(&one_of(other));
    story.planted(Check::Stock, "needs 1 of the stock of OTHER, and holds nothing");
    let many = story.requests(&one_of(other));
    story.plant(Check::Stock, "needs 1 of the stock of OTHER and holds 2 of OTHER");
    story.reserves(other, many, 2);
    let nobody = story.code();
    story.plant(Check::Stock, "for nothing");
    story.reserves(other, nobody, 1);
    let never = story.code();
    story.plant(Check::Stock, "never held");
    story.returns(other, never);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn promotions_that_are_used_too_often_or_for_nothing_are_named() {
    let mut story = Story::default();
    let code: PromoCode = "ONCE".parse().unwrap();
    let terms = PromoTerms {
        package: None,
        off: PromoOff::Cents(Cents(1)),
        max_uses: Some(1),
        user_limit: None,
        starts_at: None,
        ends_at: None,
    };
    story.tell::<Promo>(code, &PromoEvent::PromoDefined { at: at(0), terms });
    let promo = AppliedPromo { code, off_cents: Cents(1), user_limit: None, holds_use: true };
    let cheaper = Offer { promo: Some(promo), ..pack(299, 100) };
    story.chapter();
    let first = story.requests(&cheaper);
    story.tell::<Promo>(code, &PromoEvent::PromoHeld { at: at(1), receipt_code: first });
    story.completes(first, 100);
    story.tell::<Promo>(code, &PromoEvent::PromoUsed { at: at(2), receipt_code: first });
    let second = story.requests(&cheaper);
    story.plant(Check::Promo, "of the uses of ONCE 1 are held and 1 used, where there are 1");
    story.tell::<Promo>(code, &PromoEvent::PromoHeld { at: at(1), receipt_code: second });
    story.completes(second, 100);
    story.plant(Check::Promo, "was completed, and what it held of the uses of ONCE was returned");
    story.tell::<Promo>(code, &PromoEvent::PromoReturned { at: at(2), receipt_code: second });
    story.end().await;
}
