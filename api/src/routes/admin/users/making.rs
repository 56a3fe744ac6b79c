//! Making an account for somebody.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use domain::id::RoleCode;
use domain::role::BuiltIn;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::super::answers::replayable;
use super::super::super::docs::Problem;
use crate::app::App;
use crate::auth::making::{self, Newcomer};
use crate::auth::{May, need};
use crate::body::{Fields, values};
use crate::error::ApiError;
use crate::request::Asked;

const LONGEST_PASSWORD: usize = 256;

/// A wish to make an account.
#[derive(Debug, ToSchema)]
pub struct AccountWish {
    /// The name to sign in with, 3 to 50 characters.
    site_id: String,
    /// The name that others see, 2 to 50 characters.
    nickname: String,
    /// 10 to 15 digits.
    phone_number: String,
    /// At least 10 characters; 4 are enough in a demo.
    password: String,
    /// `ko` (the default) or `en`.
    #[schema(value_type = Option<String>)]
    language: Option<&'static str>,
    /// A player's, if not given; others take the permission `edit_roles`, and all that they allow.
    #[schema(value_type = Option<String>)]
    role: Option<RoleCode>,
    /// Instead of the header Idempotency-Key.
    idempotency_key: Option<String>,
}

/// An account was made.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountMade {
    success: bool,
    user_id: i64,
    role: String,
    position: u64,
}

/// Makes an account, without an invite. A repeat under the same key, by the same one of the staff,
/// finishes what was cut off.
#[utoipa::path(post, path = "/api/admin/users", tag = "administration",
    security(("token" = ["edit_players"])),
    params(("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = AccountWish,
    responses(
        (status = 201, description = "made", body = AccountMade),
        (status = 403, description = "not allowed, or not that role: names the permission that you lack", body = Problem),
        (status = 404, description = "no such role", body = Problem),
        (status = 409, description = "a name is taken: SITE_ID_TAKEN, NICKNAME_TAKEN or PHONE_NUMBER_TAKEN", body = Problem),
        (status = 422, description = "fields that cannot be used, or a reused key", body = Problem)))]
pub async fn make(
    State(app): State<App>,
    staff: May<need::EditPlayers>,
    asked: Asked,
    mut fields: Fields,
) -> Result<Response, ApiError> {
    let site_id = fields.required("site_id", values::site_id);
    let nickname = fields.required("nickname", values::line(2, 50));
    let phone_number = fields.required("phone_number", values::phone_number);
    let password = values::secret(app.config.auth.shortest_password, LONGEST_PASSWORD);
    let password = fields.required("password", password);
    let language = fields.nullable("language", values::language);
    let role = fields.nullable("role", values::role);
    let idempotency_key = fields.nullable("idempotency_key", values::secret(0, 10_000));
    let wish = fields.finish(|| {
        Some(AccountWish {
            site_id: site_id?,
            nickname: nickname?,
            phone_number: phone_number?,
            password: password?,
            language,
            role,
            idempotency_key,
        })
    })?;
    let asked = asked.with_key(wish.idempotency_key.as_deref())?;
    let newcomer = Newcomer {
        site_id: wish.site_id,
        nickname: wish.nickname,
        phone_number: wish.phone_number,
        password: wish.password,
        language: wish.language.unwrap_or("ko"),
        role: wish.role,
    };
    let (player, made) = making::make(&app, &asked, *staff, newcomer).await?;
    let position = made.place.position;
    app.positions.acknowledge(staff.id(), position);
    let role = wish.role.map_or_else(|| BuiltIn::Player.name().to_owned(), |role| role.to_string());
    let answer = AccountMade { success: true, user_id: player.0, role, position };
    Ok(replayable((StatusCode::CREATED, Json(answer)).into_response(), made.replayed))
}
