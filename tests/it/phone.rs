//! A phone that shows codes (RFC 6238), played by a test: written apart from what the club uses.

use hmac::{Hmac, Mac};
use reqwest::Method;
use serde_json::{Value, json};
use sha1::Sha1;

use crate::app::{Answer, App};
use crate::provider::{now, wait_for};

/// How long a code counts, in seconds.
pub const STEP: i64 = 30;

/// A phone that has been told a secret.
pub struct Phone {
    /// As it was told, in base 32.
    pub secret: String,
}

impl Phone {
    /// Tells a phone a new secret of whoever has this token and password.
    pub async fn begin(app: &App, token: &str, password: &str) -> Self {
        let begun = app.post("/api/auth/totp", Some(token), json!({"password": password})).await;
        assert_eq!(begun.status, 200, "{}", begun.text);
        assert_eq!(begun.headers["cache-control"], "no-store");
        Self { secret: begun.body["secret"].as_str().unwrap().to_owned() }
    }

    /// Enrols one; it and the recovery codes.
    pub async fn enrol(app: &App, token: &str, password: &str) -> (Self, Vec<String>) {
        let phone = Self::begin(app, token, password).await;
        let code = json!({"code": phone.code(app, 0).await});
        let confirmed = app.post("/api/auth/totp/confirm", Some(token), code).await;
        assert_eq!(confirmed.status, 200, "{}", confirmed.text);
        let recovery = confirmed.body["recovery_codes"].as_array().unwrap();
        (phone, recovery.iter().map(|code| code.as_str().unwrap().to_owned()).collect())
    }

    /// The code so many steps from now, by the club's clock.
    pub async fn code(&self, app: &App, steps: i64) -> String {
        self.code_at(now(app).await + steps * STEP)
    }

    /// The code at a moment, in seconds since 1970.
    pub fn code_at(&self, at: i64) -> String {
        let mut mac = Hmac::<Sha1>::new_from_slice(&from_base32(&self.secret)).unwrap();
        mac.update(&(at / STEP).to_be_bytes());
        let hash = mac.finalize().into_bytes();
        let offset = usize::from(hash[19] & 15);
        let word: [u8; 4] = hash[offset..offset + 4].try_into().unwrap();
        format!("{:06}", (u32::from_be_bytes(word) & 0x7fff_ffff) % 1_000_000)
    }
}

fn from_base32(text: &str) -> Vec<u8> {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits: String = text.chars().map(|c| format!("{:05b}", alphabet.find(c).unwrap())).collect();
    let bytes = bits.as_bytes().chunks_exact(8).map(|bits| std::str::from_utf8(bits).unwrap());
    bytes.map(|bits| u8::from_str_radix(bits, 2).unwrap()).collect()
}

/// Moves the clocks of these nodes on until their next half minute has just begun.
pub async fn next_step(nodes: &[&App]) {
    for node in nodes {
        let into = now(node).await % STEP;
        wait_for(node, u32::try_from(STEP - into).unwrap()).await;
    }
}

/// Signs in, with a code or without.
pub async fn sign_in(app: &App, person: (&str, &str), code: Option<&str>) -> Answer {
    let mut body = json!({"site_id": person.0, "password": person.1});
    if let Some(code) = code {
        body["totp"] = json!(code);
    }
    app.post("/api/auth/login", None, body).await
}

/// Wishes to have the own second factor removed.
pub async fn remove(app: &App, token: &str, password: &str, code: &str) -> Answer {
    let wish: Value = json!({"password": password, "code": code});
    app.call(Method::DELETE, "/api/auth/totp", Some(token), Some(wish)).await
}

#[test]
fn codes_are_those_of_the_rfc() {
    let phone = Phone { secret: "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ".to_owned() };
    let vectors = [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")];
    for (at, code) in vectors {
        assert_eq!(phone.code_at(at), code);
    }
}
