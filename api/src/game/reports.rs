//! How a game server reports play to the club: signed batches of actions, sent again under the same
//! ids until the club says what has become of them. docs/game-servers.md quotes this file as an
//! example; it uses nothing of the club but its address.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use commands::clock::Clock;
use hmac::{Hmac, Mac};
use reqwest::{Client, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::Sha256;
use uuid::Uuid;

use crate::config::Secret;

const PATH: &str = "/api/actions";
/// How long one try may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long to wait before each further try. Somebody is waiting for the answer, so not for long.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(400), Duration::from_millis(1_200)];

/// Something that a player has done.
#[derive(Debug, Clone, Serialize)]
pub struct Action {
    /// Made once and kept through every repeat: the club counts an id once. A `UUIDv7`.
    pub action_id: Uuid,
    /// Who.
    pub user_id: i64,
    /// What: `play_count`, `win_count`, …
    pub action_type: &'static str,
    /// How often.
    pub amount: u32,
}

/// What has become of a batch.
#[derive(Debug, Deserialize)]
pub struct Report {
    /// Actions that count now.
    pub accepted: usize,
    /// Actions that counted already.
    pub duplicates: usize,
    /// Actions that never will, and why.
    pub rejected: Vec<Value>,
    /// The place in the club's log where all of them are in.
    pub position: Option<u64>,
}

/// Why a batch was not reported.
#[derive(Debug, thiserror::Error)]
pub enum NotReported {
    /// Nobody knows whether it counts: it may be sent again under the same ids.
    #[error("the club did not answer in {tries} tries, last: {last}")]
    NoAnswer {
        /// How often it was sent.
        tries: usize,
        /// What went wrong the last time.
        last: String,
    },
    /// It would be refused again.
    #[error("the club refused with {status}: {body}")]
    Refused {
        /// Its status.
        status: StatusCode,
        /// What it said.
        body: String,
    },
    /// Some of it will never count.
    #[error("the club rejected {0}")]
    Rejected(Value),
}

/// One try's end.
enum Failed {
    /// It may go better the next time.
    Once(String),
    ForGood(NotReported),
}

/// Reports in the name of one service.
#[derive(Clone)]
pub struct Reporter {
    /// Sends.
    pub http: Client,
    /// The club's address, without a path.
    pub club: String,
    /// The service's id.
    pub service: String,
    /// Its secret.
    pub secret: Secret,
    /// Tells the time, which is signed.
    pub clock: Arc<dyn Clock>,
}

impl Reporter {
    /// Reports a batch. When this returns `Ok`, all of it counts.
    ///
    /// # Errors
    /// If the club does not answer, or answers that it does not count.
    pub async fn report(&self, actions: &[Action]) -> Result<Report, NotReported> {
        let body = serde_json::json!({ "actions": actions }).to_string();
        let mut pauses = PAUSES.iter();
        loop {
            let last = match self.send(&body).await {
                Ok(report) if report.rejected.is_empty() => return Ok(report),
                Ok(report) => return Err(NotReported::Rejected(report.rejected.into())),
                Err(Failed::ForGood(failure)) => return Err(failure),
                Err(Failed::Once(last)) => last,
            };
            let Some(pause) = pauses.next() else {
                return Err(NotReported::NoAnswer { tries: 1 + PAUSES.len(), last });
            };
            tokio::time::sleep(*pause).await;
        }
    }

    /// Sends it once, signed anew: a signature is good for a short time only.
    async fn send(&self, body: &str) -> Result<Report, Failed> {
        let timestamp = self.clock.now().timestamp().to_string();
        let signature = signature(self.secret.reveal(), &timestamp, "POST", PATH, body);
        let request = self
            .http
            .post(format!("{}{PATH}", self.club))
            .timeout(PATIENCE)
            .header(header::CONTENT_TYPE, "application/json")
            .header("X-Service-Id", &self.service)
            .header("X-Timestamp", timestamp)
            .header("X-Signature", signature)
            .body(body.to_owned());
        let response = request.send().await.map_err(|error| Failed::Once(chain(&error)))?;
        let status = response.status();
        let body = response.text().await.map_err(|error| Failed::Once(chain(&error)))?;
        match status {
            StatusCode::OK => serde_json::from_str(&body)
                .map_err(|error| Failed::Once(format!("an answer that is none: {error}"))),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                Err(Failed::Once(status.to_string()))
            }
            status if status.is_server_error() => Err(Failed::Once(status.to_string())),
            status => Err(Failed::ForGood(NotReported::Refused { status, body })),
        }
    }
}

/// What shows that a request comes from whoever has the secret: HMAC-SHA256 over timestamp, method,
/// path and body, with a line end between them, as hex digits.
#[must_use]
pub fn signature(secret: &str, timestamp: &str, method: &str, path: &str, body: &str) -> String {
    #[expect(clippy::expect_used, reason = "an HMAC takes a key of any length")]
    let mut code = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length will do");
    code.update(format!("{timestamp}\n{method}\n{path}\n{body}").as_bytes());
    code.finalize().into_bytes().iter().fold(String::new(), |mut hex, byte| {
        // Writing to a text cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// An error with its causes: reqwest's own text does not say why.
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of docs/game-servers.md.
    #[test]
    fn a_signature_is_the_one_in_the_documentation() {
        let body = r#"{"actions":[{"action_id":"0199c2f0-0000-7000-8000-000000000001","user_id":23,"action_type":"play_count","amount":1}]}"#;
        let signed = signature("not-a-real-secret", "1764028800", "POST", "/api/actions", body);
        let documented = include_str!("../../../docs/game-servers.md");
        assert!(documented.contains(body), "the body is another one");
        assert!(documented.contains(&signed), "expected {signed}");
    }
}
