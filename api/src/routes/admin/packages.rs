//! Limited packages as the staff sees and makes them.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use commands::catalog::PackageNow;
use domain::id::PackageCode;
use domain::limit::{Period, UseLimit};
use domain::money::{Cents, Currency, Gold};
use domain::package::PackageTerms;
use projections::read_models::packages::{self, CatalogPackage};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::answers::{LimitView, replayable};
use super::super::docs::Problem;
use crate::app::App;
use crate::auth::sign_in::rfc3339;
use crate::auth::{May, Staff, need};
use crate::body::Fields;
use crate::body::values::{self, Wrong};
use crate::error::{ApiError, Reason};
use crate::reads;
use crate::request::{Asked, MinPosition, Segment};

/// A wish to offer a package.
#[derive(Debug, ToSchema)]
pub struct PackageWish {
    /// Its id: capital letters, digits, `-` and `_`.
    #[schema(value_type = String)]
    code: PackageCode,
    /// Korean name.
    name: String,
    /// English name; the Korean one, if left out.
    name_en: Option<String>,
    /// Price of one.
    #[schema(value_type = u64)]
    price_cents: Cents,
    /// USD, if left out.
    #[schema(value_type = Option<String>)]
    currency: Option<Currency>,
    /// Gold in one.
    #[schema(value_type = u64)]
    gold: Gold,
    /// How many there are; any number, if left out.
    stock_total: Option<u32>,
    /// How many one player may buy; any number, if left out.
    per_user_limit: Option<u32>,
    /// The first moment at which it can be bought.
    starts_at: DateTime<Utc>,
    /// The first moment at which it no longer can.
    ends_at: DateTime<Utc>,
    /// Whether it can be bought within its window; true, if left out.
    is_active: Option<bool>,
    /// Instead of the header Idempotency-Key.
    idempotency_key: Option<String>,
}

impl PackageWish {
    fn parse(mut fields: Fields) -> Result<Self, ApiError> {
        let code = fields.required("code", values::package_code);
        let name = fields.required("name", values::line(1, 100));
        let name_en = fields.nullable("name_en", values::line(1, 100));
        let price_cents = fields.required("price_cents", values::price);
        let currency = fields.nullable("currency", values::currency);
        let gold = fields.required("gold", values::gold);
        let stock_total = fields.nullable("stock_total", values::count(u32::MAX));
        let per_user_limit = fields.nullable("per_user_limit", values::count(u32::MAX));
        let starts_at = fields.required("starts_at", values::moment);
        let ends_at = fields.required("ends_at", values::moment);
        let is_active = fields.nullable("is_active", values::boolean);
        let idempotency_key = fields.nullable("idempotency_key", values::secret(0, 10_000));
        ends_after(&mut fields, starts_at, ends_at);
        fields.finish(|| {
            Some(Self {
                code: code?,
                name: name?,
                name_en,
                price_cents: price_cents?,
                currency,
                gold: gold?,
                stock_total,
                per_user_limit,
                starts_at: starts_at?,
                ends_at: ends_at?,
                is_active,
                idempotency_key,
            })
        })
    }

    fn into_terms(self) -> PackageTerms {
        let once_and_for_all = |count| UseLimit { count, per: Period::Ever };
        PackageTerms {
            name_en: self.name_en.unwrap_or_else(|| self.name.clone()),
            name: self.name,
            price_cents: self.price_cents,
            currency: self.currency.unwrap_or(Currency::USD),
            gold: self.gold,
            stock_total: self.stock_total,
            user_limit: self.per_user_limit.map(once_and_for_all),
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            on_sale: self.is_active.unwrap_or(true),
        }
    }
}

/// A window must have a moment in it.
pub(super) fn ends_after(
    fields: &mut Fields,
    starts_at: Option<DateTime<Utc>>,
    ends_at: Option<DateTime<Utc>>,
) {
    if let (Some(start), Some(end)) = (starts_at, ends_at)
        && end <= start
    {
        fields.wrong("ends_at", Wrong::new("value_error", "expected a time after starts_at"));
    }
}

/// A package, whether it can be bought or not.
#[derive(Debug, Serialize, ToSchema)]
pub struct PackageView {
    code: String,
    /// The same as `code`.
    package_id: String,
    name: String,
    name_en: String,
    price_cents: u64,
    currency: String,
    gold: u64,
    /// How many there are; any number, if `null`.
    stock_total: Option<u64>,
    /// How many of the stock are held for purchases under way.
    reserved: u64,
    /// How many of the stock are sold. Where there is any number, see the statistics.
    sold: u64,
    /// How many can still be had; any number, if `null`.
    remaining_stock: Option<u64>,
    /// How many one player may buy; any number, if `null`.
    per_user_limit: Option<u32>,
    /// The same, with the period that it counts in.
    limit: Option<LimitView>,
    starts_at: String,
    ends_at: String,
    /// Whether it can be bought within its window.
    is_active: bool,
}

impl From<CatalogPackage> for PackageView {
    fn from(package: CatalogPackage) -> Self {
        Self {
            package_id: package.code.clone(),
            remaining_stock: package.left(),
            code: package.code,
            name: package.name,
            name_en: package.name_en,
            price_cents: package.price_cents,
            currency: package.currency,
            gold: package.gold,
            stock_total: package.stock_total,
            reserved: package.reserved,
            sold: package.sold,
            per_user_limit: package.user_limit.map(|limit| limit.count),
            limit: package.user_limit.map(LimitView::from),
            starts_at: rfc3339(package.starts_at),
            ends_at: rfc3339(package.ends_at),
            is_active: package.on_sale,
        }
    }
}

impl PackageView {
    /// As the log has it.
    fn of(code: PackageCode, now: PackageNow) -> Self {
        let PackageNow { terms, reserved, sold } = now;
        let stock_total = terms.stock_total.map(u64::from);
        let left = |total: u64| total.saturating_sub(reserved).saturating_sub(sold);
        Self {
            code: code.to_string(),
            package_id: code.to_string(),
            name: terms.name,
            name_en: terms.name_en,
            price_cents: terms.price_cents.0,
            currency: terms.currency.into(),
            gold: terms.gold.amount(),
            stock_total,
            reserved,
            sold,
            remaining_stock: stock_total.map(left),
            per_user_limit: terms.user_limit.map(|limit| limit.count),
            limit: terms.user_limit.map(LimitView::from),
            starts_at: rfc3339(terms.starts_at),
            ends_at: rfc3339(terms.ends_at),
            is_active: terms.on_sale,
        }
    }
}

/// A package after a change.
#[derive(Debug, Serialize, ToSchema)]
pub struct PackageDone {
    success: bool,
    #[serde(flatten)]
    package: PackageView,
    position: u64,
}

/// Every limited package, with what of it is held and sold.
#[utoipa::path(get, path = "/api/admin/limited-packages", tag = "administration",
    security(("token" = ["staff"])),
    params(("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "every package, as they were made", body = Vec<PackageView>),
        (status = 403, description = "not allowed", body = Problem)))]
pub async fn list(
    State(app): State<App>,
    staff: Staff,
    min: MinPosition,
) -> Result<Json<Vec<PackageView>>, ApiError> {
    reads::caught_up(&app, Some(staff.id()), min).await?;
    let packages = packages::list(&app.pool).await?.rows;
    Ok(Json(packages.into_iter().map(PackageView::from).collect()))
}

/// Offers a package. Its terms stay as they are: what differs gets another code.
#[utoipa::path(post, path = "/api/admin/limited-packages", tag = "administration",
    security(("token" = ["edit_shop"])),
    params(("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = PackageWish,
    responses(
        (status = 201, description = "offered", body = PackageDone),
        (status = 200, description = "there already, with these terms", body = PackageDone),
        (status = 403, description = "not allowed", body = Problem),
        (status = 409, description = "the code has other terms", body = Problem),
        (status = 422, description = "fields that cannot be used, or a reused key", body = Problem)))]
pub async fn add(
    State(app): State<App>,
    admin: May<need::EditShop>,
    asked: Asked,
    fields: Fields,
) -> Result<Response, ApiError> {
    let wish = PackageWish::parse(fields)?;
    let caller = asked.with_key(wish.idempotency_key.as_deref())?.caller(admin.actor());
    let code = wish.code;
    let terms = wish.into_terms();
    let defined = app.commands.define_package(&caller, code, terms.clone()).await?;
    let position = defined.place.position;
    app.positions.acknowledge(admin.id(), position);
    let (status, now) = if defined.events.is_empty() {
        (StatusCode::OK, app.commands.package(code).await?.ok_or_else(not_found)?)
    } else {
        (StatusCode::CREATED, PackageNow { terms, reserved: 0, sold: 0 })
    };
    let done = PackageDone { success: true, package: PackageView::of(code, now), position };
    Ok(replayable((status, Json(done)).into_response(), defined.replayed))
}

/// Lets a package be bought again, within its window.
#[utoipa::path(post, path = "/api/admin/limited-packages/{code}/enable", tag = "administration",
    security(("token" = ["edit_shop"])),
    params(("code" = String, Path, description = "the package's code"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    responses(
        (status = 200, description = "it can be bought", body = PackageDone),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such package", body = Problem)))]
pub async fn enable(
    State(app): State<App>,
    admin: May<need::EditShop>,
    asked: Asked,
    Segment(code): Segment,
) -> Result<Response, ApiError> {
    put_on_sale(&app, admin, &asked, &code, true).await
}

/// Lets a package be bought no longer. Purchases under way go on.
#[utoipa::path(post, path = "/api/admin/limited-packages/{code}/disable", tag = "administration",
    security(("token" = ["edit_shop"])),
    params(("code" = String, Path, description = "the package's code"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    responses(
        (status = 200, description = "it cannot be bought any more", body = PackageDone),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such package", body = Problem)))]
pub async fn disable(
    State(app): State<App>,
    admin: May<need::EditShop>,
    asked: Asked,
    Segment(code): Segment,
) -> Result<Response, ApiError> {
    put_on_sale(&app, admin, &asked, &code, false).await
}

async fn put_on_sale(
    app: &App,
    admin: May<need::EditShop>,
    asked: &Asked,
    code: &str,
    on_sale: bool,
) -> Result<Response, ApiError> {
    let code: PackageCode = code.to_ascii_uppercase().parse().map_err(|_| not_found())?;
    let caller = asked.caller(admin.actor());
    let changed = app.commands.put_package_on_sale(&caller, code, on_sale).await?;
    let position = changed.place.position;
    app.positions.acknowledge(admin.id(), position);
    let package = app.commands.package(code).await?.ok_or_else(not_found)?;
    // A repeat tells what it did, whatever was done since.
    let package = PackageView { is_active: on_sale, ..PackageView::of(code, package) };
    let done = PackageDone { success: true, package, position };
    Ok(replayable(Json(done).into_response(), changed.replayed))
}

pub(super) fn not_found() -> ApiError {
    ApiError::new(Reason::NotFound, "there is no package with this code")
}
