//! What players set against spending too much.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, TimeDelta, Utc};
use commands::bus::Answer;
use commands::shop::SpendControls;
use domain::account::SpendLock;
use domain::money::Cents;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::docs::Problem;
use crate::app::App;
use crate::auth::Player;
use crate::auth::sign_in::rfc3339;
use crate::body::Fields;
use crate::body::values::{self, Wrong};
use crate::error::{ApiError, FieldError};
use crate::request::Asked;

/// The longest pause, in hours: six weeks.
const LONGEST_COOLING_OFF: u32 = 6 * 7 * 24;
/// The shortest and longest self-exclusion, in days.
const EXCLUSION_DAYS: std::ops::RangeInclusive<u32> = 30..=3_650;

/// A player's protections.
#[derive(Debug, Serialize, ToSchema)]
pub struct LimitsView {
    /// How much real money a calendar month (UTC) may cost; no limit, if `null`.
    monthly_spend_cents: Option<u64>,
    /// What this month has cost so far, purchases under way included.
    spent_this_month_cents: u64,
    /// What is left of the limit.
    left_this_month_cents: Option<u64>,
    /// The limit to come, if one waits.
    next: Option<NextLimit>,
    /// Until when spending is paused at the player's wish.
    cooling_off_until: Option<String>,
    /// Whether the player has excluded themselves.
    self_excluded: bool,
    /// Until when; for ever, if `null`.
    self_excluded_until: Option<String>,
    position: u64,
}

/// A limit to come.
#[derive(Debug, Serialize, ToSchema)]
pub struct NextLimit {
    /// No limit, if `null`.
    monthly_spend_cents: Option<u64>,
    /// From when on it counts.
    effective_at: String,
}

impl From<Answer<SpendControls>> for LimitsView {
    fn from(answer: Answer<SpendControls>) -> Self {
        let SpendControls { monthly_cents, next, spent_cents, pause } = answer.body;
        let (cooling_off, excluded) = match pause {
            Some(SpendLock::CoolingOff(until)) => (Some(until), None),
            Some(SpendLock::SelfExclusion(until)) => (None, Some(until)),
            Some(SpendLock::Debt(_)) | None => (None, None),
        };
        Self {
            monthly_spend_cents: monthly_cents.map(|cents| cents.0),
            spent_this_month_cents: spent_cents.0,
            left_this_month_cents: monthly_cents.map(|limit| limit.minus(spent_cents).0),
            next: next.map(|(limit, from)| NextLimit {
                monthly_spend_cents: limit.map(|cents| cents.0),
                effective_at: rfc3339(from),
            }),
            cooling_off_until: cooling_off.map(rfc3339),
            self_excluded: excluded.is_some(),
            self_excluded_until: excluded.flatten().map(rfc3339),
            position: answer.position,
        }
    }
}

/// What a player sets; one thing at a time.
#[derive(Debug, ToSchema)]
pub struct LimitsWish {
    /// How much real money a calendar month may cost; `null` for no limit. Less counts at once,
    /// more after 24 hours.
    #[schema(value_type = Option<u64>)]
    #[expect(dead_code, reason = "describes the body; parsing makes a Wish")]
    monthly_spend_cents: Option<u64>,
    /// Spend nothing for so many hours.
    #[expect(dead_code, reason = "describes the body; parsing makes a Wish")]
    cooling_off_hours: Option<u32>,
    /// Spend nothing for so many days (30 to 3650), or `"forever"`.
    #[schema(value_type = Option<serde_json::Value>)]
    #[expect(dead_code, reason = "describes the body; parsing makes a Wish")]
    self_exclusion_days: Option<u32>,
}

#[derive(Debug, Clone, Copy)]
enum Wish {
    Limit(Option<Cents>),
    CoolOff(TimeDelta),
    Exclude(Option<TimeDelta>),
}

impl Wish {
    fn parse(mut fields: Fields) -> Result<Self, ApiError> {
        let limit = fields.optional("monthly_spend_cents", |value| {
            if value.is_null() { Ok(None) } else { values::price(value).map(Some) }
        });
        let hours = fields.nullable("cooling_off_hours", values::count(LONGEST_COOLING_OFF));
        let exclusion = fields.nullable("self_exclusion_days", |value| match value.as_str() {
            Some("forever") => Ok(None),
            _ => {
                let days = values::count(*EXCLUSION_DAYS.end())(value)?;
                let is_long = days >= *EXCLUSION_DAYS.start();
                let msg = "expected 30 or more days, or \"forever\"";
                is_long.then_some(Some(days)).ok_or(Wrong::new("greater_than_equal", msg))
            }
        });
        let cool_off = hours.map(|hours| Self::CoolOff(TimeDelta::hours(hours.into())));
        let exclude =
            exclusion.map(|days| Self::Exclude(days.map(|days| TimeDelta::days(days.into()))));
        let mut wishes = [limit.map(Self::Limit), cool_off, exclude].into_iter().flatten();
        let one = match (wishes.next(), wishes.next()) {
            (Some(one), None) => Some(one),
            _ if !fields.are_good() => None,
            _ => {
                let loc = vec!["body".to_owned()];
                let msg = "send one of monthly_spend_cents, cooling_off_hours, self_exclusion_days";
                return Err(ApiError::fields(vec![FieldError {
                    kind: "value_error",
                    loc,
                    msg: msg.into(),
                }]));
            }
        };
        fields.finish(|| one)
    }
}

/// The player's protections.
#[utoipa::path(get, path = "/api/shop/limits", tag = "shop", security(("token" = [])),
    responses(
        (status = 200, description = "what is set", body = LimitsView),
        (status = 401, description = "nobody is signed in", body = Problem)))]
pub async fn limits(State(app): State<App>, player: Player) -> Result<Json<LimitsView>, ApiError> {
    Ok(Json(app.commands.spend_controls(player.id()).await?.into()))
}

/// Sets one protection. It can be made stricter at any time; a higher limit waits for a day, and a
/// pause is never made shorter.
#[utoipa::path(put, path = "/api/shop/limits", tag = "shop", security(("token" = [])),
    request_body = LimitsWish,
    responses(
        (status = 200, description = "what is set now", body = LimitsView),
        (status = 401, description = "nobody is signed in", body = Problem),
        (status = 409, description = "PAUSE_CANNOT_BE_SHORTENED", body = Problem),
        (status = 422, description = "fields that cannot be used", body = Problem)))]
pub async fn set_limits(
    State(app): State<App>,
    player: Player,
    asked: Asked,
    fields: Fields,
) -> Result<Json<LimitsView>, ApiError> {
    let wish = Wish::parse(fields)?;
    let (caller, commands) = (asked.caller(player.actor()), &app.commands);
    let now: DateTime<Utc> = commands.clock.now();
    let set = match wish {
        Wish::Limit(limit) => commands.set_spend_limit(&caller, player.id(), limit).await?,
        Wish::CoolOff(pause) => commands.cool_off(&caller, player.id(), now + pause).await?,
        Wish::Exclude(pause) => {
            let until = pause.map(|pause| now + pause);
            commands.exclude_self(&caller, player.id(), until).await?
        }
    };
    app.positions.acknowledge(player.id(), set.position);
    Ok(Json(set.into()))
}
