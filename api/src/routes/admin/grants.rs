//! Giving gold and vip points.

pub mod batch;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use commands::Caller;
use commands::grants::{Awaiting, Executed, Grant, GrantAnswer, Granted};
use domain::id::PlayerId;
use domain::money::Gold;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::answers::replayable;
use super::super::docs::Problem;
use crate::app::App;
use crate::auth::sign_in::rfc3339;
use crate::auth::{May, Staff, need};
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
    /// How much was given: nothing, as long as somebody has to agree.
    granted: u64,
    new_gold_balance: u64,
    receipt_code: Option<String>,
    /// `executed`; or `awaiting_approval`, if it is so much gold that somebody else has to agree.
    status: &'static str,
    /// The request that somebody else can approve.
    #[serde(skip_serializing_if = "Option::is_none")]
    approval_id: Option<String>,
    /// From then on nobody can agree any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    position: u64,
    user_id: i64,
    new_vip_points: u64,
}

impl GrantDone {
    fn new(player: PlayerId, answer: &GrantAnswer, position: u64) -> Self {
        let wallet = answer.wallet();
        let waiting = Self {
            success: true,
            granted: 0,
            new_gold_balance: wallet.gold(),
            receipt_code: None,
            status: "awaiting_approval",
            approval_id: None,
            expires_at: None,
            position,
            user_id: player.0,
            new_vip_points: wallet.vip_points,
        };
        match *answer {
            GrantAnswer::Executed(Executed { receipt_code, granted, .. }) => {
                let receipt_code = Some(receipt_code.to_string());
                Self { granted, receipt_code, status: "executed", ..waiting }
            }
            GrantAnswer::Awaiting(Awaiting { approval, expires_at, .. }) => {
                let approval_id = Some(approval.to_string());
                Self { approval_id, expires_at: Some(rfc3339(expires_at)), ..waiting }
            }
        }
    }
}

/// Gives gold or vip points to somebody. From the threshold on (100,000 gold, unless it is set), gold is
/// given only when somebody else of the staff agrees: see `/api/admin/approvals`.
#[utoipa::path(post, path = "/api/admin/users/{id}/grant", tag = "administration",
    security(("token" = ["grant"])),
    params(("id" = i64, Path, description = "the user's number"),
        ("Idempotency-Key" = String, Header, description = "required, here or in the body")),
    request_body = GrantWish,
    responses(
        (status = 200, description = "given, or awaiting approval", body = GrantDone),
        (status = 400, description = "without an idempotency key", body = Problem),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such user", body = Problem),
        (status = 422, description = "fields that cannot be used, or a reused key", body = Problem),
        (status = 429, description = "RATE_LIMIT: too many grants of gold; says until when", body = Problem)))]
pub async fn grant(
    State(app): State<App>,
    admin: May<need::Grant>,
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
    let caller = asked.caller(admin.actor());
    if let Granted::Gold(_) = what {
        keep_pace(&app, *admin, &caller)?;
    }
    let done = app.commands.grant(&caller, grant).await?;
    app.positions.acknowledge(admin.id(), done.position);
    let answer = GrantDone::new(player, &done.body, done.position);
    Ok(replayable(Json(answer).into_response(), done.replayed))
}

/// Nobody gives gold to very many people in a short time; a repeat under the same key is one grant.
pub(super) fn keep_pace(app: &App, admin: Staff, caller: &Caller) -> Result<(), ApiError> {
    let (Some(rate), Some(key)) = (app.config.shop.grants, &caller.key) else { return Ok(()) };
    if caller.is_dry_run {
        return Ok(());
    }
    let now = app.commands.clock.now();
    app.grant_pace.count(admin.id(), key, rate, now).map_err(|until| {
        let detail = format!("at most {} grants in {} s", rate.most, rate.within.num_seconds());
        let error = ApiError::new(Reason::RateLimit, detail);
        let error = error.by_limit("grants", Some(until), Some("CLUB_LIMIT_GRANTS"));
        error.retry_after((until - now).to_std().unwrap_or_default())
    })
}
