//! What the log says, read by somebody who trusts nothing that is carried in it: each event is
//! checked against all that came before it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use commands::log::memory::MemoryDatabase;
use domain::account::{Account, AccountEvent, CounterAccount};
use domain::aggregate::Aggregate;
use domain::event::ClubEvent;
use domain::id::{ChargeId, ItemId, PackageCode, PlayerId, PromoCode, ReceiptCode};
use domain::limit::{Period, UseLimit};
use domain::money::{Cents, Direction, Wallet};
use domain::offer::{BenefitOffer, Offer, Ware};
use domain::package::PackageEvent;
use domain::promo::PromoEvent;
use domain::stored::{Recorded, chain};

/// A purchase for real money.
pub struct Deal {
    pub player: PlayerId,
    pub at: DateTime<Utc>,
    pub charge_id: ChargeId,
    pub offer: Offer,
    pub end: Option<(AccountEvent, u64)>,
    pub refunds: Vec<AskedBack>,
    pub refunded: Cents,
    pub gold_back: u64,
    pub charged_back: bool,
    pub late: u32,
}

/// A refund that the staff asked for.
pub struct AskedBack {
    pub number: u16,
    pub cents: Cents,
    /// Whether it was given back, once that is known.
    pub done: Option<bool>,
}

impl Deal {
    pub fn is_completed(&self) -> bool {
        matches!(self.end, Some((AccountEvent::PurchaseCompleted { .. }, _)))
    }

    /// Whether it may still cost money, or has.
    fn counts(&self) -> bool {
        self.end.is_none() || self.is_completed()
    }

    fn quantity(&self) -> u32 {
        u8::from(self.offer.quantity).into()
    }
}

/// Something of which there is only so much.
#[derive(Default)]
pub struct Stock {
    total: Option<u32>,
    pub held: BTreeMap<ReceiptCode, u32>,
    pub gone: BTreeMap<ReceiptCode, u32>,
    /// Where some of it was given back.
    pub returned: BTreeMap<ReceiptCode, u64>,
}

impl Stock {
    fn hold(&mut self, receipt: ReceiptCode, count: u32) {
        assert!(self.held.insert(receipt, count).is_none(), "{receipt} holds twice");
        let taken: u32 = self.held.values().chain(self.gone.values()).sum();
        assert!(taken <= self.total.unwrap(), "oversold");
    }

    fn use_up(&mut self, receipt: ReceiptCode) {
        let count = self.held.remove(&receipt).expect("sold and not held");
        self.gone.insert(receipt, count);
    }

    fn give_back(&mut self, receipt: ReceiptCode, position: u64) {
        self.held.remove(&receipt).expect("returned and not held");
        self.returned.insert(receipt, position);
    }
}

/// See the module.
#[derive(Default)]
pub struct Ledger {
    pub deals: BTreeMap<ReceiptCode, Deal>,
    pub benefits: BTreeMap<ReceiptCode, (PlayerId, DateTime<Utc>, BenefitOffer)>,
    pub packages: BTreeMap<PackageCode, Stock>,
    pub promos: BTreeMap<PromoCode, Stock>,
    pub accounts: BTreeMap<PlayerId, Account>,
    /// Where each request began something, by its name.
    pub begun: BTreeMap<String, Vec<u64>>,
    wallets: BTreeMap<PlayerId, Wallet>,
    /// Each wallet that a player ever had, by the position from which on.
    history: BTreeMap<(PlayerId, u64), Wallet>,
    counters: BTreeMap<CounterAccount, i128>,
    items: BTreeMap<ItemId, bool>,
}

impl Ledger {
    /// Reads the whole log.
    pub fn read(database: &MemoryDatabase) -> Self {
        let mut ledger = Self::default();
        let mut previous = MemoryDatabase::genesis();
        let mut sequences: BTreeMap<(String, String), u64> = BTreeMap::new();
        for (recorded, position) in database.events().iter().zip(1..) {
            let Recorded { place, recorded_at, event } = recorded;
            assert_eq!(place.position, position);
            previous = chain(&previous, position, *recorded_at, &event.digest());
            assert_eq!(place.hash, previous);
            let stream = (event.aggregate_type.to_string(), event.aggregate_id.to_string());
            let sequence = sequences.entry(stream).or_default();
            *sequence += 1;
            assert_eq!(event.sequence, *sequence);
            ledger.take(recorded);
        }
        ledger
    }

    fn take(&mut self, recorded: &Recorded) {
        let position = recorded.place.position;
        match ClubEvent::decode(recorded).unwrap() {
            ClubEvent::Account(player, event) => {
                self.move_gold(player, &event, position);
                self.check_rules(player, &event);
                self.count_request(recorded, &event);
                self.take_account(player, &event, position);
                self.accounts.entry(player).or_default().evolve(&event);
            }
            ClubEvent::Package(code, event) => self.take_package(code, &event, position),
            ClubEvent::Promo(code, event) => self.take_promo(code, &event, position),
            ClubEvent::Product(..)
            | ClubEvent::Identity(..)
            | ClubEvent::Role(..)
            | ClubEvent::Audit(..)
            | ClubEvent::Activity(..)
            | ClubEvent::Mission(..)
            | ClubEvent::LiveEvent(..)
            | ClubEvent::Approval(..)
            | ClubEvent::Job(..)
            | ClubEvent::Invite(..)
            | ClubEvent::Campaign(..)
            | ClubEvent::Announcement(..) => {}
        }
    }

    /// Each carried wallet follows from the one before it, and what comes in goes out elsewhere.
    fn move_gold(&mut self, player: PlayerId, event: &AccountEvent, position: u64) {
        let Some(entry) = event.ledger_entry() else { return };
        let wallet = self.wallets.entry(player).or_default();
        let after = wallet.after(entry.direction, &entry.movement);
        assert_eq!(after, Some(entry.movement.balance), "{event:?}");
        assert!(entry.movement.balance.debt == 0 || entry.movement.balance.gold() == 0);
        *wallet = entry.movement.balance;
        self.history.insert((player, position), *wallet);
        let moved = i128::from(entry.movement.gold.plus(entry.movement.debt).total());
        let other = self.counters.entry(entry.counter_account).or_default();
        match entry.direction {
            Direction::Credit => *other -= moved,
            Direction::Debit => *other += moved,
        }
    }

    /// A player's wallet at a position.
    pub fn wallet_at(&self, player: PlayerId, position: u64) -> Wallet {
        let earlier = self.history.range((player, 0)..=(player, position));
        earlier.last().map(|(_, wallet)| *wallet).unwrap_or_default()
    }

    /// What the books come to: nothing.
    pub fn sum(&self) -> i128 {
        let worth = |wallet: &Wallet| i128::from(wallet.gold()) - i128::from(wallet.debt);
        self.wallets.values().map(worth).sum::<i128>() + self.counters.values().sum::<i128>()
    }

    fn count_request(&mut self, recorded: &Recorded, event: &AccountEvent) {
        let begins = matches!(
            event,
            AccountEvent::PurchaseRequested { .. }
                | AccountEvent::BenefitPurchased { .. }
                | AccountEvent::RefundRequested { .. }
                | AccountEvent::GoldSpent { .. }
                | AccountEvent::GoldGranted { .. }
                | AccountEvent::ItemUsed { .. }
        );
        let metadata: BTreeMap<String, String> =
            serde_json::from_str(&recorded.event.metadata).unwrap();
        if begins {
            let name = metadata.get("request").expect("nobody has asked for this");
            self.begun.entry(name.clone()).or_default().push(recorded.place.position);
        }
    }

    /// No limit has ever been passed.
    fn check_rules(&self, player: PlayerId, event: &AccountEvent) {
        match event {
            AccountEvent::PurchaseRequested { at, offer, .. } => {
                if let Some(limit) = offer.user_limit {
                    let more = u8::from(offer.quantity).into();
                    self.check_limit(player, offer.ware, limit, *at, more);
                }
                self.check_promo(player, offer);
                self.check_month(player, *at, offer.total_cents);
                let wallet = self.wallets.get(&player).copied().unwrap_or_default();
                assert_eq!(wallet.debt, 0, "{player} buys in debt");
            }
            AccountEvent::BenefitPurchased { at, offer, .. } => {
                if let Some(limit) = offer.user_limit {
                    let more = u8::from(offer.quantity).into();
                    self.check_limit(player, Ware::Product(offer.product_id), limit, *at, more);
                }
            }
            _ => {}
        }
    }

    fn check_limit(
        &self,
        player: PlayerId,
        ware: Ware,
        limit: UseLimit,
        at: DateTime<Utc>,
        more: u32,
    ) {
        let is_now = |when: DateTime<Utc>| limit.per.number(when) == limit.per.number(at);
        let deals = self.deals.values().filter(|deal| {
            deal.player == player && deal.offer.ware == ware && deal.counts() && is_now(deal.at)
        });
        let benefits = self.benefits.values().filter(|(who, when, offer)| {
            *who == player && Ware::Product(offer.product_id) == ware && is_now(*when)
        });
        let benefits = benefits.map(|(_, _, offer)| u32::from(u8::from(offer.quantity)));
        let had: u32 = deals.map(Deal::quantity).sum::<u32>() + benefits.sum::<u32>();
        assert!(had + more <= limit.count, "{player} has {had} of {ware} and gets {more} more");
        let counted = self.accounts[&player].uses_of(ware, limit, at);
        assert_eq!(counted, had, "{player} has had {had} of {ware}");
    }

    fn check_promo(&self, player: PlayerId, offer: &Offer) {
        let Some((promo, most)) = offer.promo.and_then(|promo| Some((promo, promo.user_limit?)))
        else {
            return;
        };
        let used = self.deals.values().filter(|deal| {
            let same = deal.offer.promo.is_some_and(|used| used.code == promo.code);
            deal.player == player && same && deal.counts()
        });
        assert!(used.count() < most as usize, "{player} uses {} too often", promo.code);
    }

    fn check_month(&self, player: PlayerId, at: DateTime<Utc>, more: Cents) {
        let month = |at| Period::Month.number(at);
        let spent = self
            .deals
            .values()
            .filter(|deal| deal.player == player && deal.counts() && month(deal.at) == month(at))
            .map(|deal| deal.offer.total_cents.0);
        let spent = Cents(spent.sum());
        let controls = self.accounts[&player].controls();
        assert_eq!(controls.spent_in_month(at), spent, "{player}");
        if let Some(limit) = controls.limit_at(at) {
            assert!(spent.plus(more) <= limit, "{player} spends more than {limit:?}");
        }
    }

    fn deal(&mut self, receipt: ReceiptCode) -> &mut Deal {
        self.deals.get_mut(&receipt).expect("something happens to a purchase that never was")
    }

    fn take_account(&mut self, player: PlayerId, event: &AccountEvent, position: u64) {
        match event {
            AccountEvent::PurchaseRequested { at, receipt_code, charge_id, offer, .. } => {
                let deal = Deal {
                    player,
                    at: *at,
                    charge_id: *charge_id,
                    offer: offer.clone(),
                    end: None,
                    refunds: Vec::new(),
                    refunded: Cents(0),
                    gold_back: 0,
                    charged_back: false,
                    late: 0,
                };
                assert!(
                    self.deals.insert(*receipt_code, deal).is_none(),
                    "a receipt is used twice"
                );
            }
            AccountEvent::PurchaseCompleted { receipt_code, movement, .. } => {
                let deal = self.deal(*receipt_code);
                let gold = movement.gold.plus(movement.debt).total();
                assert_eq!(gold, deal.offer.gold.amount(), "{receipt_code}");
                deal.finish(event, position);
            }
            AccountEvent::PurchaseFailed { receipt_code, .. }
            | AccountEvent::PurchaseVoided { receipt_code, .. } => {
                self.deal(*receipt_code).finish(event, position);
            }
            AccountEvent::LateCaptureRefunded { receipt_code, .. } => {
                let deal = self.deal(*receipt_code);
                assert!(!deal.counts(), "{receipt_code} was paid and given back as too late");
                deal.late += 1;
            }
            AccountEvent::BenefitPurchased { at, receipt_code, offer, .. } => {
                for number in 1..=u8::from(offer.quantity) {
                    self.items.insert(ItemId { receipt_code: *receipt_code, number }, true);
                }
                self.benefits.insert(*receipt_code, (player, *at, offer.clone()));
            }
            AccountEvent::ItemUsed { item_id, .. }
            | AccountEvent::ItemExpired { item_id, .. }
            | AccountEvent::ItemRefunded { item_id, .. } => {
                let unused = self.items.insert(*item_id, false);
                assert_eq!(unused, Some(true), "{item_id} is used twice");
            }
            event => self.take_refund(event),
        }
    }

    fn take_refund(&mut self, event: &AccountEvent) {
        match event {
            AccountEvent::RefundRequested { receipt_code, number, amount_cents, .. } => {
                let deal = self.deal(*receipt_code);
                assert!(deal.is_completed(), "{receipt_code} was not paid");
                assert!(deal.refunds.iter().all(|refund| refund.done.is_some()));
                let (number, cents) = (*number, *amount_cents);
                deal.refunds.push(AskedBack { number, cents, done: None });
            }
            AccountEvent::PurchaseRefunded {
                receipt_code,
                amount_cents,
                refunded_cents,
                movement,
                ..
            } => {
                let deal = self.deal(*receipt_code);
                deal.take_back(*amount_cents, movement.gold.plus(movement.debt).total());
                assert_eq!(deal.refunded, *refunded_cents);
                deal.answer_refund(true);
            }
            AccountEvent::RefundFailed { receipt_code, .. } => {
                self.deal(*receipt_code).answer_refund(false);
            }
            AccountEvent::PurchaseChargedBack { receipt_code, movement, .. } => {
                let deal = self.deal(*receipt_code);
                let refunded = deal.refunded;
                let left = deal.offer.total_cents.minus(refunded);
                deal.take_back(left, movement.gold.plus(movement.debt).total());
                (deal.refunded, deal.charged_back) = (refunded, true);
            }
            _ => {}
        }
    }

    fn take_package(&mut self, code: PackageCode, event: &PackageEvent, position: u64) {
        let stock = self.packages.entry(code).or_default();
        match event {
            PackageEvent::PackageDefined { terms, .. } => stock.total = terms.stock_total,
            PackageEvent::PackageEnabled { .. } | PackageEvent::PackageDisabled { .. } => {}
            PackageEvent::StockReserved { receipt_code, quantity, .. } => {
                stock.hold(*receipt_code, u8::from(*quantity).into());
            }
            PackageEvent::StockConfirmed { receipt_code, .. } => stock.use_up(*receipt_code),
            PackageEvent::StockReturned { receipt_code, .. } => {
                stock.give_back(*receipt_code, position);
            }
        }
    }

    fn take_promo(&mut self, code: PromoCode, event: &PromoEvent, position: u64) {
        let uses = self.promos.entry(code).or_default();
        match event {
            PromoEvent::PromoDefined { terms, .. } => uses.total = terms.max_uses,
            PromoEvent::PromoHeld { receipt_code, .. } => uses.hold(*receipt_code, 1),
            PromoEvent::PromoUsed { receipt_code, .. } => uses.use_up(*receipt_code),
            PromoEvent::PromoReturned { receipt_code, .. } => {
                uses.give_back(*receipt_code, position);
            }
        }
    }
}

impl Deal {
    fn finish(&mut self, event: &AccountEvent, position: u64) {
        assert!(self.end.is_none(), "a second end: {:?} and {event:?}", self.end);
        self.end = Some((event.clone(), position));
    }

    /// Gold goes back in proportion, and all of it in the end.
    fn take_back(&mut self, cents: Cents, gold: u64) {
        assert!(self.is_completed() && !self.charged_back && cents > Cents(0));
        self.refunded = self.refunded.plus(cents);
        self.gold_back += gold;
        let due = self.offer.gold.share(self.refunded, self.offer.total_cents).unwrap();
        assert_eq!(self.gold_back, due.amount());
        assert!(self.refunded <= self.offer.total_cents);
    }

    /// The refund under way, if there is one, has ended.
    fn answer_refund(&mut self, done: bool) {
        let last = self.refunds.last_mut().filter(|refund| refund.done.is_none());
        if let Some(refund) = last {
            refund.done = Some(done);
        }
    }
}
