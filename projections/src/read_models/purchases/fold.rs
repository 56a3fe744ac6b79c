//! What events make of purchases. Several changes of one purchase fold into one.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::account::AccountEvent;
use domain::event::ClubEvent;
use domain::id::{ChargeId, PackageCode, PlayerId, ProductId, PromoCode, ReceiptCode};
use domain::money::{Cents, Currency, Movement};
use domain::offer::{BenefitOffer, Offer, Ware};
use futures::future::BoxFuture;
use sqlx::PgConnection;

use super::super::balances::amount;
use super::super::{Entry, ReadModel, table};
use super::{Kind, NAME, Status, VERSION};
use crate::copy::CopyRows;
use crate::follower::FollowerError;

const COLUMNS: &str = "(
    position             bigint not null,
    requested_position   bigint not null,
    player_id            bigint not null,
    receipt_code         text   not null,
    charge_id            text,
    ware                 text   not null,
    product_id           bigint,
    product_version      bigint not null,
    sku                  text   not null,
    kind                 text   not null,
    quantity             bigint not null,
    payment_method       text,
    discount_percent     bigint not null,
    amount_cents         bigint not null,
    currency             text,
    gold                 bigint not null,
    gold_spent           bigint not null,
    promo_code           text,
    promo_off_cents      bigint not null,
    status               text   not null,
    reason_code          text,
    refund_pending_cents bigint not null,
    refunded_cents       bigint not null,
    charged_back_cents   bigint not null,
    gold_reversed        bigint not null,
    late_capture_cents   bigint not null,
    created_at           timestamptz not null,
    ended_at             timestamptz,
    changed_at           timestamptz not null
) with (fillfactor = 80)";

/// Purchases that events have changed; those among them that began. A rebuild gathers all there are:
/// what few have stands apart, and what many share is kept once.
#[derive(Debug, Default)]
pub(crate) struct Purchases {
    courses: HashMap<ReceiptCode, Course>,
    names: Names,
}

#[derive(Debug)]
struct Course {
    began: Option<Beginning>,
    change: Change,
}

/// What never changes about a purchase.
#[derive(Debug)]
struct Beginning {
    position: i64,
    at: DateTime<Utc>,
    player: PlayerId,
    kind: Kind,
    charge_id: Option<ChargeId>,
    payment_method: Option<Arc<str>>,
    /// The product; otherwise it is a package.
    product: Option<ProductId>,
    package: Option<Box<PackageCode>>,
    product_version: u32,
    sku: Arc<str>,
    quantity: u8,
    discount_percent: u8,
    amount_cents: i64,
    currency: Option<Currency>,
    gold: i64,
    gold_spent: i64,
    promo: Option<Box<(PromoCode, Cents)>>,
}

/// What does.
#[derive(Debug)]
struct Change {
    position: i64,
    at: DateTime<Utc>,
    end: Option<End>,
    back: Option<Box<Back>>,
}

#[derive(Debug, Clone, Copy)]
struct End {
    status: Status,
    reason: Option<&'static str>,
    at: DateTime<Utc>,
}

/// What was given back, or shall be.
#[derive(Debug, Clone, Copy, Default)]
struct Back {
    /// Asked for and not answered: 0, once it is.
    refund: Option<i64>,
    refunded: Option<i64>,
    charged_back: Option<i64>,
    gold_reversed: i64,
    late_capture: Option<i64>,
}

/// Texts that purchases share.
#[derive(Debug, Default)]
struct Names(HashSet<Arc<str>>);

impl Names {
    fn keep(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        let new: Arc<str> = name.into();
        self.0.insert(Arc::clone(&new));
        new
    }
}

impl Change {
    fn ends(&mut self, status: Status, reason: Option<&'static str>) {
        self.end = Some(End { status, reason, at: self.at });
    }

    fn gives_back(&mut self) -> &mut Back {
        self.back.get_or_insert_default()
    }

    fn back(&self) -> Back {
        self.back.as_deref().copied().unwrap_or_default()
    }

    /// The status that it leads to, unless everything was given back.
    fn status(&self) -> Option<Status> {
        let charged_back = self.back().charged_back.map(|_| Status::ChargedBack);
        charged_back.or_else(|| self.end.map(|end| end.status))
    }
}

impl Back {
    fn reverses(&mut self, movement: &Movement) {
        let gold = movement.gold.plus(movement.debt).total();
        self.gold_reversed = self.gold_reversed.saturating_add(amount(gold));
    }
}

impl Beginning {
    fn with_money(
        (position, at, player): (i64, DateTime<Utc>, PlayerId),
        charge_id: ChargeId,
        payment_method: Option<Arc<str>>,
        (offer, sku): (&Offer, Arc<str>),
    ) -> Self {
        let (product, package) = match offer.ware {
            Ware::Product(id) => (Some(id), None),
            Ware::Package(code) => (None, Some(Box::new(code))),
        };
        Self {
            position,
            at,
            player,
            kind: Kind::Gold,
            charge_id: Some(charge_id),
            payment_method,
            product,
            package,
            product_version: offer.product_version,
            sku,
            quantity: offer.quantity.into(),
            discount_percent: offer.discount_percent.into(),
            amount_cents: amount(offer.total_cents.0),
            currency: Some(offer.currency),
            gold: amount(offer.gold.amount()),
            gold_spent: 0,
            promo: offer.promo.map(|promo| Box::new((promo.code, promo.off_cents))),
        }
    }

    fn with_gold(
        (position, at, player): (i64, DateTime<Utc>, PlayerId),
        (offer, sku): (&BenefitOffer, Arc<str>),
    ) -> Self {
        Self {
            position,
            at,
            player,
            kind: Kind::Item,
            charge_id: None,
            payment_method: None,
            product: Some(offer.product_id),
            package: None,
            product_version: offer.product_version,
            sku,
            quantity: offer.quantity.into(),
            discount_percent: 0,
            amount_cents: 0,
            currency: None,
            gold: 0,
            gold_spent: amount(offer.price.amount()),
            promo: None,
        }
    }

    fn ware(&self) -> String {
        let product = self.product.map(|id| id.to_string());
        product.or_else(|| self.package.as_ref().map(|code| code.to_string())).unwrap_or_default()
    }

    fn status(&self, change: &Change) -> Status {
        let (back, of) = match self.kind {
            Kind::Gold => (change.back().refunded.unwrap_or(0), self.amount_cents),
            Kind::Item => (change.back().gold_reversed, self.gold_spent),
        };
        match change.status().unwrap_or(Status::Requested) {
            Status::Completed if back > 0 && back >= of => Status::Refunded,
            status => status,
        }
    }

    fn copy_out(&self, code: ReceiptCode, change: &Change, rows: &mut CopyRows) {
        let back = change.back();
        rows.row(29)
            .int(change.position)
            .int(self.position)
            .int(self.player.0)
            .text(&code.to_string())
            .optional_text(self.charge_id.map(|id| id.to_string()).as_deref())
            .text(&self.ware())
            .optional_int(self.product.map(|id| id.0))
            .int(i64::from(self.product_version))
            .text(&self.sku)
            .text(self.kind.name())
            .int(i64::from(self.quantity))
            .optional_text(self.payment_method.as_deref())
            .int(i64::from(self.discount_percent))
            .int(self.amount_cents)
            .optional_text(self.currency.map(String::from).as_deref())
            .int(self.gold)
            .int(self.gold_spent)
            .optional_text(self.promo.as_ref().map(|promo| promo.0.as_str()))
            .int(self.promo.as_ref().map_or(0, |promo| amount(promo.1.0)))
            .text(self.status(change).name())
            .optional_text(change.end.and_then(|end| end.reason))
            .int(back.refund.unwrap_or(0))
            .int(back.refunded.unwrap_or(0))
            .int(back.charged_back.unwrap_or(0))
            .int(back.gold_reversed)
            .int(back.late_capture.unwrap_or(0))
            .time(self.at)
            .optional_time(change.end.map(|end| end.at))
            .time(change.at);
    }
}

impl Purchases {
    fn begins(&mut self, code: ReceiptCode, began: Beginning) -> &mut Change {
        let change = Change { position: began.position, at: began.at, end: None, back: None };
        let course = Course { began: Some(began), change };
        &mut self.courses.entry(code).insert_entry(course).into_mut().change
    }

    fn changes(&mut self, code: ReceiptCode, position: i64, at: DateTime<Utc>) -> &mut Change {
        let new = || Course { began: None, change: Change { position, at, end: None, back: None } };
        let change = &mut self.courses.entry(code).or_insert_with(new).change;
        (change.position, change.at) = (position, at);
        change
    }

    fn gives_back(&mut self, code: ReceiptCode, position: i64, at: DateTime<Utc>) -> &mut Back {
        self.changes(code, position, at).gives_back()
    }

    #[expect(clippy::too_many_lines, reason = "a table: what happened, and what it is here")]
    fn fold_account(&mut self, position: i64, player: PlayerId, event: &AccountEvent) {
        match event {
            AccountEvent::PurchaseRequested {
                at,
                receipt_code,
                charge_id,
                payment_method,
                offer,
                ..
            } => {
                let when = (position, *at, player);
                let method = payment_method.as_ref().map(|method| self.names.keep(method));
                let offer = (offer, self.names.keep(&offer.sku));
                let began = Beginning::with_money(when, *charge_id, method, offer);
                self.begins(*receipt_code, began);
            }
            AccountEvent::PurchaseCompleted { at, receipt_code, .. } => {
                self.changes(*receipt_code, position, *at).ends(Status::Completed, None);
            }
            AccountEvent::PurchaseFailed { at, receipt_code, reason } => {
                let change = self.changes(*receipt_code, position, *at);
                change.ends(Status::Failed, Some(reason.name()));
            }
            AccountEvent::PurchaseVoided { at, receipt_code, reason } => {
                let change = self.changes(*receipt_code, position, *at);
                change.ends(Status::Voided, Some(reason.name()));
            }
            AccountEvent::LateCaptureRefunded { at, receipt_code, amount_cents } => {
                let back = self.gives_back(*receipt_code, position, *at);
                back.late_capture = Some(amount(amount_cents.0));
            }
            AccountEvent::RefundRequested { at, receipt_code, amount_cents, .. } => {
                let back = self.gives_back(*receipt_code, position, *at);
                back.refund = Some(amount(amount_cents.0));
            }
            AccountEvent::RefundFailed { at, receipt_code, .. } => {
                self.gives_back(*receipt_code, position, *at).refund = Some(0);
            }
            AccountEvent::PurchaseRefunded {
                at, receipt_code, refunded_cents, movement, ..
            } => {
                let back = self.gives_back(*receipt_code, position, *at);
                back.refunded = Some(amount(refunded_cents.0));
                // While one is under way, only its answer is recorded.
                back.refund = Some(0);
                back.reverses(movement);
            }
            AccountEvent::PurchaseChargedBack { at, receipt_code, amount_cents, movement } => {
                let back = self.gives_back(*receipt_code, position, *at);
                back.charged_back = Some(amount(amount_cents.0));
                back.reverses(movement);
            }
            AccountEvent::BenefitPurchased { at, receipt_code, offer, .. } => {
                let offer = (offer, self.names.keep(&offer.sku));
                let began = Beginning::with_gold((position, *at, player), offer);
                self.begins(*receipt_code, began).ends(Status::Completed, None);
            }
            AccountEvent::ItemRefunded { at, item_id, movement } => {
                self.gives_back(item_id.receipt_code, position, *at).reverses(movement);
            }
            AccountEvent::AccountOpened { .. }
            | AccountEvent::SignUpBonusGranted { .. }
            | AccountEvent::GoldGranted { .. }
            | AccountEvent::VipPointsGranted { .. }
            | AccountEvent::GoldSpent { .. }
            | AccountEvent::PurchasesBlocked { .. }
            | AccountEvent::ItemUsed { .. }
            | AccountEvent::ItemExpired { .. }
            | AccountEvent::SpendLimitSet { .. }
            | AccountEvent::CoolingOffStarted { .. }
            | AccountEvent::AccountClosed { .. }
            | AccountEvent::SelfExcluded { .. }
            | AccountEvent::StreakClaimed { .. }
            | AccountEvent::VipClaimed { .. }
            | AccountEvent::EventJoined { .. }
            | AccountEvent::EventClaimed { .. }
            | AccountEvent::MissionClaimed { .. }
            | AccountEvent::PlaceRewarded { .. }
            | AccountEvent::RewardGifted { .. }
            | AccountEvent::GrantTakenBack { .. } => {}
        }
    }
}

/// Changes of purchases that are in the table already, column by column.
#[derive(Default)]
struct Changes {
    codes: Vec<String>,
    statuses: Vec<Option<&'static str>>,
    reasons: Vec<Option<&'static str>>,
    ended_at: Vec<Option<DateTime<Utc>>>,
    changed_at: Vec<DateTime<Utc>>,
    numbers: [Vec<i64>; 2],
    optional_numbers: [Vec<Option<i64>>; 4],
}

impl Changes {
    fn push(&mut self, code: ReceiptCode, change: &Change) {
        self.codes.push(code.to_string());
        self.statuses.push(change.status().map(Status::name));
        self.reasons.push(change.end.and_then(|end| end.reason));
        self.ended_at.push(change.end.map(|end| end.at));
        self.changed_at.push(change.at);
        let back = change.back();
        for (column, number) in self.numbers.iter_mut().zip([change.position, back.gold_reversed]) {
            column.push(number);
        }
        let optional_numbers = [back.refund, back.refunded, back.charged_back, back.late_capture];
        for (column, number) in self.optional_numbers.iter_mut().zip(optional_numbers) {
            column.push(number);
        }
    }

    async fn bring(self, connection: &mut PgConnection, table: &str) -> Result<(), FollowerError> {
        if self.codes.is_empty() {
            return Ok(());
        }
        // The case is `Beginning::status`.
        let sql = format!(
            "update {table} purchase
                set position = it.position, changed_at = it.changed_at,
                    status = case
                      when coalesce(it.status, purchase.status) = 'completed' and case kind
                             when 'gold' then coalesce(it.refunded, refunded_cents)
                                              >= greatest(amount_cents, 1)
                             else gold_reversed + it.reversed >= greatest(gold_spent, 1) end
                      then 'refunded' else coalesce(it.status, purchase.status) end,
                    reason_code = coalesce(it.reason, reason_code),
                    ended_at = coalesce(it.ended_at, purchase.ended_at),
                    refund_pending_cents = coalesce(it.refund, refund_pending_cents),
                    refunded_cents = coalesce(it.refunded, refunded_cents),
                    charged_back_cents = coalesce(it.charged_back, charged_back_cents),
                    gold_reversed = gold_reversed + it.reversed,
                    late_capture_cents = coalesce(it.late_capture, late_capture_cents)
               from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[],
                           $5::timestamptz[], $6::bigint[], $7::bigint[], $8::bigint[],
                           $9::bigint[], $10::bigint[], $11::bigint[])
                 as it (code, status, reason, ended_at, changed_at, position, reversed, refund,
                        refunded, charged_back, late_capture)
              where receipt_code = it.code"
        );
        let query = sqlx::query(&sql)
            .bind(self.codes)
            .bind(self.statuses)
            .bind(self.reasons)
            .bind(self.ended_at)
            .bind(self.changed_at);
        let query = self.numbers.into_iter().fold(query, |query, column| query.bind(column));
        let optional = self.optional_numbers.into_iter();
        optional.fold(query, |query, column| query.bind(column)).execute(connection).await?;
        Ok(())
    }
}

impl ReadModel for Purchases {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> i32 {
        VERSION
    }

    fn columns(&self) -> &'static str {
        COLUMNS
    }

    fn indexes(&self, table: &str) -> Vec<String> {
        // None is on a column that changes: an update then leaves all of them alone.
        vec![
            format!("alter table {table} add primary key (receipt_code)"),
            format!("create index on {table} (player_id, requested_position)"),
            format!("create index on {table} (requested_position)"),
            format!("create index on {table} (created_at)"),
        ]
    }

    fn fold(&mut self, entry: &Entry<'_>) {
        match &entry.event {
            ClubEvent::Account(player, event) => self.fold_account(entry.position, *player, event),
            // What they say about a purchase, the account says, too.
            ClubEvent::Product(..)
            | ClubEvent::Package(..)
            | ClubEvent::Promo(..)
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

    fn upsert<'a>(
        &'a mut self,
        connection: &'a mut PgConnection,
        generation: i32,
    ) -> BoxFuture<'a, Result<(), FollowerError>> {
        Box::pin(async move {
            let table = table(NAME, generation);
            let (mut new, mut changes) = (CopyRows::default(), Changes::default());
            for (code, Course { began, change }) in self.courses.drain() {
                match began {
                    Some(began) => began.copy_out(code, &change, &mut new),
                    None => changes.push(code, &change),
                }
            }
            self.names = Names::default();
            new.copy_into(connection, &table).await?;
            changes.bring(connection, &table).await
        })
    }

    fn copy_out(&mut self, rows: &mut CopyRows) {
        for (code, Course { began, change }) in self.courses.drain() {
            // What changed without ever having begun is no row: `verify` says which.
            if let Some(began) = began {
                began.copy_out(code, &change, rows);
            }
        }
    }
}
