//! Websockets: the connection check, and the live feed.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::http::header::SEC_WEBSOCKET_PROTOCOL;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::docs::Problem;
use super::paging::query;
use crate::app::App;
use crate::auth::Player;
use crate::edge::cors;
use crate::error::{ApiError, Reason};
use crate::live;

/// Buffers of an idle connection are all it costs, so they are small.
const READ_BUFFER: usize = 1_024;
const LONGEST_MESSAGE: usize = 4_096;

/// Opens one live feed.
#[derive(Debug, Serialize, ToSchema)]
pub struct Ticket {
    /// Works once.
    ticket: String,
    /// How long it waits to be used, in seconds.
    expires_in: i64,
}

/// A ticket for `/api/realtime/sync?ticket=…`.
#[utoipa::path(post, path = "/api/realtime/ticket", tag = "live", security(("token" = [])), responses(
    (status = 200, description = "a ticket", body = Ticket),
    (status = 401, description = "nobody is signed in", body = Problem)))]
pub async fn ticket(State(app): State<App>, player: Player) -> Result<Json<Ticket>, ApiError> {
    let ticket = app.tickets.issue(&player.0.key, app.commands.clock.now()).await?;
    Ok(Json(Ticket { ticket, expires_in: live::LIFETIME_SECONDS }))
}

/// What comes in the address of the feed.
#[derive(Debug, Deserialize)]
pub struct SyncQuery {
    #[serde(default)]
    ticket: String,
}

/// The live feed.
pub async fn sync(
    State(app): State<App>,
    asked: Result<Query<SyncQuery>, QueryRejection>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let SyncQuery { ticket } = query(asked)?;
    let upgrade = upgrade.map_err(|error| no_websocket(&error))?;
    if !cors::may_connect(&app.config.http.allowed_origins, &headers) {
        let detail = "this page's origin is not in CLUB_ALLOWED_ORIGINS";
        return Err(ApiError::new(Reason::OriginRefused, detail));
    }
    speaks_ours(&headers)?;
    // A bad ticket is told by a close code: browsers do not show the status of an upgrade.
    let session = app.tickets.redeem(&ticket, app.commands.clock.now()).await?;
    let upgrade = small(upgrade).protocols([live::PROTOCOL]);
    Ok(upgrade.on_upgrade(move |socket| live::serve(socket, app, session)))
}

/// Whoever says which protocols it speaks has to speak this one; whoever says nothing is trusted to.
fn speaks_ours(headers: &HeaderMap) -> Result<(), ApiError> {
    let offered: Vec<&HeaderValue> = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().collect();
    let is_ours = |offer: &&HeaderValue| {
        let names = offer.to_str().unwrap_or_default().split(',');
        names.map(str::trim).any(|name| name == live::PROTOCOL)
    };
    if offered.is_empty() || offered.iter().any(is_ours) {
        return Ok(());
    }
    let detail = format!("this address speaks the websocket protocol {} only", live::PROTOCOL);
    Err(ApiError::new(Reason::ProtocolUnsupported, detail))
}

/// The connection check: greets, and says again what it hears.
pub async fn echo(
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let upgrade = upgrade.map_err(|error| no_websocket(&error))?;
    Ok(small(upgrade).on_upgrade(say_again))
}

async fn say_again(mut socket: WebSocket) {
    let mut next = Message::text("Connected to WebSocket");
    while socket.send(next).await.is_ok() {
        next = loop {
            match socket.recv().await {
                Some(Ok(Message::Text(text))) => break Message::text(format!("Echo: {text}")),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            }
        };
    }
}

fn small(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(LONGEST_MESSAGE)
        .max_frame_size(LONGEST_MESSAGE)
}

fn no_websocket(rejection: &WebSocketUpgradeRejection) -> ApiError {
    let detail = format!("this address is a websocket: {}", rejection.body_text().to_lowercase());
    ApiError::new(Reason::UpgradeRequired, detail)
}
