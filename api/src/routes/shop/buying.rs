//! Buying.

use axum::extract::State;
use axum::response::Response;
use commands::payments::{CardToken, Condition};
use commands::shop::{Buy, BuyBenefit};
use domain::id::{PlayerId, ProductId};
use domain::money::{Currency, Quantity};
use domain::offer::Ware;
use projections::read_models::catalog;

use super::super::docs::{Problem, PurchaseProblem};
use super::answers::{self, Bought};
use super::wishes::{BuyLimitedWish, BuyWish, Kind};
use crate::app::App;
use crate::auth::Player;
use crate::body::Fields;
use crate::body::values::ProductName;
use crate::error::{ApiError, FieldError, Reason};
use crate::request::Asked;

/// Buys a product. The price comes from the catalogue; the client never sends an amount.
#[utoipa::path(post, path = "/api/shop/buy", tag = "shop", security(("token" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = BuyWish,
    responses(
        (status = 200, description = "bought and credited", body = Bought),
        (status = 202, description = "the provider has not decided yet: it goes on by itself", body = Bought),
        (status = 402, description = "the provider declined", body = PurchaseProblem),
        (status = 403, description = "RANK_REQUIRED, SPEND_LOCKED, or somebody else's account", body = PurchaseProblem),
        (status = 404, description = "no such product on sale", body = PurchaseProblem),
        (status = 409, description = "INSUFFICIENT_GOLD, USER_LIMIT or PURCHASE_ABANDONED", body = PurchaseProblem),
        (status = 422, description = "fields that cannot be used, or a reused key", body = Problem),
        (status = 429, description = "RATE_LIMIT or FRAUD_BLOCK: says until when", body = PurchaseProblem),
        (status = 503, description = "nobody takes payments now", body = PurchaseProblem)))]
pub async fn buy(
    State(app): State<App>,
    player: Player,
    asked: Asked,
    fields: Fields,
) -> Result<Response, ApiError> {
    let wish = BuyWish::parse(fields)?;
    let quantity = wish.quantity;
    let bought = match wish.kind {
        Kind::Gold => buy_pack(&app, player, asked, wish).await,
        Kind::Item => buy_benefit(&app, player, asked, wish).await,
    };
    bought.map_err(|error| told(error, player, quantity))
}

async fn buy_pack(
    app: &App,
    player: Player,
    asked: Asked,
    wish: BuyWish,
) -> Result<Response, ApiError> {
    is_own(player, wish.user_id)?;
    takes_payments(app)?;
    is_usd(wish.currency)?;
    let asked = asked.with_key(wish.idempotency_key.as_deref())?;
    let (product, sku) = named(app, wish.product_id).await?;
    let buy = Buy {
        player: player.id(),
        ware: Ware::Product(product),
        sku,
        quantity: wish.quantity,
        promo: None,
        payment_method: wish.payment_method,
        card: CardToken::new(wish.card_token),
    };
    bought(app, player, asked, buy).await
}

async fn buy_benefit(
    app: &App,
    player: Player,
    asked: Asked,
    wish: BuyWish,
) -> Result<Response, ApiError> {
    is_own(player, wish.user_id)?;
    let asked = asked.with_key(wish.idempotency_key.as_deref())?;
    let (product, sku) = named(app, wish.product_id).await?;
    let buy = BuyBenefit { player: player.id(), product, sku, quantity: wish.quantity };
    let bought = app.commands.buy_benefit(&asked.caller(player.actor()), buy).await?;
    app.positions.acknowledge(player.id(), bought.position);
    let language = app.languages.of(player.id()).await;
    Ok(answers::to_benefit(player.id(), language, &bought))
}

/// Buys a limited package, maybe with a promotion.
#[utoipa::path(post, path = "/api/shop/buy-limited", tag = "shop", security(("token" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = BuyLimitedWish,
    responses(
        (status = 200, description = "bought and credited", body = Bought),
        (status = 202, description = "the provider has not decided yet: it goes on by itself", body = Bought),
        (status = 402, description = "the provider declined", body = PurchaseProblem),
        (status = 403, description = "SPEND_LOCKED, or somebody else's account", body = PurchaseProblem),
        (status = 404, description = "no such package or promotion", body = PurchaseProblem),
        (status = 409, description = "OUT_OF_STOCK, USER_LIMIT, WINDOW_CLOSED, PROMO_EXHAUSTED or PURCHASE_ABANDONED", body = PurchaseProblem),
        (status = 422, description = "fields that cannot be used, or a reused key", body = Problem),
        (status = 429, description = "RATE_LIMIT or FRAUD_BLOCK: says until when", body = PurchaseProblem),
        (status = 503, description = "nobody takes payments now", body = PurchaseProblem)))]
pub async fn buy_limited(
    State(app): State<App>,
    player: Player,
    asked: Asked,
    fields: Fields,
) -> Result<Response, ApiError> {
    let wish = BuyLimitedWish::parse(fields)?;
    let (quantity, code) = (wish.quantity, wish.package_id);
    let bought = buy_package(&app, player, asked, wish).await;
    bought.map_err(|error| told(error, player, quantity).with("package_id", code.to_string()))
}

async fn buy_package(
    app: &App,
    player: Player,
    asked: Asked,
    wish: BuyLimitedWish,
) -> Result<Response, ApiError> {
    is_own(player, wish.user_id)?;
    takes_payments(app)?;
    is_usd(wish.currency)?;
    let asked = asked.with_key(wish.idempotency_key.as_deref())?;
    let buy = Buy {
        player: player.id(),
        ware: Ware::Package(wish.package_id),
        sku: None,
        quantity: wish.quantity,
        promo: wish.promo_code,
        payment_method: wish.payment_method,
        card: CardToken::new(wish.card_token),
    };
    bought(app, player, asked, buy).await
}

async fn bought(app: &App, player: Player, asked: Asked, buy: Buy) -> Result<Response, ApiError> {
    let bought = app.commands.buy(&asked.caller(player.actor()), buy).await?;
    app.positions.acknowledge(player.id(), bought.position);
    let language = app.languages.of(player.id()).await;
    answers::to_purchase(player.id(), language, bought)
}

/// A refusal, as the answer to a purchase.
fn told(error: ApiError, player: Player, quantity: Quantity) -> ApiError {
    error.of_purchase().with("user_id", player.id().0).with("quantity", u8::from(quantity))
}

fn is_own(player: Player, user: Option<PlayerId>) -> Result<(), ApiError> {
    if user.is_none_or(|user| user == player.id()) {
        return Ok(());
    }
    let detail = "user_id is somebody else's: leave it out or send your own";
    Err(ApiError::new(Reason::UserMismatch, detail))
}

fn takes_payments(app: &App) -> Result<(), ApiError> {
    let unavailable = |detail| Err(ApiError::new(Reason::PaymentsUnavailable, detail));
    if !app.config.payments.is_on() {
        return unavailable("no payment provider is set up: nothing was charged");
    }
    match app.commands.provider.condition() {
        Condition::Up => Ok(()),
        Condition::Resting { .. } => unavailable(
            "the payment provider does not answer: nothing was charged, try again shortly",
        ),
    }
}

fn is_usd(currency: Option<Currency>) -> Result<(), ApiError> {
    if currency.is_none_or(|currency| currency == Currency::USD) {
        return Ok(());
    }
    let loc = vec!["body".to_owned(), "currency".to_owned()];
    let msg = "prices are in USD: leave it out or send USD".into();
    Err(ApiError::fields(vec![FieldError { kind: "value_error", loc, msg }]))
}

/// The number of a product, however the client has named it, and the name if it was one.
async fn named(app: &App, name: ProductName) -> Result<(ProductId, Option<String>), ApiError> {
    let sku = match name {
        ProductName::Id(id) => return Ok((id, None)),
        ProductName::Sku(sku) => sku,
    };
    let found = catalog::by_sku(&app.pool, &sku).await?.rows;
    let not_found = || ApiError::new(Reason::NotFound, "there is no such product on sale");
    found.map(|entry| (entry.id(), Some(sku))).ok_or_else(not_found)
}
