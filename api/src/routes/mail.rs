//! Where links in mails lead: pages for people, and the way out of campaigns.

use axum::extract::{Query, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use domain::id::PlayerId;
use serde::Deserialize;

use super::users::profile;
use crate::app::App;
use crate::error::ApiError;
use crate::request::Asked;

const LINK: &str = include_str!("../pages/mail.html");
const UNSUBSCRIBE: &str = include_str!("../pages/unsubscribe.html");

/// Which way out.
#[derive(Debug, Deserialize)]
pub struct WayOut {
    #[serde(default)]
    token: String,
}

/// The page behind a link that confirms an address or sets a password. What the link carries stays in the
/// browser until its owner has pressed a button: whoever only looks at links uses nothing up.
pub async fn page() -> Response {
    (private(), Html(LINK)).into_response()
}

/// Asks whether no more campaigns are wanted. Looking changes nothing: programs look at every link.
pub async fn way_out(State(app): State<App>, Query(asked): Query<WayOut>) -> Response {
    match app.mail.key.who_unsubscribes(&asked.token) {
        Some(_) => shown(StatusCode::OK, "ask"),
        None => shown(StatusCode::GONE, "bad"),
    }
}

/// No more campaigns: pressed on the page, or by a mail program in one click (RFC 8058).
pub async fn unsubscribe(
    State(app): State<App>,
    Query(way): Query<WayOut>,
    asked: Asked,
) -> Result<Response, ApiError> {
    let Some(player) = app.mail.key.who_unsubscribes(&way.token) else {
        return Ok(shown(StatusCode::GONE, "bad"));
    };
    if app.profiles.unsubscribe(player).await? {
        tell(&app, &asked, player).await;
    }
    Ok(shown(StatusCode::OK, "done"))
}

/// It is done; other screens may hear of it later.
async fn tell(app: &App, asked: &Asked, player: PlayerId) {
    if let Err(error) = profile::announce(app, asked, player).await {
        let error = error.into_cause();
        tracing::warn!(%error, "a changed profile could not be announced");
    }
}

fn shown(status: StatusCode, state: &str) -> Response {
    (status, private(), Html(UNSUBSCRIBE.replace("{{state}}", state))).into_response()
}

/// Nobody on the way keeps it, and no other page is told of its address.
fn private() -> [(HeaderName, HeaderValue); 2] {
    [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ]
}
