//! The catalogue as the staff sees and edits it.

mod terms;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use commands::bus::Answer;
use commands::catalog::{NewProduct, RevisedTerms};
use domain::id::ProductId;
use domain::product::Terms;
use projections::read_models::catalog::{self, CatalogEntry};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::answers::replayable;
use super::super::docs::Problem;
use crate::app::App;
use crate::auth::{May, Staff, need};
use crate::body::{Fields, values};
use crate::error::{ApiError, Reason};
use crate::reads;
use crate::request::{Asked, IfMatch, MinPosition, Segment, etag};
use terms::{ProductView, SentTerms, TermsWish};

/// Where the numbers of each kind of product begin.
const FIRST_PACK: ProductId = ProductId(1_001);
const FIRST_BENEFIT: ProductId = ProductId(2_001);

/// A product's terms after a change.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProductDone {
    success: bool,
    product: ProductView,
    position: u64,
}

/// Every product of both kinds, on sale or not.
#[utoipa::path(get, path = "/api/admin/shop/products", tag = "administration",
    security(("token" = ["staff"])),
    params(("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "every product, by number", body = Vec<ProductView>),
        (status = 403, description = "not allowed", body = Problem)))]
pub async fn list(
    State(app): State<App>,
    staff: Staff,
    min: MinPosition,
) -> Result<Json<Vec<ProductView>>, ApiError> {
    reads::caught_up(&app, Some(staff.id()), min).await?;
    let products = catalog::all(&app.pool).await?.rows;
    Ok(Json(products.into_iter().map(ProductView::from).collect()))
}

/// One product, on sale or not, with its version as ETag.
#[utoipa::path(get, path = "/api/admin/shop/products/{id}", tag = "administration",
    security(("token" = ["staff"])),
    params(("id" = i64, Path, description = "the product's number"),
        ("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "the product; send its ETag as If-Match when you change it", body = ProductView),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such product", body = Problem)))]
pub async fn one(
    State(app): State<App>,
    staff: Staff,
    min: MinPosition,
    Segment(id): Segment,
) -> Result<Response, ApiError> {
    let id = product_id(&id)?;
    reads::caught_up(&app, Some(staff.id()), min).await?;
    let found = catalog::by_id(&app.pool, id).await?.rows.ok_or_else(not_found)?;
    let view = ProductView::from(found);
    Ok(([(header::ETAG, etag(view.version()))], Json(view)).into_response())
}

/// Puts a new product into the catalogue: under the number given, or under the next free one.
#[utoipa::path(post, path = "/api/admin/shop/products", tag = "administration",
    security(("token" = ["edit_shop"])),
    params(("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = TermsWish,
    responses(
        (status = 201, description = "new in the catalogue", body = ProductDone),
        (status = 200, description = "there already, with these terms", body = ProductDone),
        (status = 403, description = "not allowed", body = Problem),
        (status = 409, description = "the number has other terms", body = Problem),
        (status = 422, description = "fields that cannot be used, or a reused key", body = Problem)))]
pub async fn add(
    State(app): State<App>,
    admin: May<need::EditShop>,
    asked: Asked,
    mut fields: Fields,
) -> Result<Response, ApiError> {
    let id = fields.nullable("id", values::positive).map(ProductId);
    let SentTerms { terms, idempotency_key } = SentTerms::parse(fields)?;
    let caller = asked.with_key(idempotency_key.as_deref())?.caller(admin.actor());
    let (status, product, answer) = match id {
        Some(product) => {
            let defined = app.commands.define_product(&caller, product, terms).await?;
            let is_new = !defined.events.is_empty();
            let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
            (status, product, app.commands.changed_product(product, defined).await?)
        }
        None => {
            let first = next_number(&app, &terms).await?;
            let added = app.commands.add_product(&caller, first, terms).await?;
            let Answer { body: NewProduct { product, terms }, position, replayed } = added;
            (StatusCode::CREATED, product, Answer { body: terms, position, replayed })
        }
    };
    Ok((status, done(&app, *admin, product, &answer)).into_response())
}

/// The number after the highest known one of the same kind.
async fn next_number(app: &App, terms: &Terms) -> Result<ProductId, ApiError> {
    let known = catalog::all(&app.pool).await?.rows;
    let (first, is_pack) = match terms {
        Terms::Pack(_) => (FIRST_PACK, true),
        Terms::Benefit(_) => (FIRST_BENEFIT, false),
    };
    let is_same = |entry: &&CatalogEntry| matches!(entry, CatalogEntry::Pack(_)) == is_pack;
    let last = known.iter().filter(is_same).map(CatalogEntry::id).max();
    Ok(last.map_or(first, |last| ProductId(last.0.saturating_add(1))))
}

/// Replaces a product's terms. Purchases under way keep theirs.
#[utoipa::path(put, path = "/api/admin/shop/products/{id}", tag = "administration",
    security(("token" = ["edit_shop"])),
    params(("id" = i64, Path, description = "the product's number"),
        ("If-Match" = Option<String>, Header, description = "the ETag of the version that is changed"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = TermsWish,
    responses(
        (status = 200, description = "replaced", body = ProductDone),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such product", body = Problem),
        (status = 409, description = "it is of the other kind", body = Problem),
        (status = 412, description = "it is at another version than If-Match says", body = Problem),
        (status = 422, description = "fields that cannot be used, or a reused key", body = Problem)))]
pub async fn revise(
    State(app): State<App>,
    admin: May<need::EditShop>,
    Segment(id): Segment,
    IfMatch(versions): IfMatch,
    asked: Asked,
    fields: Fields,
) -> Result<Response, ApiError> {
    let SentTerms { terms, idempotency_key } = SentTerms::parse(fields)?;
    let caller = asked.with_key(idempotency_key.as_deref())?.caller(admin.actor());
    let product = product_id(&id)?;
    let revised = app.commands.revise_product(&caller, product, terms, versions).await?;
    Ok(done(&app, *admin, product, &revised))
}

/// Puts a product on sale.
#[utoipa::path(post, path = "/api/admin/shop/products/{id}/activate", tag = "administration",
    security(("token" = ["edit_shop"])),
    params(("id" = i64, Path, description = "the product's number"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    responses(
        (status = 200, description = "on sale", body = ProductDone),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such product", body = Problem)))]
pub async fn activate(
    State(app): State<App>,
    admin: May<need::EditShop>,
    asked: Asked,
    Segment(id): Segment,
) -> Result<Response, ApiError> {
    put_on_sale(&app, admin, &asked, &id, true).await
}

/// Takes a product off sale. Purchases under way go on.
#[utoipa::path(post, path = "/api/admin/shop/products/{id}/deactivate", tag = "administration",
    security(("token" = ["edit_shop"])),
    params(("id" = i64, Path, description = "the product's number"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    responses(
        (status = 200, description = "no longer on sale", body = ProductDone),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such product", body = Problem)))]
pub async fn deactivate(
    State(app): State<App>,
    admin: May<need::EditShop>,
    asked: Asked,
    Segment(id): Segment,
) -> Result<Response, ApiError> {
    put_on_sale(&app, admin, &asked, &id, false).await
}

async fn put_on_sale(
    app: &App,
    admin: May<need::EditShop>,
    asked: &Asked,
    id: &str,
    on_sale: bool,
) -> Result<Response, ApiError> {
    let product = product_id(id)?;
    let caller = asked.caller(admin.actor());
    let changed = app.commands.put_product_on_sale(&caller, product, on_sale).await?;
    Ok(done(app, *admin, product, &changed))
}

fn done(app: &App, admin: Staff, id: ProductId, answer: &Answer<RevisedTerms>) -> Response {
    let Answer { body: RevisedTerms { version, terms }, position, replayed } = answer;
    app.positions.acknowledge(admin.id(), *position);
    let product = ProductView::of(id, *version, terms);
    let tag = [(header::ETAG, etag(product.version()))];
    let done = ProductDone { success: true, product, position: *position };
    replayable((tag, Json(done)).into_response(), *replayed)
}

fn product_id(id: &str) -> Result<ProductId, ApiError> {
    id.parse().map_err(|_| not_found())
}

fn not_found() -> ApiError {
    ApiError::new(Reason::NotFound, "there is no product with this number")
}
