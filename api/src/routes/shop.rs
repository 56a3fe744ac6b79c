//! The shop as players see it: what is on sale, buying, what has been bought, and what players set
//! against spending too much.

mod answers;
pub mod buying;
pub mod limits;
pub mod receipts;
pub mod transactions;
pub mod webhook;
mod wishes;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::account::Account;
use domain::id::PackageCode;
use domain::limit::UseLimit;
use domain::offer::Ware;
use projections::read_models::catalog;
use projections::read_models::packages::{self, CatalogPackage};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::answers::LimitView;
use crate::app::App;
use crate::auth::Player;
use crate::auth::sign_in::rfc3339;
use crate::error::ApiError;
use crate::reads;
use crate::request::MinPosition;
pub(super) use answers::status_name;
use answers::{BenefitItem, CatalogItem};

/// What is on sale for real money, for everybody.
#[utoipa::path(get, path = "/api/shop/catalog", tag = "shop",
    params(
        ("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown"),
        ("If-None-Match" = Option<String>, Header, description = "the ETag of what is known")),
    responses(
        (status = 200, description = "every pack on sale", body = Vec<CatalogItem>),
        (status = 304, description = "nothing has changed")))]
pub async fn catalog(
    State(app): State<App>,
    reader: Option<Player>,
    min: MinPosition,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    reads::caught_up(&app, reader.map(|reader| reader.id()), min).await?;
    let now = app.commands.clock.now();
    let products = catalog::list(&app.pool).await?.rows.into_iter();
    let on_sale = products.filter(|product| product.on_sale);
    let items: Vec<_> = on_sale.map(|product| CatalogItem::of(product, now)).collect();
    tagged(&headers, &items)
}

/// What is on sale for gold, for everybody.
#[utoipa::path(get, path = "/api/shop/products", tag = "shop",
    params(
        ("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown"),
        ("If-None-Match" = Option<String>, Header, description = "the ETag of what is known")),
    responses(
        (status = 200, description = "every benefit on sale", body = Vec<BenefitItem>),
        (status = 304, description = "nothing has changed")))]
pub async fn benefits(
    State(app): State<App>,
    reader: Option<Player>,
    min: MinPosition,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    reads::caught_up(&app, reader.map(|reader| reader.id()), min).await?;
    let benefits = catalog::benefits(&app.pool).await?.rows.into_iter();
    let on_sale = benefits.filter(|benefit| benefit.on_sale);
    let items: Vec<_> = on_sale.map(BenefitItem::from).collect();
    tagged(&headers, &items)
}

/// A limited package.
#[derive(Debug, Serialize, ToSchema)]
pub struct PackageItem {
    code: String,
    /// The same as `code`.
    package_id: String,
    /// Korean name.
    name: String,
    /// English name.
    name_en: String,
    /// Price of one.
    price_cents: u64,
    currency: String,
    gold: u64,
    starts_at: String,
    ends_at: String,
    /// Whether it can be bought now, as far as window and stock go.
    is_active: bool,
    /// How many one player may buy; any number, if `null`.
    per_user_limit: Option<u32>,
    /// The same, with the period that it counts in.
    limit: Option<LimitView>,
    /// How many there are; any number, if `null`.
    remaining_stock: Option<u64>,
    /// How many the caller may still buy; `null` for any number, or if nobody is signed in.
    user_remaining: Option<u32>,
}

/// Limited packages that are or will be on sale, for everybody; with what is left for the caller.
#[utoipa::path(get, path = "/api/shop/limited-packages", tag = "shop",
    params(
        ("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown"),
        ("If-None-Match" = Option<String>, Header, description = "the ETag of what is known")),
    responses(
        (status = 200, description = "every package that has not ended", body = Vec<PackageItem>),
        (status = 304, description = "nothing has changed")))]
pub async fn limited_packages(
    State(app): State<App>,
    reader: Option<Player>,
    min: MinPosition,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    reads::caught_up(&app, reader.map(|reader| reader.id()), min).await?;
    let now = app.commands.clock.now();
    let packages = packages::list(&app.pool).await?.rows.into_iter();
    let mut items = Vec::new();
    for package in packages.filter(|package| package.on_sale && now < package.ends_at) {
        let user_remaining = remaining_for(&app, reader, &package).await?;
        items.push(package_item(package, now, user_remaining));
    }
    tagged(&headers, &items)
}

/// How many more of a package the caller may buy.
async fn remaining_for(
    app: &App,
    reader: Option<Player>,
    package: &CatalogPackage,
) -> Result<Option<u32>, ApiError> {
    let (Some(reader), Some(limit)) = (reader, package.user_limit) else { return Ok(None) };
    let Ok(code) = package.code.parse::<PackageCode>() else { return Ok(None) };
    let now = app.commands.clock.now();
    let had = move |account: &Account| account.uses_of(Ware::Package(code), limit, now);
    let (had, _) = app.commands.bus.look::<Account, _>(reader.id(), had).await?;
    let UseLimit { count, .. } = limit;
    Ok(Some(count.saturating_sub(had)))
}

fn package_item(
    package: CatalogPackage,
    now: chrono::DateTime<chrono::Utc>,
    user_remaining: Option<u32>,
) -> PackageItem {
    let remaining_stock = package.left();
    let is_open = package.starts_at <= now && now < package.ends_at;
    PackageItem {
        package_id: package.code.clone(),
        code: package.code,
        name: package.name,
        name_en: package.name_en,
        price_cents: package.price_cents,
        currency: package.currency,
        gold: package.gold,
        starts_at: rfc3339(package.starts_at),
        ends_at: rfc3339(package.ends_at),
        is_active: package.on_sale && is_open && remaining_stock.is_none_or(|left| left > 0),
        per_user_limit: package.user_limit.map(|limit| limit.count),
        limit: package.user_limit.map(LimitView::from),
        remaining_stock,
        user_remaining,
    }
}

/// A list with its ETag; nothing, if the client has it already.
fn tagged(asked: &HeaderMap, items: &impl Serialize) -> Result<Response, ApiError> {
    let body = serde_json::to_vec(items).map_err(ApiError::internal)?;
    let hash = Sha256::digest(&body);
    let tag: String = hash.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{tag}\"");
    let known = asked.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let is_known = known.is_some_and(|known| {
        known
            .split(',')
            .map(|one| one.trim().trim_start_matches("W/"))
            .any(|one| one == tag || one == "*")
    });
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, "application/json")], Body::from(body)).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, HeaderValue::from_str(&tag).map_err(ApiError::internal)?);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}
