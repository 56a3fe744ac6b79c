//! What players have bought with gold, and using it.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use domain::id::ItemId;
use projections::read_models::items::{self, InventoryItem, ItemStatus};
use serde::Serialize;
use utoipa::ToSchema;

use super::answers::replayable;
use super::docs::Problem;
use super::paging::{Page, next_cursor, page_length, query};
use super::shop::transactions::PageQuery;
use crate::app::App;
use crate::auth::Player;
use crate::auth::sign_in::rfc3339;
use crate::error::{ApiError, Reason};
use crate::reads;
use crate::request::{Asked, MinPosition, Segment};

/// One thing in a player's inventory.
#[derive(Debug, Serialize, ToSchema)]
pub struct Item {
    item_id: String,
    /// The purchase it came with.
    receipt_code: String,
    product_id: i64,
    sku: String,
    /// `purchased`, `used`, `expired` or `refunded`.
    status: &'static str,
    bought_at: String,
    /// When it can no longer be used; never, if `null`.
    expires_at: Option<String>,
    changed_at: String,
}

impl Item {
    /// As it is at a moment: what is over is over, also before the log says so.
    fn of(item: InventoryItem, now: chrono::DateTime<chrono::Utc>) -> Self {
        let is_over = item.expires_at.is_some_and(|end| now >= end);
        let status = match item.status {
            ItemStatus::Purchased if is_over => ItemStatus::Expired,
            status => status,
        };
        Self {
            item_id: item.item_id.to_string(),
            receipt_code: item.receipt_code.to_string(),
            product_id: item.product_id.0,
            sku: item.sku,
            status: status.name(),
            bought_at: rfc3339(item.bought_at),
            expires_at: item.expires_at.map(rfc3339),
            changed_at: rfc3339(item.changed_at),
        }
    }
}

/// Everything the player has bought with gold, newest first.
#[utoipa::path(get, path = "/api/inventory", tag = "inventory", security(("token" = [])),
    params(PageQuery,
        ("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "a page", body = Page<Item>),
        (status = 401, description = "nobody is signed in", body = Problem)))]
pub async fn inventory(
    State(app): State<App>,
    player: Player,
    min: MinPosition,
    asked: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Page<Item>>, ApiError> {
    let asked = query(asked)?;
    reads::caught_up(&app, Some(player.id()), min).await?;
    let (length, now) = (page_length(asked.limit), app.commands.clock.now());
    let page = items::page(&app.pool, player.id(), asked.cursor, None, length).await?;
    let next_cursor = next_cursor(&page.rows, length, |item| item.ordinal);
    let items = page.rows.into_iter().map(|item| Item::of(item, now)).collect();
    Ok(Json(Page { items, next_cursor, position: page.position }))
}

/// The answer to using an item.
#[derive(Debug, Serialize, ToSchema)]
pub struct Used {
    success: bool,
    item_id: String,
    /// Always `used`.
    status: &'static str,
    used_at: String,
    position: u64,
}

/// Uses an item, once.
#[utoipa::path(post, path = "/api/inventory/{item_id}/use", tag = "inventory",
    security(("token" = [])),
    params(("item_id" = String, Path, description = "the item"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    responses(
        (status = 200, description = "used", body = Used),
        (status = 401, description = "nobody is signed in", body = Problem),
        (status = 404, description = "the player has no such unused item", body = Problem),
        (status = 409, description = "ITEM_EXPIRED", body = Problem)))]
pub async fn use_item(
    State(app): State<App>,
    player: Player,
    asked: Asked,
    Segment(item): Segment,
) -> Result<Response, ApiError> {
    let not_found =
        |_| ApiError::new(Reason::NotFound, "you have no such unused item: see your inventory");
    let item_id: ItemId = item.parse().map_err(not_found)?;
    let used = app.commands.use_item(&asked.caller(player.actor()), player.id(), item_id).await?;
    app.positions.acknowledge(player.id(), used.position);
    let answer = Used {
        success: true,
        item_id: item_id.to_string(),
        status: "used",
        used_at: rfc3339(used.body),
        position: used.position,
    };
    Ok(replayable(Json(answer).into_response(), used.replayed))
}
