//! Missions: what there is to do, how far it is, claiming it.

use std::collections::HashSet;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use domain::activity::MissionPeriod;
use domain::id::MissionId;
use domain::mission::{Cadence, Prerequisite};
use projections::read_models::mission_progress::{self, MissionProgressRow};
use projections::read_models::missions::MissionRow;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::answers::replayable;
use super::super::docs::Problem;
use super::super::play::{Claimed, RewardsView};
use crate::app::App;
use crate::auth::Player;
use crate::auth::sign_in::rfc3339;
use crate::error::{ApiError, Reason};
use crate::reads;
use crate::request::{Asked, MinPosition, Segment};

/// A mission as its player sees it.
#[derive(Debug, Serialize, ToSchema)]
pub struct MissionView {
    id: i64,
    name: String,
    name_en: String,
    /// What is counted.
    counter: String,
    target: u64,
    /// In the present period; not more than the target.
    progress: u64,
    completed: bool,
    claimed: bool,
    /// `daily`, `weekly` or `once`.
    period: &'static str,
    /// When the present period ends, or the mission itself; never, if `null`.
    ends_at: Option<String>,
    rewards: RewardsView,
    /// Whether other missions must be complete before it can be claimed.
    locked: bool,
    /// Which: a number, `{"all": […]}` or `{"any": […]}`.
    #[schema(value_type = Option<Object>)]
    requires: Option<Prerequisite>,
}

/// The answer to claiming everything.
#[derive(Debug, Serialize, ToSchema)]
pub struct AllMissionsClaimed {
    success: bool,
    /// The missions that were claimed, in order; none, if nothing could be.
    claimed: Vec<Claimed>,
    /// All that was paid.
    rewards: RewardsView,
    /// The gold after it, at `position`.
    new_gold_balance: u64,
    position: u64,
}

/// The missions of every day.
#[utoipa::path(get, path = "/api/events/missions/daily", tag = "events", security(("token" = [])),
    params(("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "a bare array", body = Vec<MissionView>),
        (status = 401, description = "nobody is signed in", body = Problem)))]
pub async fn daily(
    State(app): State<App>,
    player: Player,
    min: MinPosition,
) -> Result<Json<Vec<MissionView>>, ApiError> {
    list(&app, player, min, Some(Cadence::Daily)).await
}

/// The missions of every week.
#[utoipa::path(get, path = "/api/events/missions/weekly", tag = "events", security(("token" = [])),
    params(("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "a bare array", body = Vec<MissionView>),
        (status = 401, description = "nobody is signed in", body = Problem)))]
pub async fn weekly(
    State(app): State<App>,
    player: Player,
    min: MinPosition,
) -> Result<Json<Vec<MissionView>>, ApiError> {
    list(&app, player, min, Some(Cadence::Weekly)).await
}

/// All missions.
#[utoipa::path(get, path = "/api/events/missions/all", tag = "events", security(("token" = [])),
    params(("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "a bare array", body = Vec<MissionView>),
        (status = 401, description = "nobody is signed in", body = Problem)))]
pub async fn all(
    State(app): State<App>,
    player: Player,
    min: MinPosition,
) -> Result<Json<Vec<MissionView>>, ApiError> {
    list(&app, player, min, None).await
}

async fn list(
    app: &App,
    player: Player,
    min: MinPosition,
    cadence: Option<Cadence>,
) -> Result<Json<Vec<MissionView>>, ApiError> {
    reads::seen(app, min).await?;
    reads::caught_up(app, Some(player.id()), min).await?;
    let missions = mission_progress::board_of(&app.pool, player.id()).await?.rows;
    let now = app.commands.clock.now();
    // What is claimed is in no row of progress: see there.
    let present = |mission: &MissionRow| (mission.mission_id, mission.terms.cadence.period_at(now));
    let asked: Vec<_> = missions.iter().map(|(mission, _)| present(mission)).collect();
    let claimed = app.commands.claimed_missions(player.id(), &asked).await?;
    let board = Board { missions, claimed, now };
    Ok(Json(board.views(cadence)))
}

/// All missions with a player's progress, at a moment.
struct Board {
    missions: Vec<(MissionRow, Option<MissionProgressRow>)>,
    /// Those that were claimed in the present period.
    claimed: HashSet<MissionId>,
    now: DateTime<Utc>,
}

impl Board {
    fn views(&self, cadence: Option<Cadence>) -> Vec<MissionView> {
        let asked = self.missions.iter().filter(|(mission, _)| {
            let terms = &mission.terms;
            let is_over = terms.ends_at.is_some_and(|end| end <= self.now);
            let has_begun = terms.starts_at.is_none_or(|start| start <= self.now);
            let is_asked = cadence.is_none_or(|cadence| cadence == terms.cadence);
            terms.is_active && has_begun && !is_over && is_asked
        });
        let mut asked: Vec<_> = asked.collect();
        asked.sort_by_key(|(mission, _)| (-mission.terms.priority, mission.mission_id));
        asked.into_iter().map(|(mission, progress)| self.view(mission, progress.as_ref())).collect()
    }

    fn view(&self, mission: &MissionRow, progress: Option<&MissionProgressRow>) -> MissionView {
        let terms = &mission.terms;
        let present = progress.filter(|row| row.period == terms.cadence.period_at(self.now));
        let has = present.map_or(0, |row| row.progress);
        let period_ends = terms.cadence.ends_at(self.now);
        let is_complete = |id| self.is_complete(id);
        let claimed = self.claimed.contains(&mission.mission_id);
        MissionView {
            id: mission.mission_id.0,
            name: terms.name.clone(),
            name_en: terms.name_en.clone(),
            counter: terms.counter.to_string(),
            target: terms.target,
            progress: has.min(terms.target),
            completed: claimed
                || present.is_some_and(|row| row.completed_at.is_some())
                || has >= terms.target,
            claimed,
            period: terms.cadence.name(),
            ends_at: period_ends.into_iter().chain(terms.ends_at).min().map(rfc3339),
            rewards: RewardsView::from(&terms.rewards),
            locked: terms.requires.as_ref().is_some_and(|needs| !needs.is_met(&is_complete)),
            requires: terms.requires.clone(),
        }
    }

    fn is_complete(&self, id: MissionId) -> bool {
        let found = self.missions.iter().find(|(mission, _)| mission.mission_id == id);
        let is_present = |mission: &MissionRow, period: MissionPeriod| {
            period == mission.terms.cadence.period_at(self.now)
        };
        found.is_some_and(|(mission, progress)| {
            progress
                .as_ref()
                .is_some_and(|row| is_present(mission, row.period) && row.completed_at.is_some())
        })
    }
}

/// Claims what a mission pays, once in each of its periods.
#[utoipa::path(post, path = "/api/events/missions/claim/{id}", tag = "events",
    security(("token" = [])),
    params(("id" = i64, Path, description = "the mission's number"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    responses(
        (status = 200, description = "claimed", body = Claimed),
        (status = 401, description = "nobody is signed in", body = Problem),
        (status = 404, description = "no such mission", body = Problem),
        (status = 409, description = "NOT_COMPLETED, MISSION_LOCKED, ALREADY_CLAIMED or BALANCE_TOO_LARGE", body = Problem)))]
pub async fn claim(
    State(app): State<App>,
    player: Player,
    asked: Asked,
    Segment(id): Segment,
) -> Result<Response, ApiError> {
    let mission = mission_id(&id)?;
    let caller = asked.caller(player.actor());
    let claimed = app.commands.claim_mission(&caller, player.id(), mission).await?;
    app.positions.acknowledge(player.id(), claimed.position);
    let answer = Claimed::of(&claimed.body, claimed.position);
    Ok(replayable(Json(answer).into_response(), claimed.replayed))
}

/// Claims everything that can be claimed of missions, in one.
#[utoipa::path(post, path = "/api/events/missions/claim-all", tag = "events",
    security(("token" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    responses(
        (status = 200, description = "claimed, maybe nothing", body = AllMissionsClaimed),
        (status = 401, description = "nobody is signed in", body = Problem),
        (status = 409, description = "BALANCE_TOO_LARGE: nothing was claimed", body = Problem)))]
pub async fn claim_all(
    State(app): State<App>,
    player: Player,
    asked: Asked,
) -> Result<Response, ApiError> {
    let caller = asked.caller(player.actor());
    let all = app.commands.claim_all_missions(&caller, player.id()).await?;
    app.positions.acknowledge(player.id(), all.position);
    let answer = AllMissionsClaimed {
        success: true,
        claimed: all.body.paid.iter().map(|paid| Claimed::of(paid, all.position)).collect(),
        rewards: RewardsView::sum(&all.body.paid),
        new_gold_balance: all.body.wallet.gold(),
        position: all.position,
    };
    Ok(replayable(Json(answer).into_response(), all.replayed))
}

/// A mission's number in an address.
pub fn mission_id(text: &str) -> Result<MissionId, ApiError> {
    text.parse().map_err(|_| not_found())
}

/// There is no such mission.
pub fn not_found() -> ApiError {
    ApiError::new(Reason::NotFound, "there is no such mission")
}
