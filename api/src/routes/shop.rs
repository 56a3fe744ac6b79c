//! Buying, and what has been bought.

mod answers;
mod wishes;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use commands::payments::CardToken;
use commands::shop::Buy;
use domain::id::ProductId;
use domain::money::Currency;
use projections::read_models::{catalog, purchases};
use serde::Deserialize;
use utoipa::IntoParams;

use super::docs::{Problem, PurchaseProblem};
use super::paging::{Page, next_cursor, page_length, query};
use crate::app::App;
use crate::auth::Player;
use crate::body::Fields;
use crate::body::values::ProductName;
use crate::error::{ApiError, FieldError, Reason};
use crate::reads;
use crate::request::{Asked, MinPosition};
use answers::{Bought, CatalogItem, Transaction};
use wishes::{BuyWish, Kind};

/// What is on sale, for everybody.
#[utoipa::path(get, path = "/api/shop/catalog", tag = "shop",
    params(("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses((status = 200, description = "every product on sale", body = Vec<CatalogItem>)))]
pub async fn catalog(
    State(app): State<App>,
    reader: Option<Player>,
    min: MinPosition,
) -> Result<Json<Vec<CatalogItem>>, ApiError> {
    reads::caught_up(&app, reader.map(|reader| reader.id()), min).await?;
    let now = app.commands.clock.now();
    let products = catalog::list(&app.pool).await?.rows.into_iter();
    let on_sale = products.filter(|product| product.on_sale);
    Ok(Json(on_sale.map(|product| CatalogItem::of(product, now)).collect()))
}

/// Buys a product. The price comes from the catalogue; the client never sends an amount.
#[utoipa::path(post, path = "/api/shop/buy", tag = "shop", security(("token" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = BuyWish,
    responses(
        (status = 200, description = "bought and credited", body = Bought),
        (status = 202, description = "the provider has not answered yet: it goes on by itself", body = Bought),
        (status = 402, description = "the provider declined", body = PurchaseProblem),
        (status = 403, description = "RANK_REQUIRED, or somebody else's account", body = PurchaseProblem),
        (status = 404, description = "no such product on sale", body = PurchaseProblem),
        (status = 422, description = "fields that cannot be used, or a reused key", body = Problem)))]
pub async fn buy(
    State(app): State<App>,
    player: Player,
    asked: Asked,
    fields: Fields,
) -> Result<Response, ApiError> {
    let wish = BuyWish::parse(fields)?;
    let quantity = wish.quantity;
    let told = |error: ApiError| {
        error.of_purchase().with("user_id", player.id().0).with("quantity", u8::from(quantity))
    };
    buy_as(&app, player, asked, wish).await.map_err(told)
}

async fn buy_as(
    app: &App,
    player: Player,
    asked: Asked,
    wish: BuyWish,
) -> Result<Response, ApiError> {
    if wish.user_id.is_some_and(|user| user != player.id()) {
        let detail = "user_id is somebody else's: leave it out or send your own";
        return Err(ApiError::new(Reason::UserMismatch, detail));
    }
    if !app.config.takes_payments() {
        let detail = "no payment provider is set up: nothing was charged";
        return Err(ApiError::new(Reason::PaymentsUnavailable, detail));
    }
    if wish.kind == Kind::Item {
        return Err(ApiError::new(Reason::NotFound, "there is no such item on sale"));
    }
    if wish.currency.is_some_and(|currency| currency != Currency::USD) {
        return Err(wrong_currency());
    }
    let asked = asked.with_key(wish.idempotency_key.as_deref())?;
    let (product, sku) = named(app, wish.product_id).await?;
    let buy = Buy {
        player: player.id(),
        product,
        sku,
        quantity: wish.quantity,
        payment_method: wish.payment_method,
        card: CardToken::new(wish.card_token),
    };
    let bought = app.commands.buy(&asked.caller(player.actor()), buy).await?;
    app.positions.acknowledge(player.id(), bought.position);
    let language = app.languages.of(player.id()).await;
    answers::to_purchase(player.id(), language, bought)
}

/// The number of a product, however the client has named it, and the name if it was one.
async fn named(app: &App, name: ProductName) -> Result<(ProductId, Option<String>), ApiError> {
    let sku = match name {
        ProductName::Id(id) => return Ok((id, None)),
        ProductName::Sku(sku) => sku,
    };
    let found = catalog::by_sku(&app.pool, &sku).await?.rows;
    let not_found = || ApiError::new(Reason::NotFound, "there is no such product on sale");
    found.map(|product| (ProductId(product.id), Some(sku))).ok_or_else(not_found)
}

fn wrong_currency() -> ApiError {
    let loc = vec!["body".to_owned(), "currency".to_owned()];
    let msg = "prices are in USD: leave it out or send USD".into();
    ApiError::fields(vec![FieldError { kind: "value_error", loc, msg }])
}

/// Which part of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// The `next_cursor` of the page before.
    cursor: Option<u64>,
    /// Lines on the page: 50, at most 200.
    limit: Option<u32>,
}

/// The player's purchases, newest first.
#[utoipa::path(get, path = "/api/shop/transactions", tag = "shop", security(("token" = [])),
    params(PageQuery,
        ("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "a page", body = Page<Transaction>),
        (status = 401, description = "nobody is signed in", body = Problem),
        (status = 503, description = "the position is not shown yet", body = Problem)))]
pub async fn transactions(
    State(app): State<App>,
    player: Player,
    min: MinPosition,
    asked: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Page<Transaction>>, ApiError> {
    let asked = query(asked)?;
    reads::caught_up(&app, Some(player.id()), min).await?;
    let length = page_length(asked.limit);
    let page = purchases::page(&app.pool, player.id(), asked.cursor, length).await?;
    let next_cursor = next_cursor(&page.rows, length, |row| row.requested_position);
    let items = page.rows.into_iter().map(Transaction::from).collect();
    Ok(Json(Page { items, next_cursor, position: page.position }))
}
