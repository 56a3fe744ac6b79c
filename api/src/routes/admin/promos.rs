//! Promotions as the staff sees and makes them.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use domain::id::{PackageCode, PromoCode};
use domain::money::{Cents, Percent};
use domain::promo::{PromoOff, PromoTerms};
use projections::read_models::promos::{self, Promotion};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::answers::replayable;
use super::super::docs::Problem;
use super::super::paging::{Page, next_cursor, page_length, query};
use super::super::shop::transactions::PageQuery;
use super::packages::{ends_after, not_found};
use crate::app::App;
use crate::auth::sign_in::rfc3339;
use crate::auth::{May, Staff, need};
use crate::body::Fields;
use crate::body::values::{self, Wrong};
use crate::error::ApiError;
use crate::reads;
use crate::request::{Asked, MinPosition};

/// A wish to make a promotion: a share or an amount off, one of the two.
#[derive(Debug, ToSchema)]
pub struct PromoWish {
    /// Its id: capital letters, digits, `-` and `_`.
    #[schema(value_type = String)]
    code: PromoCode,
    /// The only package it is for; all, if left out.
    #[schema(value_type = Option<String>)]
    package_id: Option<PackageCode>,
    /// The share that it takes off: 1 to 100. A cent is always left to pay.
    #[schema(value_type = Option<u8>, minimum = 1, maximum = 100)]
    percent: Option<Percent>,
    /// The amount that it takes off. A cent is always left to pay.
    #[schema(value_type = Option<u64>)]
    cents_off: Option<Cents>,
    /// How often it can be used; any number, if left out.
    max_uses: Option<u32>,
    /// How often one player can use it; any number, if left out.
    per_user_limit: Option<u32>,
    /// The first moment at which it counts; always, if left out.
    starts_at: Option<DateTime<Utc>>,
    /// The first moment at which it no longer does; never, if left out.
    ends_at: Option<DateTime<Utc>>,
    /// Instead of the header Idempotency-Key.
    idempotency_key: Option<String>,
}

impl PromoWish {
    fn parse(mut fields: Fields) -> Result<Self, ApiError> {
        let code = fields.required("code", values::promo_code);
        let package_id = fields.nullable("package_id", values::package_code);
        let percent = fields.nullable("percent", values::percent);
        let cents_off = fields.nullable("cents_off", values::price);
        let max_uses = fields.nullable("max_uses", values::count(u32::MAX));
        let per_user_limit = fields.nullable("per_user_limit", values::count(u32::MAX));
        let starts_at = fields.nullable("starts_at", values::moment);
        let ends_at = fields.nullable("ends_at", values::moment);
        let idempotency_key = fields.nullable("idempotency_key", values::secret(0, 10_000));
        ends_after(&mut fields, starts_at, ends_at);
        one_of_both(&mut fields, percent, cents_off);
        fields.finish(|| {
            Some(Self {
                code: code?,
                package_id,
                percent,
                cents_off,
                max_uses,
                per_user_limit,
                starts_at,
                ends_at,
                idempotency_key,
            })
        })
    }

    fn terms(&self) -> PromoTerms {
        PromoTerms {
            package: self.package_id,
            off: match (self.percent, self.cents_off) {
                (Some(percent), _) => PromoOff::Percent(percent),
                (None, cents) => PromoOff::Cents(cents.unwrap_or_default()),
            },
            max_uses: self.max_uses,
            user_limit: self.per_user_limit,
            starts_at: self.starts_at,
            ends_at: self.ends_at,
        }
    }
}

/// A share or an amount, one of the two.
fn one_of_both(fields: &mut Fields, percent: Option<Percent>, cents: Option<Cents>) {
    match (percent, cents) {
        (Some(percent), None) if u8::from(percent) == 0 => {
            fields.wrong("percent", Wrong::new("greater_than_equal", "expected 1 or more"));
        }
        (None, None) if fields.are_good() => {
            fields.wrong("percent", Wrong::new("missing", "give percent or cents_off"));
        }
        (Some(_), Some(_)) => {
            let msg = "give percent or cents_off, not both at once";
            fields.wrong("cents_off", Wrong::new("value_error", msg));
        }
        _ => {}
    }
}

/// A promotion.
#[derive(Debug, Serialize, ToSchema)]
pub struct PromoView {
    code: String,
    /// The only package it is for; all, if `null`.
    package_id: Option<String>,
    percent: Option<u64>,
    cents_off: Option<u64>,
    max_uses: Option<u64>,
    per_user_limit: Option<u64>,
    starts_at: Option<String>,
    ends_at: Option<String>,
    /// Uses held for purchases under way. Counted only where `max_uses` is given.
    held: u64,
    /// Uses in completed purchases. Counted only where `max_uses` is given.
    used: u64,
}

impl From<Promotion> for PromoView {
    fn from(promo: Promotion) -> Self {
        Self {
            code: promo.code,
            package_id: promo.package_code,
            percent: promo.percent_off,
            cents_off: promo.cents_off,
            max_uses: promo.max_uses,
            per_user_limit: promo.user_limit,
            starts_at: promo.starts_at.map(rfc3339),
            ends_at: promo.ends_at.map(rfc3339),
            held: promo.held,
            used: promo.used,
        }
    }
}

impl PromoView {
    /// A promotion that nobody has used yet.
    fn new(code: PromoCode, terms: &PromoTerms) -> Self {
        let (percent, cents_off) = match terms.off {
            PromoOff::Percent(percent) => (Some(u8::from(percent).into()), None),
            PromoOff::Cents(Cents(cents)) => (None, Some(cents)),
        };
        Self {
            code: code.to_string(),
            package_id: terms.package.map(|package| package.to_string()),
            percent,
            cents_off,
            max_uses: terms.max_uses.map(u64::from),
            per_user_limit: terms.user_limit.map(u64::from),
            starts_at: terms.starts_at.map(rfc3339),
            ends_at: terms.ends_at.map(rfc3339),
            held: 0,
            used: 0,
        }
    }
}

/// A promotion that was made.
#[derive(Debug, Serialize, ToSchema)]
pub struct PromoDone {
    success: bool,
    #[serde(flatten)]
    promo: PromoView,
    position: u64,
}

/// Promotions, newest first.
#[utoipa::path(get, path = "/api/admin/promo-codes", tag = "administration",
    security(("token" = ["staff"])),
    params(PageQuery,
        ("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "a page", body = Page<PromoView>),
        (status = 403, description = "not allowed", body = Problem)))]
pub async fn list(
    State(app): State<App>,
    staff: Staff,
    min: MinPosition,
    asked: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Page<PromoView>>, ApiError> {
    let asked = query(asked)?;
    reads::caught_up(&app, Some(staff.id()), min).await?;
    let length = page_length(asked.limit);
    let page = promos::page(&app.pool, asked.cursor, length).await?;
    let next_cursor = next_cursor(&page.rows, length, |promo| promo.defined_position);
    let items = page.rows.into_iter().map(PromoView::from).collect();
    Ok(Json(Page { items, next_cursor, position: page.position }))
}

/// Makes a promotion. Its terms stay as they are: what differs gets another code.
#[utoipa::path(post, path = "/api/admin/promo-codes", tag = "administration",
    security(("token" = ["edit_shop"])),
    params(("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = PromoWish,
    responses(
        (status = 201, description = "made", body = PromoDone),
        (status = 200, description = "there already, with these terms", body = PromoDone),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such package", body = Problem),
        (status = 409, description = "the code has other terms", body = Problem),
        (status = 422, description = "fields that cannot be used, or a reused key", body = Problem)))]
pub async fn add(
    State(app): State<App>,
    admin: May<need::EditShop>,
    asked: Asked,
    fields: Fields,
) -> Result<Response, ApiError> {
    let wish = PromoWish::parse(fields)?;
    let caller = asked.with_key(wish.idempotency_key.as_deref())?.caller(admin.actor());
    if let Some(package) = wish.package_id {
        app.commands.package(package).await?.ok_or_else(not_found)?;
    }
    let (code, terms) = (wish.code, wish.terms());
    let promo = PromoView::new(code, &terms);
    let defined = app.commands.define_promo(&caller, code, terms).await?;
    let position = defined.place.position;
    app.positions.acknowledge(admin.id(), position);
    let (status, promo) = if defined.events.is_empty() {
        (StatusCode::OK, used(&app, *admin, code).await?.unwrap_or(promo))
    } else {
        (StatusCode::CREATED, promo)
    };
    let done = PromoDone { success: true, promo, position };
    Ok(replayable((status, Json(done)).into_response(), defined.replayed))
}

/// A promotion that was there before, with what is used of it.
async fn used(app: &App, admin: Staff, code: PromoCode) -> Result<Option<PromoView>, ApiError> {
    reads::caught_up(app, Some(admin.id()), MinPosition(None)).await?;
    Ok(promos::by_code(&app.pool, code).await?.rows.map(PromoView::from))
}
