//! What the staff does.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use commands::accounts::{Grant, Granted};
use commands::catalog::RevisedTerms;
use domain::id::{PlayerId, ProductId};
use domain::money::{Cents, Currency, Gold, Percent};
use domain::product::{Rank, Terms};
use serde::Serialize;
use utoipa::ToSchema;

use super::answers::{rank_name, replayable};
use super::docs::Problem;
use crate::app::App;
use crate::auth::Admin;
use crate::auth::sign_in::rfc3339;
use crate::body::Fields;
use crate::body::values::{self, Wrong};
use crate::error::{ApiError, Reason};
use crate::request::{Asked, Segment};

/// A wish to give: gold or vip points, one of the two.
#[derive(Debug, ToSchema)]
pub struct GrantWish {
    /// Gold, of the free kind.
    #[schema(value_type = Option<u64>)]
    gold: Option<Gold>,
    /// Vip points.
    vip_points: Option<u64>,
    /// Why: 2 to 120 characters. Kept beside the log, where it can be erased.
    reason: String,
    /// Instead of the header Idempotency-Key.
    idempotency_key: Option<String>,
}

impl GrantWish {
    fn parse(mut fields: Fields) -> Result<Self, ApiError> {
        let gold = fields.nullable("gold", values::gold);
        let vip_points = fields.nullable("vip_points", values::points);
        let reason = fields.required("reason", values::line(2, 120));
        let idempotency_key = fields.nullable("idempotency_key", values::secret(0, 10_000));
        match (gold, vip_points) {
            (None, None) if fields.are_good() => {
                fields.wrong("gold", Wrong::new("missing", "give gold or vip_points"));
            }
            (Some(_), Some(_)) => {
                let msg = "give gold or vip_points, not both at once";
                fields.wrong("vip_points", Wrong::new("value_error", msg));
            }
            _ => {}
        }
        fields.finish(|| Some(Self { gold, vip_points, reason: reason?, idempotency_key }))
    }

    fn what(&self) -> Granted {
        match (self.gold, self.vip_points) {
            (Some(gold), _) => Granted::Gold(gold),
            (None, points) => Granted::VipPoints(points.unwrap_or_default()),
        }
    }
}

/// The answer to a grant.
#[derive(Debug, Serialize, ToSchema)]
pub struct GrantDone {
    success: bool,
    /// How much was given.
    granted: u64,
    new_gold_balance: u64,
    receipt_code: String,
    /// `executed`.
    status: &'static str,
    position: u64,
    user_id: i64,
    new_vip_points: u64,
}

/// Gives gold or vip points to somebody.
#[utoipa::path(post, path = "/api/admin/users/{id}/grant", tag = "administration",
    security(("token" = [])),
    params(("id" = i64, Path, description = "the user's number"),
        ("Idempotency-Key" = String, Header, description = "required, here or in the body")),
    request_body = GrantWish,
    responses(
        (status = 200, description = "given", body = GrantDone),
        (status = 400, description = "without an idempotency key", body = Problem),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such user", body = Problem),
        (status = 422, description = "fields that cannot be used, or a reused key", body = Problem)))]
pub async fn grant(
    State(app): State<App>,
    admin: Admin,
    Segment(id): Segment,
    asked: Asked,
    fields: Fields,
) -> Result<Response, ApiError> {
    let wish = GrantWish::parse(fields)?;
    let asked = asked.with_key(wish.idempotency_key.as_deref())?.keyed()?;
    let no_such_user = |_| ApiError::new(Reason::NotFound, "there is no user with this number");
    let player: PlayerId = id.parse().map_err(no_such_user)?;
    let what = wish.what();
    let grant = Grant { player, what, reason: wish.reason };
    let done = app.commands.grant(&asked.caller(admin.actor()), grant).await?;
    app.positions.acknowledge(admin.0.player, done.position);
    let answer = GrantDone {
        success: true,
        granted: done.body.granted,
        new_gold_balance: done.body.wallet.gold(),
        receipt_code: done.body.receipt_code.to_string(),
        status: "executed",
        position: done.position,
        user_id: player.0,
        new_vip_points: done.body.wallet.vip_points,
    };
    Ok(replayable(Json(answer).into_response(), done.replayed))
}

/// All terms of a product: what is left out is set to its default.
#[derive(Debug, ToSchema)]
pub struct TermsWish {
    /// The catalogue's own name, such as `GOLD_PACK_SMALL`.
    sku: String,
    /// Korean name.
    name: String,
    /// English name.
    name_en: String,
    /// Price of one, before discount.
    #[schema(value_type = u64)]
    price_cents: Cents,
    /// USD, if left out.
    #[schema(value_type = Option<String>)]
    currency: Currency,
    /// Gold in one.
    #[schema(value_type = u64)]
    gold: Gold,
    /// 0 to 100; 0, if left out.
    #[schema(value_type = Option<u8>, maximum = 100)]
    discount_percent: Percent,
    /// From when on the discount no longer counts; never, if left out.
    discount_ends_at: Option<chrono::DateTime<chrono::Utc>>,
    /// `STANDARD` or `VIP`; `STANDARD`, if left out.
    #[schema(value_type = Option<String>)]
    min_rank: Rank,
    /// Whether it is on sale; true, if left out.
    #[schema(value_type = Option<bool>)]
    on_sale: bool,
    /// Instead of the header Idempotency-Key.
    idempotency_key: Option<String>,
}

impl TermsWish {
    fn parse(mut fields: Fields) -> Result<Self, ApiError> {
        let sku = fields.required("sku", values::sku);
        let name = fields.required("name", values::line(1, 100));
        let name_en = fields.required("name_en", values::line(1, 100));
        let price_cents = fields.required("price_cents", values::price);
        let gold = fields.required("gold", values::gold);
        let currency = fields.nullable("currency", values::currency);
        let discount_percent = fields.nullable("discount_percent", values::percent);
        let discount_ends_at = fields.nullable("discount_ends_at", values::moment);
        let min_rank = fields.nullable("min_rank", values::rank);
        let on_sale = fields.nullable("on_sale", values::boolean);
        let idempotency_key = fields.nullable("idempotency_key", values::secret(0, 10_000));
        fields.finish(|| {
            Some(Self {
                sku: sku?,
                name: name?,
                name_en: name_en?,
                price_cents: price_cents?,
                currency: currency.unwrap_or(Currency::USD),
                gold: gold?,
                discount_percent: discount_percent.unwrap_or_default(),
                discount_ends_at,
                min_rank: min_rank.unwrap_or_default(),
                on_sale: on_sale.unwrap_or(true),
                idempotency_key,
            })
        })
    }

    fn into_terms(self) -> Terms {
        Terms {
            sku: self.sku,
            name: self.name,
            name_en: self.name_en,
            price_cents: self.price_cents,
            currency: self.currency,
            gold: self.gold,
            discount_percent: self.discount_percent,
            discount_ends_at: self.discount_ends_at,
            min_rank: self.min_rank,
            on_sale: self.on_sale,
        }
    }
}

/// A product's terms after a change.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProductDone {
    success: bool,
    product: ProductView,
    position: u64,
}

/// A product, on sale or not.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProductView {
    id: i64,
    sku: String,
    name: String,
    name_en: String,
    price_cents: u64,
    currency: String,
    gold: u64,
    discount_percent: u8,
    discount_ends_at: Option<String>,
    min_rank: &'static str,
    on_sale: bool,
    version: u32,
}

impl ProductView {
    fn of(id: ProductId, version: u32, terms: &Terms) -> Self {
        let terms = terms.clone();
        Self {
            id: id.0,
            sku: terms.sku,
            name: terms.name,
            name_en: terms.name_en,
            price_cents: terms.price_cents.0,
            currency: terms.currency.into(),
            gold: terms.gold.amount(),
            discount_percent: terms.discount_percent.into(),
            discount_ends_at: terms.discount_ends_at.map(rfc3339),
            min_rank: rank_name(terms.min_rank),
            on_sale: terms.on_sale,
            version,
        }
    }
}

/// Replaces a product's terms. Purchases under way keep theirs.
#[utoipa::path(put, path = "/api/admin/shop/products/{id}", tag = "administration",
    security(("token" = [])),
    params(("id" = i64, Path, description = "the product's number"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = TermsWish,
    responses(
        (status = 200, description = "replaced", body = ProductDone),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such product", body = Problem),
        (status = 422, description = "fields that cannot be used, or a reused key", body = Problem)))]
pub async fn revise_product(
    State(app): State<App>,
    admin: Admin,
    Segment(id): Segment,
    asked: Asked,
    fields: Fields,
) -> Result<Response, ApiError> {
    let wish = TermsWish::parse(fields)?;
    let asked = asked.with_key(wish.idempotency_key.as_deref())?;
    let not_found = || ApiError::new(Reason::NotFound, "there is no product with this number");
    let product: ProductId = id.parse().map_err(|_| not_found())?;
    let caller = asked.caller(admin.actor());
    let revised = app.commands.revise_product(&caller, product, wish.into_terms()).await?;
    app.positions.acknowledge(admin.0.player, revised.position);
    let RevisedTerms { version, terms } = &revised.body;
    let product = ProductView::of(product, *version, terms);
    let answer = ProductDone { success: true, product, position: revised.position };
    Ok(replayable(Json(answer).into_response(), revised.replayed))
}
