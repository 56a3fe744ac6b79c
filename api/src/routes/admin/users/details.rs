//! Editing what is known about a person. The log says who edited which details of whom, and never what
//! they are.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use domain::id::PlayerId;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::super::answers::replayable;
use super::super::super::docs::Problem;
use super::no_such_user;
use crate::app::App;
use crate::auth::users::Person;
use crate::auth::users::by_staff::Edit;
use crate::auth::{May, need};
use crate::body::{Fields, values};
use crate::error::{ApiError, Reason};
use crate::request::{Asked, MustMatch, Segment, etag};

/// What shall be known about somebody; what is not given stays.
#[derive(Debug, ToSchema)]
pub struct DetailsWish {
    /// The name that others see, 2 to 50 characters.
    nickname: Option<String>,
    /// 10 to 15 digits.
    phone_number: Option<String>,
    /// `ko` or `en`.
    #[schema(value_type = Option<String>)]
    language: Option<&'static str>,
    /// Instead of the header Idempotency-Key.
    idempotency_key: Option<String>,
}

/// What is known about somebody now.
#[derive(Debug, Serialize, ToSchema)]
pub struct DetailsDone {
    success: bool,
    user_id: i64,
    nickname: String,
    phone_number: String,
    language: String,
    /// The ETag of this answer.
    version: u64,
    position: u64,
}

/// Edits nickname, phone number or language of somebody, as they were seen.
#[utoipa::path(put, path = "/api/admin/users/{id}", tag = "administration",
    security(("token" = ["edit_players"])),
    params(("id" = i64, Path, description = "the user's number"),
        ("If-Match" = String, Header, description = "the ETag of the user's detail"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = DetailsWish,
    responses(
        (status = 200, description = "so it is", body = DetailsDone),
        (status = 403, description = "not allowed, or somebody who may do more than you", body = Problem),
        (status = 404, description = "no such user", body = Problem),
        (status = 409, description = "NICKNAME_TAKEN or PHONE_NUMBER_TAKEN", body = Problem),
        (status = 412, description = "it is at another version than If-Match says", body = Problem),
        (status = 422, description = "fields that cannot be used, or a reused key", body = Problem),
        (status = 428, description = "without If-Match", body = Problem)))]
pub async fn edit(
    State(app): State<App>,
    staff: May<need::EditPlayers>,
    Segment(id): Segment,
    seen: MustMatch,
    asked: Asked,
    fields: Fields,
) -> Result<Response, ApiError> {
    let (edit, key) = parse(fields)?;
    let asked = asked.with_key(key.as_deref())?;
    let person = super::person(&app, &id).await?;
    let (player, version) = (person.id, person.version);
    let details = edit.changes(&person);
    let position = app.commands.bus.head().position;
    if details.is_empty() {
        // So it is already, whoever has made it so.
        return Ok(told(person, position));
    }
    if !seen.has(version) {
        return Err(another_version(version));
    }
    let names = (None, edit.nickname.as_deref(), edit.phone_number.as_deref());
    app.users.insist_on_free(Some(player), names).await?;
    // The log goes first: what was edited without a trace would be worse than a trace of what was not.
    let caller = asked.caller(staff.actor());
    let noted = app.commands.edit_details(&caller, staff.id(), player, (details, version)).await?;
    app.positions.acknowledge(staff.id(), noted.place.position);
    if app.users.edit(player, version, &edit).await?.is_none() {
        return Err(another_version(version));
    }
    app.languages.forget(player);
    let person = app.users.person(player).await?.ok_or_else(no_such_user)?;
    Ok(replayable(told(person, noted.place.position), noted.replayed))
}

fn parse(mut fields: Fields) -> Result<(Edit, Option<String>), ApiError> {
    let nickname = fields.nullable("nickname", values::line(2, 50));
    let phone_number = fields.nullable("phone_number", values::phone_number);
    let language = fields.nullable("language", values::language);
    let idempotency_key = fields.nullable("idempotency_key", values::secret(0, 10_000));
    let wish = DetailsWish { nickname, phone_number, language, idempotency_key };
    let DetailsWish { nickname, phone_number, language, idempotency_key } =
        fields.finish(|| Some(wish))?;
    Ok((Edit { nickname, phone_number, language }, idempotency_key))
}

fn another_version(version: u64) -> ApiError {
    let detail = "somebody has edited this user meanwhile: look again";
    ApiError::new(Reason::PreconditionFailed, detail).with("version", version)
}

fn told(person: Person, position: u64) -> Response {
    let Person { id: PlayerId(user_id), nickname, phone_number, language, version, .. } = person;
    let done =
        DetailsDone { success: true, user_id, nickname, phone_number, language, version, position };
    ([(header::ETAG, etag(version))], Json(done)).into_response()
}
