//! Notes that the staff writes about players. Their texts stand beside the log, and go with the player.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use domain::id::PlayerId;
use projections::read_models::notes::{self, NoteRow};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::super::answers::replayable;
use super::super::super::docs::Problem;
use super::no_such_user;
use crate::app::App;
use crate::auth::sign_in::rfc3339;
use crate::auth::{May, need};
use crate::body::{Fields, values};
use crate::error::{ApiError, Reason};
use crate::reads;
use crate::request::{Asked, MinPosition, Segment};

/// The longest note.
const LONGEST: usize = 2_000;

/// A note.
#[derive(Debug, Serialize, ToSchema)]
pub struct NoteView {
    /// Which of the player's notes, from 1.
    id: u64,
    text: String,
    /// Who wrote it, as `kind:id`.
    author: String,
    written_at: String,
}

/// The notes about a player.
#[derive(Debug, Serialize, ToSchema)]
pub struct NotesView {
    items: Vec<NoteView>,
    /// The position that is shown.
    position: u64,
}

/// A wish to write a note.
#[derive(Debug, ToSchema)]
pub struct NoteWish {
    /// 2 to 2,000 characters. Kept beside the log, where it can be erased.
    text: String,
    /// Instead of the header Idempotency-Key.
    idempotency_key: Option<String>,
}

/// A note was written or taken away.
#[derive(Debug, Serialize, ToSchema)]
pub struct NoteDone {
    success: bool,
    user_id: i64,
    /// Which note.
    id: u32,
    position: u64,
}

impl From<NoteRow> for NoteView {
    fn from(row: NoteRow) -> Self {
        let NoteRow { number, written_at, author, text } = row;
        Self { id: number, text, author, written_at: rfc3339(written_at) }
    }
}

/// The notes about somebody, newest first.
pub(super) async fn about(app: &App, player: PlayerId) -> Result<Vec<NoteView>, ApiError> {
    let rows = notes::about(&app.pool, player).await?.rows;
    Ok(rows.into_iter().map(NoteView::from).collect())
}

/// What the staff has written about somebody, newest first.
#[utoipa::path(get, path = "/api/admin/users/{id}/notes", tag = "administration",
    security(("token" = ["see_players"])),
    params(("id" = i64, Path, description = "the user's number"),
        ("X-Min-Position" = Option<u64>, Header, description = "wait until this position is shown")),
    responses(
        (status = 200, description = "the notes", body = NotesView),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such user", body = Problem)))]
pub async fn list(
    State(app): State<App>,
    staff: May<need::SeePlayers>,
    Segment(id): Segment,
    min: MinPosition,
) -> Result<Json<NotesView>, ApiError> {
    reads::caught_up(&app, Some(staff.id()), min).await?;
    let player: PlayerId = id.parse().map_err(|_| no_such_user())?;
    app.users.person(player).await?.ok_or_else(no_such_user)?;
    let shown = notes::about(&app.pool, player).await?;
    let items = shown.rows.into_iter().map(NoteView::from).collect();
    Ok(Json(NotesView { items, position: shown.position }))
}

/// Writes a note about somebody.
#[utoipa::path(post, path = "/api/admin/users/{id}/notes", tag = "administration",
    security(("token" = ["write_notes"])),
    params(("id" = i64, Path, description = "the user's number"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = NoteWish,
    responses(
        (status = 201, description = "written", body = NoteDone),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such user", body = Problem),
        (status = 409, description = "USER_LIMIT: there are 500 already", body = Problem),
        (status = 422, description = "fields that cannot be used, or a reused key", body = Problem)))]
pub async fn add(
    State(app): State<App>,
    staff: May<need::WriteNotes>,
    Segment(id): Segment,
    asked: Asked,
    mut fields: Fields,
) -> Result<Response, ApiError> {
    let text = fields.required("text", values::paragraphs(2, LONGEST));
    let key = fields.nullable("idempotency_key", values::secret(0, 10_000));
    let wish = fields.finish(|| Some(NoteWish { text: text?, idempotency_key: key }))?;
    let player: PlayerId = id.parse().map_err(|_| no_such_user())?;
    let caller = asked.with_key(wish.idempotency_key.as_deref())?.caller(staff.actor());
    let added = app.commands.add_note(&caller, player, wish.text).await?;
    app.positions.acknowledge(staff.id(), added.position);
    let (id, position) = (added.body, added.position);
    let done = NoteDone { success: true, user_id: player.0, id, position };
    Ok(replayable((StatusCode::CREATED, Json(done)).into_response(), added.replayed))
}

/// Takes a note away, and deletes its text.
#[utoipa::path(delete, path = "/api/admin/users/{id}/notes/{note}", tag = "administration",
    security(("token" = ["write_notes"])),
    params(("id" = i64, Path, description = "the user's number"),
        ("note" = u32, Path, description = "which of their notes"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    responses(
        (status = 200, description = "taken away, now or before", body = NoteDone),
        (status = 403, description = "not allowed", body = Problem),
        (status = 404, description = "no such user or note", body = Problem)))]
pub async fn remove(
    State(app): State<App>,
    staff: May<need::WriteNotes>,
    Path((id, note)): Path<(String, String)>,
    asked: Asked,
) -> Result<Response, ApiError> {
    let player: PlayerId = id.parse().map_err(|_| no_such_user())?;
    let no_such_note = |_| ApiError::new(Reason::NotFound, "there is no note with this number");
    let number: u32 = note.parse().map_err(no_such_note)?;
    let caller = asked.caller(staff.actor());
    let removed = app.commands.remove_note(&caller, player, number).await?;
    let position = removed.place.position;
    app.positions.acknowledge(staff.id(), position);
    let done = NoteDone { success: true, user_id: player.0, id: number, position };
    Ok(replayable(Json(done).into_response(), removed.replayed))
}
