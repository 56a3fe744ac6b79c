//! Purchases and benefits, refunds and items.

use domain::account::{AccountCommand, FailureReason, PurchaseRules, Sale, VoidReason};
use domain::aggregate::Aggregate;
use domain::id::{ChargeId, ItemId};
use domain::money::{Cents, Quantity};
use domain::offer::{Offer, Rank, Ware};
use domain::package::PackageCommand;
use domain::promo::PromoCommand;
use domain::stored::StoredEvent;
use rand::Rng;

use super::{BENEFIT, History, PACK};

impl History {
    /// The request, what is held of the stock, and what of the promotion: together, or not at all.
    pub(super) fn request(&mut self, player: i64, out: &mut Vec<StoredEvent>) {
        let (at, receipt_code) = (self.now(), self.code());
        let Some(offer) = self.offer() else { return };
        let command = AccountCommand::RequestPurchase {
            at,
            receipt_code,
            charge_id: ChargeId::from_bits(self.codes.into()),
            payment_method: self.random.random_bool(0.5).then(|| "CARD".to_owned()),
            card: None,
            offer: offer.clone(),
            rank: Rank::Vip,
            rules: PurchaseRules::default(),
        };
        let account = self.accounts.entry(player).or_default();
        let Ok(requested) = account.state.decide(&command) else { return };
        let (mut stock, mut promo) = (None, None);
        if let Ware::Package(code) = offer.ware {
            let package = self.packages.get_mut(&code).unwrap();
            let reserve = PackageCommand::Reserve { at, receipt_code, quantity: offer.quantity };
            let Ok(reserved) = package.state.decide(&reserve) else { return };
            stock = Some((code, package, reserved));
        }
        if let Some(applied) = offer.promo {
            let held = self.promos.get_mut(&applied.code).unwrap();
            let Ok(events) = held.state.decide(&PromoCommand::Hold { at, receipt_code }) else {
                return;
            };
            promo = Some((applied.code, held, events));
        }
        account.tell(player, &requested, out);
        if let Some((code, package, reserved)) = stock {
            package.tell(code, &reserved, out);
        }
        if let Some((code, promo, held)) = promo {
            promo.tell(code, &held, out);
        }
        self.offers.insert(receipt_code, offer);
    }

    fn offer(&mut self) -> Option<Offer> {
        let at = self.now();
        if self.random.random_bool(0.4) {
            return self.pack.state.offer(PACK, Quantity::ONE, at).ok();
        }
        let index = self.one_of(self.packages.len())?;
        let code = *self.packages.keys().nth(index)?;
        let quantity = Quantity::new(self.random.random_range(1..4))?;
        let offer = self.packages.get(&code)?.state.offer(code, quantity, at).ok()?;
        if self.random.random_bool(0.5) {
            return Some(offer);
        }
        let index = self.one_of(self.promos.len())?;
        let promo = *self.promos.keys().nth(index)?;
        self.promos.get(&promo)?.state.apply(promo, offer, at).ok()
    }

    /// The end of a purchase, of what it holds of the stock, and of the promotion: together.
    pub(super) fn end(&mut self, player: i64, out: &mut Vec<StoredEvent>) {
        let at = self.now();
        let account = self.accounts.entry(player).or_default();
        let Some(receipt_code) = account.state.open_purchases().next() else { return };
        let is_completed = self.random.random_bool(0.7);
        let command = match (is_completed, self.random.random_bool(0.5)) {
            (true, _) => AccountCommand::CompletePurchase { at, receipt_code },
            (false, true) => {
                let reason = FailureReason::InsufficientFunds;
                AccountCommand::FailPurchase { at, receipt_code, reason }
            }
            (false, false) => {
                let reason = VoidReason::TimedOut;
                AccountCommand::VoidPurchase { at, receipt_code, reason }
            }
        };
        if !self.ask(player, &command, out) {
            return;
        }
        let Offer { ware, promo, total_cents, gold, .. } = self.offers[&receipt_code];
        if let Ware::Package(code) = ware {
            let end = match is_completed {
                true => PackageCommand::Confirm { at, receipt_code },
                false => PackageCommand::Return { at, receipt_code },
            };
            self.packages.entry(code).or_default().ask(code, &end, out);
        }
        if let Some(promo) = promo {
            let end = match is_completed {
                true => PromoCommand::Use { at, receipt_code },
                false => PromoCommand::Return { at, receipt_code },
            };
            self.promos.entry(promo.code).or_default().ask(promo.code, &end, out);
        }
        if is_completed {
            self.sales.push((player, Sale { receipt_code, total_cents, gold, completed_at: at }));
        } else {
            self.unpaid.push((player, receipt_code));
        }
    }

    /// Money goes back: asked for, done by the provider, refused by it, or taken by the bank.
    pub(super) fn give_back(&mut self, out: &mut Vec<StoredEvent>) {
        let at = self.now();
        if self.random.random_ratio(1, 8) {
            if let Some(index) = self.one_of(self.unpaid.len()) {
                let (player, receipt_code) = self.unpaid[index];
                let amount_cents = self.offers[&receipt_code].total_cents;
                let late = AccountCommand::RecordLateCapture { at, receipt_code, amount_cents };
                self.ask(player, &late, out);
            }
            return;
        }
        let Some(index) = self.one_of(self.sales.len()) else { return };
        let (player, sale) = self.sales[index];
        let account = &self.accounts[&player].state;
        let refunded = account.refunded(&sale);
        let under_way = account.refund_under_way(sale.receipt_code);
        let command = match (under_way, self.random.random_range(0..10)) {
            (_, 0) => AccountCommand::RecordChargeback { at, sale, refunded_cents: refunded },
            (Some((number, _)), 1) => {
                AccountCommand::FailRefund { at, receipt_code: sale.receipt_code, number }
            }
            (Some((number, amount)), _) => {
                let (number, refunded_cents) = (Some(number), refunded.plus(amount));
                AccountCommand::RecordRefund { at, sale, number, refunded_cents }
            }
            (None, 1) => {
                let refunded_cents = refunded.plus(Cents(1));
                AccountCommand::RecordRefund { at, sale, number: None, refunded_cents }
            }
            (None, _) => AccountCommand::RequestRefund {
                at,
                sale,
                amount_cents: self.random.random_bool(0.5).then_some(Cents(100)),
                take_back_items: self.random.random_bool(0.5),
            },
        };
        self.ask(player, &command, out);
    }

    pub(super) fn buy_benefit(&mut self, player: i64, out: &mut Vec<StoredEvent>) {
        let (at, receipt_code, order) = (self.now(), self.code(), self.order());
        let quantity = Quantity::new(self.random.random_range(1..4)).unwrap();
        let offer = self.benefit.state.benefit_offer(BENEFIT, quantity, at).unwrap();
        let rank = Rank::Standard;
        let buy = AccountCommand::BuyBenefit { at, receipt_code, offer, rank, order };
        if self.ask(player, &buy, out) {
            let items = (1..=u8::from(quantity)).map(|number| ItemId { receipt_code, number });
            self.items.extend(items.map(|item| (player, item)));
        }
    }

    pub(super) fn end_item(&mut self, out: &mut Vec<StoredEvent>) {
        let at = self.now();
        let Some(index) = self.one_of(self.items.len()) else { return };
        let (player, item_id) = self.items[index];
        let command = match self.random.random_range(0..5) {
            0..2 => AccountCommand::RefundItems { at, receipt_code: item_id.receipt_code },
            2..4 => AccountCommand::UseItem { at, item_id },
            _ => AccountCommand::ExpireItem { at, item_id },
        };
        self.ask(player, &command, out);
    }
}
