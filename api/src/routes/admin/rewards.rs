//! Rewards as the staff sees and gives them.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use commands::rewards::Gift;
use domain::id::PlayerId;
use domain::reward::Rewards;
use projections::read_models::rewards::{self, RewardKind, RewardRow};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::answers::replayable;
use super::super::docs::Problem;
use super::super::paging::{Page, next_cursor, page_length, query};
use super::super::play::Claimed;
use super::grants::keep_pace;
use crate::app::App;
use crate::auth::sign_in::rfc3339;
use crate::auth::{May, need};
use crate::body::{Fields, play, values};
use crate::error::ApiError;
use crate::reads;
use crate::request::{Asked, MinPosition};

/// Which rewards.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct RewardsQuery {
    /// Of one user only.
    user_id: Option<i64>,
    /// Of one kind only: `event`, `mission`, `leaderboard`, `gift`, `streak` or `vip`.
    #[param(value_type = Option<String>)]
    kind: Option<RewardKind>,
    /// Where the page before ended.
    cursor: Option<u64>,
    /// Lines on the page, at most 200.
    limit: Option<u32>,
}

/// A reward that was paid.
#[derive(Debug, Serialize, ToSchema)]
pub struct RewardView {
    position: u64,
    user_id: i64,
    /// `event`, `mission`, `leaderboard`, `gift`, `streak` or `vip`.
    kind: &'static str,
    /// Which one: number and occurrence or period; the day, for streak and vip.
    reference: String,
    receipt_code: Option<String>,
    gold: u64,
    vip_points: u64,
    xp: u64,
    /// How many items came with it.
    items: u64,
    /// Who did it, as `kind:id`.
    actor: String,
    at: String,
}

impl From<RewardRow> for RewardView {
    fn from(line: RewardRow) -> Self {
        Self {
            position: line.position,
            user_id: line.user_id.0,
            kind: line.kind.name(),
            reference: line.reference,
            receipt_code: line.receipt_code.map(|code| code.to_string()),
            gold: line.gold,
            vip_points: line.vip_points,
            xp: line.xp,
            items: line.items.iter().map(|item| u64::from(u8::from(item.quantity))).sum(),
            actor: line.actor,
            at: rfc3339(line.at),
        }
    }
}

/// Rewards that were paid, newest first.
#[utoipa::path(get, path = "/api/admin/rewards", tag = "administration", security(("token" = ["see_players"])),
    params(RewardsQuery,
        ("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "a page", body = Page<RewardView>),
        (status = 403, description = "not allowed", body = Problem)))]
pub async fn list(
    State(app): State<App>,
    staff: May<need::SeePlayers>,
    min: MinPosition,
    asked: Result<Query<RewardsQuery>, QueryRejection>,
) -> Result<Json<Page<RewardView>>, ApiError> {
    let asked = query(asked)?;
    reads::caught_up(&app, Some(staff.id()), min).await?;
    let length = page_length(asked.limit);
    let player = asked.user_id.map(PlayerId);
    let page = rewards::page(&app.pool, player, asked.kind, asked.cursor, length).await?;
    let next_cursor = next_cursor(&page.rows, length, |line| line.position);
    let items = page.rows.into_iter().map(RewardView::from).collect();
    Ok(Json(Page { items, next_cursor, position: page.position }))
}

/// A wish to give a reward.
#[derive(Debug, ToSchema)]
pub struct GiftWish {
    /// To whom.
    #[schema(value_type = i64)]
    user_id: PlayerId,
    /// `{"gold": 500, "vip_points": 5, "xp": 50, "items": [{"product_id": 2001, "quantity": 1}]}`.
    #[schema(value_type = Object)]
    rewards: Rewards,
    /// Why: 2 to 120 characters.
    reason: String,
    /// Instead of the header Idempotency-Key.
    idempotency_key: Option<String>,
}

impl GiftWish {
    fn parse(mut fields: Fields) -> Result<Self, ApiError> {
        let user_id = fields.required("user_id", values::user_id);
        let rewards = fields.required("rewards", play::some_rewards);
        let reason = fields.required("reason", values::line(2, 120));
        let idempotency_key = fields.nullable("idempotency_key", values::secret(0, 10_000));
        fields.finish(|| {
            let (user_id, rewards, reason) = (user_id?, rewards?, reason?);
            Some(Self { user_id, rewards, reason, idempotency_key })
        })
    }
}

/// Gives a reward of any kind, for a reason. A key is required, so that a repeat gives nothing twice.
#[utoipa::path(post, path = "/api/admin/rewards", tag = "administration", security(("token" = ["grant"])),
    params(("Idempotency-Key" = Option<String>, Header, description = "required, here or in the body")),
    request_body = GiftWish,
    responses(
        (status = 200, description = "given", body = Claimed),
        (status = 400, description = "IDEMPOTENCY_KEY_REQUIRED", body = Problem),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such user", body = Problem),
        (status = 409, description = "BALANCE_TOO_LARGE, or APPROVAL_NEEDED: so much gold is given by /api/admin/users/{id}/grant", body = Problem),
        (status = 422, description = "fields that cannot be used, or a reused key", body = Problem),
        (status = 429, description = "too many grants at once", body = Problem)))]
pub async fn give(
    State(app): State<App>,
    admin: May<need::Grant>,
    asked: Asked,
    fields: Fields,
) -> Result<Response, ApiError> {
    let GiftWish { user_id, rewards, reason, idempotency_key } = GiftWish::parse(fields)?;
    let asked = asked.with_key(idempotency_key.as_deref())?.keyed()?;
    let gift = Gift { player: user_id, rewards, reason };
    let caller = asked.caller(admin.actor());
    if gift.rewards.gold.amount() > 0 {
        keep_pace(&app, *admin, &caller)?;
    }
    let given = app.commands.gift(&caller, gift).await?;
    app.positions.acknowledge(admin.id(), given.position);
    app.positions.acknowledge(user_id, given.position);
    let answer = Claimed::of(&given.body, given.position);
    Ok(replayable(Json(answer).into_response(), given.replayed))
}
