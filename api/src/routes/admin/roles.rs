//! Roles, and what they allow.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use domain::id::RoleCode;
use domain::role::{BuiltIn, Permission, Permissions};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::answers::replayable;
use super::super::docs::Problem;
use crate::app::App;
use crate::auth::{May, Staff, need};
use crate::body::object::list as list_of;
use crate::body::{Fields, values};
use crate::error::{ApiError, Reason};
use crate::request::{Asked, IfMatch, Segment, etag};

/// A role.
#[derive(Debug, Serialize, ToSchema)]
pub struct RoleView {
    code: String,
    /// Whether every club has it; such a role cannot be changed.
    is_built_in: bool,
    /// What it allows.
    permissions: Vec<&'static str>,
    /// How often it was defined: the ETag that changing it wants. `null` for built-in ones.
    version: Option<u32>,
}

/// What a role may do.
#[derive(Debug, ToSchema)]
pub struct RoleTerms {
    /// Names of permissions, as the list of roles shows them.
    #[schema(value_type = Vec<String>)]
    permissions: Permissions,
}

/// A role was defined.
#[derive(Debug, Serialize, ToSchema)]
pub struct RoleDefined {
    success: bool,
    #[serde(flatten)]
    role: RoleView,
    position: u64,
}

impl RoleView {
    fn new(code: &str, version: Option<u32>, permissions: Permissions) -> Self {
        let permissions = permissions.iter().map(Permission::name).collect();
        Self { code: code.to_owned(), is_built_in: version.is_none(), permissions, version }
    }
}

/// All roles: the built-in ones, then the club's own.
#[utoipa::path(get, path = "/api/admin/roles", tag = "administration", security(("token" = ["staff"])),
    responses(
        (status = 200, description = "the roles", body = [RoleView]),
        (status = 403, description = "not allowed", body = Problem)))]
pub async fn list(State(app): State<App>, _staff: Staff) -> Json<Vec<RoleView>> {
    let built_in = BuiltIn::ALL.map(|role| RoleView::new(role.name(), None, role.permissions()));
    let own = app.standings.own_roles();
    let own =
        own.iter().map(|(code, may, version)| RoleView::new(code.as_str(), Some(*version), *may));
    Json(built_in.into_iter().chain(own).collect())
}

/// Makes a role of the club's own, or changes what it may do: for everybody who has it, at once.
#[utoipa::path(put, path = "/api/admin/roles/{code}", tag = "administration",
    security(("token" = ["edit_roles"])),
    params(("code" = String, Path, description = "up to 40 of a-z 0-9 _"),
        ("If-Match" = Option<String>, Header, description = "the version that is changed, in quotes; \"0\" for a new one"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes a repeat harmless")),
    request_body = RoleTerms,
    responses(
        (status = 200, description = "so it is", body = RoleDefined),
        (status = 403, description = "not allowed: names the permission that you lack", body = Problem),
        (status = 409, description = "a built-in role", body = Problem),
        (status = 412, description = "it is at another version than If-Match says", body = Problem),
        (status = 422, description = "fields that cannot be used, or a reused key", body = Problem)))]
pub async fn define(
    State(app): State<App>,
    staff: May<need::EditRoles>,
    Segment(code): Segment,
    IfMatch(versions): IfMatch,
    asked: Asked,
    mut fields: Fields,
) -> Result<Response, ApiError> {
    let most = Permission::ALL.len();
    let permissions = fields.required("permissions", list_of(most, values::permission));
    let terms =
        fields.finish(|| Some(RoleTerms { permissions: Permissions::of(&permissions?) }))?;
    let no_code = |_| {
        let detail = "a role's code is up to 40 of a-z 0-9 _, a letter among them";
        ApiError::new(Reason::BadRequest, detail)
    };
    let role: RoleCode = code.parse().map_err(no_code)?;
    let caller = asked.caller(staff.actor());
    let terms = (role, terms.permissions);
    let done = app.commands.define_role(&caller, staff.id(), terms, versions).await?;
    let position = done.place.position;
    app.positions.acknowledge(staff.id(), position);
    let now = app.commands.role_now(role).await?;
    let may = now.permissions().unwrap_or_default();
    let tag = [(header::ETAG, etag(now.version().into()))];
    let role = RoleView::new(role.as_str(), Some(now.version()), may);
    let answer = RoleDefined { success: true, role, position };
    Ok(replayable((tag, Json(answer)).into_response(), done.replayed))
}
