//! Asking for a job: for a list of players, or for a segment of them.

mod wish;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use commands::Failure;
use commands::jobs::{JobAsked, Receivers};
use domain::id::PlayerId;
use domain::job::MOST_LINES;
use projections::read_models::segments;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::super::answers::replayable;
use super::super::super::docs::Problem;
use super::super::super::paging::query;
use super::super::grants::keep_pace;
use crate::app::App;
use crate::auth::sign_in::rfc3339;
use crate::auth::{May, need};
use crate::error::ApiError;
use crate::reads;
use crate::request::{Asked, MinPosition};
use wish::{ForWhom, JobWish, JobWishBody};

/// Players who are named as unknown by a dry run, at most; the others are counted.
const UNKNOWN_TOLD: usize = 1_000;

/// What belongs to a body of comma-separated values.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct JobQuery {
    /// Why, if the body is comma-separated values: 2 to 120 characters.
    reason: Option<String>,
}

/// A job that was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobDone {
    success: bool,
    job_id: String,
    /// `running`; or `awaiting_approval`, if it is so much gold that somebody else has to agree.
    status: &'static str,
    /// How many lines it has.
    lines: u32,
    /// All their gold.
    gold: u64,
    /// Where in the log its players were in the segment.
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved_position: Option<u64>,
    /// From then on nobody can agree any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    position: u64,
}

impl JobDone {
    fn new(asked: &JobAsked, position: u64) -> Self {
        Self {
            success: true,
            job_id: asked.job.to_string(),
            status: asked.status().name(),
            lines: asked.lines,
            gold: asked.gold.amount(),
            resolved_position: asked.resolved_position,
            expires_at: asked.expires_at.map(rfc3339),
            position,
        }
    }
}

/// Asks for gold for many: for up to 50,000 lines (JSON, or comma-separated values with a first line
/// `user_id,gold`), or for the players of a segment, who are looked up once, now. It is paid by and by;
/// what cannot be paid stops no other line. If all of it reaches the threshold of approvals, somebody
/// else has to agree first. A dry run tells besides how many lines there are, all their gold, and who of
/// them has no account.
#[utoipa::path(post, path = "/api/admin/jobs", tag = "administration",
    security(("token" = ["grant"])),
    params(JobQuery,
        ("Idempotency-Key" = String, Header, description = "required, here or in the body")),
    request_body(content((JobWishBody = "application/json"), (String = "text/csv"))),
    responses(
        (status = 202, description = "under way, or awaiting approval", body = JobDone),
        (status = 400, description = "without an idempotency key", body = Problem),
        (status = 403, description = "not allowed", body = Problem),
        (status = 413, description = "too long a body", body = Problem),
        (status = 422, description = "fields or lines that cannot be used, or a reused key", body = Problem),
        (status = 429, description = "RATE_LIMIT: too many grants of gold; says until when", body = Problem)))]
pub async fn request(
    State(app): State<App>,
    admin: May<need::Grant>,
    asked: Asked,
    min: MinPosition,
    params: Result<Query<JobQuery>, QueryRejection>,
    request: Request,
) -> Result<Response, ApiError> {
    let JobQuery { reason } = query(params)?;
    let JobWish { for_whom, reason, idempotency_key } = JobWish::read(request, reason).await?;
    let caller = asked.with_key(idempotency_key.as_deref())?.keyed()?.caller(admin.actor());
    keep_pace(&app, *admin, &caller)?;
    if caller.is_dry_run || for_whom.is_looked_up() {
        reads::caught_up(&app, Some(admin.id()), min).await?;
    }
    let receivers = found(&app, for_whom).await?;
    let players = if caller.is_dry_run { players_of(&receivers) } else { Vec::new() };
    let done = match app.commands.request_job(&caller, receivers, reason).await {
        Err(Failure::DryRun(dry_run)) => {
            return Err(tried(&app, ApiError::dry_run(&dry_run), &players).await?);
        }
        done => done?,
    };
    app.positions.acknowledge(admin.id(), done.position);
    let answer = (StatusCode::ACCEPTED, Json(JobDone::new(&done.body, done.position)));
    Ok(replayable(answer.into_response(), done.replayed))
}

/// Looks up who is in a segment.
async fn found(app: &App, for_whom: ForWhom) -> Result<Receivers, ApiError> {
    match for_whom {
        ForWhom::Lines(lines) => Ok(Receivers::Lines(lines)),
        ForWhom::Segment { segment, gold } => {
            // One more than there may be: so the job says that they are too many.
            let most = u32::try_from(MOST_LINES).unwrap_or(u32::MAX).saturating_add(1);
            let found = segments::players(&app.pool, &segment, most).await?;
            let (players, position) = (found.rows, found.position);
            Ok(Receivers::Segment { segment, gold, players, position })
        }
    }
}

fn players_of(receivers: &Receivers) -> Vec<PlayerId> {
    match receivers {
        Receivers::Lines(lines) => lines.iter().map(|line| line.player).collect(),
        Receivers::Segment { players, .. } => players.clone(),
    }
}

/// What a dry run tells besides: who of these has no account.
async fn tried(app: &App, told: ApiError, players: &[PlayerId]) -> Result<ApiError, ApiError> {
    let unknown = segments::unknown(&app.pool, players).await?.rows;
    let named: Vec<i64> = unknown.iter().take(UNKNOWN_TOLD).map(|player| player.0).collect();
    Ok(told
        .with_tried("lines", players.len())
        .with_tried("unknown_count", unknown.len())
        .with_tried("unknown_users", named))
}
