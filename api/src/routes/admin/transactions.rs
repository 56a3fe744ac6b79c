//! Everybody's purchases, as the staff sees, settles and gives them back.

mod answers;
mod wishes;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use chrono::{DateTime, Utc};
use commands::shop::{RefundOrder, UnderWay};
use domain::id::{PackageCode, PlayerId, ProductId, ReceiptCode};
use domain::offer::Ware;
use projections::read_models::purchases::{self, Kind, Purchase, Status, Wanted};
use serde::Deserialize;
use utoipa::IntoParams;

use super::super::docs::Problem;
use super::super::paging::{Page, next_cursor, page_length, query};
use crate::app::App;
use crate::auth::{May, need};
use crate::body::Fields;
use crate::error::{ApiError, FieldError, Reason};
use crate::reads;
use crate::request::{Asked, MinPosition, Segment};
use answers::{ForceDone, RefundDone, TransactionView};
use wishes::{ForceWish, RefundWish};

/// Which purchases. What is left out does not matter.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct TransactionsQuery {
    /// `pending`, `completed`, `failed`, `voided`, `refunded` or `charged_back`.
    #[param(value_type = Option<String>)]
    status: Option<StatusName>,
    /// `gold` (for money) or `item` (for gold).
    #[param(value_type = Option<String>)]
    kind: Option<Kind>,
    /// Whose.
    #[param(value_type = Option<i64>)]
    user_id: Option<PlayerId>,
    /// Of this product.
    #[param(value_type = Option<i64>)]
    product_id: Option<ProductId>,
    /// Of this limited package.
    #[param(value_type = Option<String>)]
    package_id: Option<PackageCode>,
    /// With this receipt.
    #[param(value_type = Option<String>)]
    receipt_code: Option<ReceiptCode>,
    /// Requested at this moment or later.
    from: Option<DateTime<Utc>>,
    /// Requested before this moment.
    until: Option<DateTime<Utc>>,
    /// Only those of which a refund is under way.
    refund_pending: Option<bool>,
    /// The `next_cursor` of the page before.
    cursor: Option<u64>,
    /// Lines on the page: 50, at most 200.
    limit: Option<u32>,
}

/// Where a purchase stands, as answers call it.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StatusName {
    Pending,
    Completed,
    Failed,
    Voided,
    Refunded,
    ChargedBack,
}

impl From<StatusName> for Status {
    fn from(name: StatusName) -> Self {
        match name {
            StatusName::Pending => Self::Requested,
            StatusName::Completed => Self::Completed,
            StatusName::Failed => Self::Failed,
            StatusName::Voided => Self::Voided,
            StatusName::Refunded => Self::Refunded,
            StatusName::ChargedBack => Self::ChargedBack,
        }
    }
}

impl TransactionsQuery {
    fn wanted(&self) -> Result<Wanted, ApiError> {
        let ware = match (self.product_id, self.package_id) {
            (Some(_), Some(_)) => {
                let detail = "a purchase is of a product or of a package: ask for one of the two";
                return Err(ApiError::new(Reason::BadRequest, detail));
            }
            (Some(product), None) => Some(Ware::Product(product)),
            (None, package) => package.map(Ware::Package),
        };
        Ok(Wanted {
            status: self.status.map(Status::from),
            kind: self.kind,
            player: self.user_id,
            ware,
            receipt: self.receipt_code,
            from: self.from,
            until: self.until,
            refund_pending: self.refund_pending.unwrap_or(false),
        })
    }
}

/// Everybody's purchases, newest first.
#[utoipa::path(get, path = "/api/admin/transactions", tag = "administration",
    security(("token" = ["see_players"])),
    params(TransactionsQuery,
        ("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "a page", body = Page<TransactionView>),
        (status = 400, description = "a filter that cannot be read", body = Problem),
        (status = 403, description = "not allowed", body = Problem)))]
pub async fn list(
    State(app): State<App>,
    staff: May<need::SeePlayers>,
    min: MinPosition,
    asked: Result<Query<TransactionsQuery>, QueryRejection>,
) -> Result<Json<Page<TransactionView>>, ApiError> {
    let asked = query(asked)?;
    let wanted = asked.wanted()?;
    reads::caught_up(&app, Some(staff.id()), min).await?;
    let length = page_length(asked.limit);
    let page = purchases::search(&app.pool, &wanted, asked.cursor, length).await?;
    let next_cursor = next_cursor(&page.rows, length, |row| row.requested_position);
    let items = page.rows.into_iter().map(TransactionView::from).collect();
    Ok(Json(Page { items, next_cursor, position: page.position }))
}

/// Makes a purchase end, at the provider first: what the provider says then is what counts.
#[utoipa::path(post, path = "/api/admin/transactions/{receipt}/force-settle",
    tag = "administration", security(("token" = ["settle_payments"])),
    params(("receipt" = String, Path, description = "the receipt code"),
        ("Idempotency-Key" = String, Header, description = "required, here or in the body")),
    request_body = ForceWish,
    responses(
        (status = 200, description = "it ended so, now or before", body = ForceDone),
        (status = 400, description = "without an idempotency key", body = Problem),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such purchase", body = Problem),
        (status = 409, description = "CONFLICT: it has not ended so; `purchase_status` says how it stands", body = Problem),
        (status = 422, description = "fields that cannot be used, or a reused key", body = Problem),
        (status = 503, description = "the provider does not answer", body = Problem)))]
pub async fn force(
    State(app): State<App>,
    admin: May<need::SettlePayments>,
    Segment(receipt): Segment,
    min: MinPosition,
    asked: Asked,
    fields: Fields,
) -> Result<Response, ApiError> {
    let wish = ForceWish::parse(fields)?;
    let asked = asked.with_key(wish.idempotency_key.as_deref())?.keyed()?;
    let row = find(&app, admin, min, &receipt).await?;
    let Found::Paid(purchase) = found(&app, &row).await? else {
        let detail = "it was paid with gold and completed at once: there is nothing to settle";
        let error = ApiError::new(Reason::Conflict, detail);
        return Err(error.with("purchase_status", "completed"));
    };
    let caller = asked.caller(admin.actor());
    let settled = app.commands.force(&caller, &purchase, wish.outcome, wish.reason).await?;
    app.positions.acknowledge(admin.id(), settled.position);
    answers::to_force(wish.outcome, settled)
}

/// Gives money back through the provider and takes the gold; or takes back what is unused of a
/// purchase of benefits and returns its gold.
#[utoipa::path(post, path = "/api/admin/transactions/{receipt}/refund",
    tag = "administration", security(("token" = ["settle_payments"])),
    params(("receipt" = String, Path, description = "the receipt code"),
        ("Idempotency-Key" = String, Header, description = "required, here or in the body")),
    request_body = RefundWish,
    responses(
        (status = 200, description = "given back", body = RefundDone),
        (status = 202, description = "the provider has not answered yet: it goes on by itself", body = RefundDone),
        (status = 400, description = "without an idempotency key", body = Problem),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such purchase", body = Problem),
        (status = 409, description = "the provider refused (CONFLICT), or there is not so much left", body = Problem),
        (status = 422, description = "fields that cannot be used, or a reused key", body = Problem)))]
pub async fn refund(
    State(app): State<App>,
    admin: May<need::SettlePayments>,
    Segment(receipt): Segment,
    min: MinPosition,
    asked: Asked,
    fields: Fields,
) -> Result<Response, ApiError> {
    let wish = RefundWish::parse(fields)?;
    let asked = asked.with_key(wish.idempotency_key.as_deref())?.keyed()?;
    let row = find(&app, admin, min, &receipt).await?;
    let caller = asked.caller(admin.actor());
    match found(&app, &row).await? {
        Found::Paid(purchase) => {
            let order = RefundOrder {
                receipt_code: purchase.receipt_code,
                amount_cents: wish.amount_cents,
                take_back_items: wish.take_back_items,
                reason: wish.reason,
            };
            let refunded = app.commands.refund(&caller, &purchase, order).await?;
            app.positions.acknowledge(admin.id(), refunded.position);
            answers::to_refund(&purchase, refunded)
        }
        Found::Benefits(receipt_code) => {
            if wish.amount_cents.is_some() {
                return Err(paid_with_gold());
            }
            let player = row.user_id;
            let returned =
                app.commands.refund_items(&caller, player, receipt_code, wish.reason).await?;
            app.positions.acknowledge(admin.id(), returned.position);
            Ok(answers::to_items_refund(receipt_code, row.gold_spent, &returned))
        }
    }
}

/// What a receipt stands for.
enum Found {
    /// Gold for money: what the log says of it.
    Paid(Box<UnderWay>),
    /// Benefits for gold.
    Benefits(ReceiptCode),
}

async fn found(app: &App, row: &Purchase) -> Result<Found, ApiError> {
    let receipt: ReceiptCode = row.receipt_code.parse().map_err(ApiError::internal)?;
    if row.kind == Kind::Item {
        return Ok(Found::Benefits(receipt));
    }
    let purchase = app.commands.purchase_at(row.user_id, receipt, row.requested_position).await?;
    purchase.map(|purchase| Found::Paid(Box::new(purchase))).ok_or_else(not_found)
}

/// A purchase by its receipt. One that is not shown yet is looked for again when the read models are
/// where this node is: staff and player may talk about it within moments.
async fn find(
    app: &App,
    admin: May<need::SettlePayments>,
    min: MinPosition,
    receipt: &str,
) -> Result<Purchase, ApiError> {
    let receipt: ReceiptCode = receipt.parse().map_err(|_| not_found())?;
    reads::caught_up(app, Some(admin.id()), min).await?;
    if let Some(row) = purchases::by_receipt(&app.pool, receipt).await?.rows {
        return Ok(row);
    }
    let head = MinPosition(Some(app.commands.bus.head().position));
    reads::caught_up(app, None, head).await?;
    purchases::by_receipt(&app.pool, receipt).await?.rows.ok_or_else(not_found)
}

fn not_found() -> ApiError {
    ApiError::new(Reason::NotFound, "there is no purchase with this receipt")
}

fn paid_with_gold() -> ApiError {
    let loc = vec!["body".to_owned(), "amount_cents".to_owned()];
    let msg = "it was paid with gold: leave it out, and what is unused is taken back".into();
    ApiError::fields(vec![FieldError { kind: "value_error", loc, msg }])
}
