//! A program outside, such as a game server, played by a test: signed requests.

use hmac::{Hmac, Mac};
use serde_json::Value;
use sha2::Sha256;

use crate::app::{Answer, App, program};
use crate::provider::now;

/// A program with its name and secret.
#[derive(Debug, Clone)]
pub struct Service {
    pub id: String,
    pub secret: String,
}

impl Service {
    /// The demo's game server.
    pub async fn demo(app: &App) -> Self {
        Self::of(app, "demo-game").await
    }

    /// A program that the club lets in, with its present secret.
    pub async fn of(app: &App, id: &str) -> Self {
        let mut club = program("club", &app.database.url());
        let output = club.args(["services", "secret", id]).output().await.unwrap();
        assert!(output.status.success(), "club services secret {id} failed");
        let secret = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        Self { id: id.to_owned(), secret }
    }

    /// What `X-Signature` has to be.
    pub fn signature(&self, timestamp: &str, method: &str, path: &str, body: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).unwrap();
        mac.update(format!("{timestamp}\n{method}\n{path}\n{body}").as_bytes());
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// `POST`, signed now by the club's clock.
    pub async fn post(&self, app: &App, path: &str, body: &Value) -> Answer {
        let (timestamp, body) = (now(app).await.to_string(), body.to_string());
        let (signed_path, _) = path.split_once('?').unwrap_or((path, ""));
        let signature = self.signature(&timestamp, "POST", signed_path, &body);
        self.send(app, path, &timestamp, &signature, body).await
    }

    /// `POST` with these very headers, whatever they are.
    pub async fn send(
        &self,
        app: &App,
        path: &str,
        timestamp: &str,
        signature: &str,
        body: String,
    ) -> Answer {
        let request = app.http.post(format!("{}{path}", app.url)).body(body);
        let request = request.header("content-type", "application/json");
        let request = request.header("x-service-id", &self.id).header("x-timestamp", timestamp);
        Answer::read(request.header("x-signature", signature).send().await.unwrap()).await
    }
}

/// The same numbers as in `api/src/auth/services/signature.rs`, computed apart.
#[test]
fn the_signature_is_the_one_that_the_club_computes() {
    let secret = "159971830b88f3df3a2e2512f48d55d59193cdb7712099535418474310923239";
    let service = Service { id: "demo-game".to_owned(), secret: secret.to_owned() };
    let body = r#"{"action_id":"a-1","user_id":23,"action_type":"play_count"}"#;
    let signature = service.signature("1700000000", "POST", "/api/actions", body);
    let expected = "8628ace2234346c253354ff296ae44bfb1b2853e009e0a14e4abafa937fbb2b8";
    assert_eq!(signature, expected);
}
