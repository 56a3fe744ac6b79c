//! Who a request says it comes from, and whether that is so.

use axum::http::HeaderMap;
use chrono::{DateTime, Utc};

use super::Program;
use super::id::ServiceId;
use super::register::Registered;
use super::signature::{ServiceKey, Signed};
use crate::error::{ApiError, Reason};

/// How far from now a request may have been signed, in seconds.
const WINDOW: u64 = 300;

/// The three headers of a signed request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim<'a> {
    pub id: &'a str,
    pub timestamp: &'a str,
    pub signature: &'a str,
}

impl<'a> Claim<'a> {
    /// Of these headers, if all three are there.
    pub(super) fn of(headers: &'a HeaderMap) -> Option<Self> {
        let header = |name| headers.get(name)?.to_str().ok();
        let (id, timestamp) = (header("x-service-id")?, header("x-timestamp")?);
        Some(Self { id, timestamp, signature: header("x-signature")? })
    }

    /// Which program it is, if it signed this request just now. Whether it is unknown or revoked, or
    /// its signature is wrong, is not told.
    pub(super) fn verify(
        &self,
        key: &ServiceKey,
        known: Option<&Registered>,
        signed: &Signed<'_>,
        now: DateTime<Utc>,
    ) -> Result<Program, ApiError> {
        let known = known.filter(|known| known.revoked_at.is_none());
        let id = self.id.parse::<ServiceId>().map_err(|_| not_signed())?;
        // Nobody has the secret of version 0.
        let versions = known.map_or_else(|| vec![0], |known| known.versions(now));
        let secrets: Vec<_> =
            versions.into_iter().map(|version| key.secret_of(&id, version)).collect();
        let is_signed = signed.is_signed(&secrets, self.signature);
        let known = known.filter(|_| is_signed).ok_or_else(not_signed)?;
        if !is_fresh(self.timestamp, now) {
            return Err(stale(now));
        }
        Ok(Program { id, scopes: known.scopes.clone() })
    }
}

fn is_fresh(timestamp: &str, now: DateTime<Utc>) -> bool {
    timestamp.parse::<i64>().is_ok_and(|at| now.timestamp().abs_diff(at) <= WINDOW)
}

fn not_signed() -> ApiError {
    let detail = "the club knows no such service, or its signature is wrong: X-Signature is the hex \
                  HMAC-SHA256, with the service's secret, of X-Timestamp, method, path without \
                  query, and body, joined by line ends";
    ApiError::new(Reason::ServiceSignature, detail)
}

fn stale(now: DateTime<Utc>) -> ApiError {
    let detail = format!(
        "X-Timestamp is not in seconds since 1970 within {WINDOW} s of the club's clock (see now): \
         set the server's clock, and sign each try anew"
    );
    ApiError::new(Reason::ServiceRequestStale, detail).with("now", now.timestamp())
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::super::scopes::Scopes;
    use super::*;

    const NOW: i64 = 1_700_000_000;
    const BODY: &[u8] = b"{}";

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(NOW, 0).unwrap()
    }

    fn key() -> ServiceKey {
        ServiceKey::new(&"key".to_owned().into())
    }

    fn game(version: i32) -> Registered {
        Registered {
            id: "game".parse().unwrap(),
            scopes: Scopes::from_stored(&["actions:play_count".to_owned()]),
            version,
            created_at: now(),
            rotated_at: None,
            revoked_at: None,
        }
    }

    fn request(timestamp: &str) -> Signed<'_> {
        Signed { timestamp, method: "POST", path: "/api/actions", body: BODY }
    }

    /// What somebody who has the secret of this version is told.
    fn told(version: i32, timestamp: &str, known: Option<&Registered>) -> Result<Program, Reason> {
        let secret = key().secret_of(&"game".parse().unwrap(), version);
        let signature = request(timestamp).sign(&secret);
        let claim = Claim { id: "game", timestamp, signature: &signature };
        let told = claim.verify(&key(), known, &request(timestamp), now());
        told.map_err(|error| error.reason())
    }

    fn fresh(version: i32, known: &Registered) -> Result<Program, Reason> {
        told(version, &NOW.to_string(), Some(known))
    }

    #[test]
    fn who_signs_is_believed_and_may_do_what_its_scopes_say() {
        let program = fresh(1, &game(1)).unwrap();
        assert_eq!(program.actor().to_string(), "service:game");
        assert!(program.insist_on_action("play_count").is_ok());
        let refused = program.insist_on_action("login").unwrap_err();
        assert_eq!(refused.reason(), Reason::ScopeMissing);
    }

    #[test]
    fn unknown_revoked_and_wrongly_signed_are_told_the_same() {
        let revoked = Registered { revoked_at: Some(now()), ..game(1) };
        let same = Err(Reason::ServiceSignature);
        assert_eq!(fresh(1, &revoked), same);
        assert_eq!(fresh(2, &game(1)), same);
        for version in [0, 1] {
            assert_eq!(told(version, &NOW.to_string(), None), same);
        }
        let signature = request("1700000000").sign(&key().secret_of(&game(1).id, 1));
        for (id, signature) in [("game", ""), ("game", &signature[1..]), ("Game", &*signature)] {
            let claim = Claim { id, timestamp: "1700000000", signature };
            let told = claim.verify(&key(), Some(&game(1)), &request("1700000000"), now());
            assert_eq!(told.map_err(|error| error.reason()), same, "{id} {signature}");
        }
    }

    #[test]
    fn it_counts_for_five_minutes_both_ways() {
        for (seconds, is_fresh) in [(-301, false), (-300, true), (300, true), (301, false)] {
            let told = told(1, &(NOW + seconds).to_string(), Some(&game(1)));
            assert_eq!(told.is_ok(), is_fresh, "{seconds}");
            assert!(is_fresh || told == Err(Reason::ServiceRequestStale));
        }
        for text in ["", "now", "1700000000.5", "1700000000000", "9223372036854775808", "-1"] {
            assert_eq!(told(1, text, Some(&game(1))), Err(Reason::ServiceRequestStale), "{text}");
        }
        // Whoever cannot sign is not told the time.
        assert_eq!(told(2, "0", Some(&game(1))), Err(Reason::ServiceSignature));
    }

    #[test]
    fn after_a_change_of_secrets_both_count_for_a_while() {
        let rotated = |seconds| {
            let at = now() - TimeDelta::seconds(seconds);
            Registered { rotated_at: Some(at), ..game(3) }
        };
        let day = super::super::register::OVERLAP.num_seconds();
        for version in [2, 3] {
            assert!(fresh(version, &rotated(day - 1)).is_ok(), "{version}");
        }
        assert_eq!(fresh(1, &rotated(0)), Err(Reason::ServiceSignature));
        assert_eq!(fresh(2, &rotated(day)), Err(Reason::ServiceSignature));
        assert!(fresh(3, &rotated(day)).is_ok());
    }

    #[test]
    fn a_claim_has_all_three_headers() {
        let all = [("x-service-id", "game"), ("x-timestamp", "1"), ("x-signature", "00")];
        let headers = |pairs: &[(&'static str, &'static str)]| -> HeaderMap {
            pairs
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .collect()
        };
        assert!(Claim::of(&headers(&all)).is_some());
        for left_out in 0..3 {
            let mut some = all.to_vec();
            some.remove(left_out);
            assert!(Claim::of(&headers(&some)).is_none());
        }
    }
}
