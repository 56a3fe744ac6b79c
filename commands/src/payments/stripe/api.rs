//! Stripe's HTTP interface: forms in, JSON out.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::payments::ProviderError;
use crate::secret::Secret;

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(7);
/// The version of the interface that this code was written for, whatever the account's default is.
const VERSION: &str = "2024-06-20";

/// A field of a form or query.
pub(super) type Field<'a> = (&'a str, &'a str);

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Api {
    http: reqwest::Client,
    url: String,
    key: Secret,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// Stripe said no, and has done nothing.
    Refused {
        /// Why, in Stripe's words.
        code: String,
    },
    /// What Stripe has done is not known.
    Unknown(ProviderError),
}

impl From<NoAnswer> for ProviderError {
    fn from(no_answer: NoAnswer) -> Self {
        match no_answer {
            NoAnswer::Refused { code } => Self::new(format!("Stripe refused: {code}")),
            NoAnswer::Unknown(error) => error,
        }
    }
}

#[derive(Deserialize)]
struct Refusal {
    error: RefusalReason,
}

#[derive(Default, Deserialize)]
struct RefusalReason {
    #[serde(default, rename = "type")]
    kind: String,
    code: Option<String>,
}

impl Api {
    /// Speaks to this address with this key.
    pub(super) fn new(url: &str, key: Secret) -> Result<Self, ProviderError> {
        let http = reqwest::Client::builder().timeout(PATIENCE).build();
        let http = http.map_err(ProviderError::new)?;
        Ok(Self { http, url: url.trim_end_matches('/').to_owned(), key })
    }

    /// Reads something.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[Field<'_>],
    ) -> Result<T, NoAnswer> {
        self.send(self.http.get(format!("{}{path}", self.url)).query(query)).await
    }

    /// Does something; with a key at most once in 24 hours.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        form: &[Field<'_>],
        key: Option<&str>,
    ) -> Result<T, NoAnswer> {
        let mut request = self.http.post(format!("{}{path}", self.url)).form(form);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        self.send(request).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<T, NoAnswer> {
        let request = request.bearer_auth(self.key.reveal()).header("stripe-version", VERSION);
        // Without the address: it may hold what is nobody's business.
        let unknown =
            |error: reqwest::Error| NoAnswer::Unknown(ProviderError::new(error.without_url()));
        let answer = request.send().await.map_err(unknown)?;
        let status = answer.status().as_u16();
        let body = answer.bytes().await.map_err(unknown)?;
        if !(200..300).contains(&status) {
            return Err(no_answer(status, &body));
        }
        serde_json::from_slice(&body).map_err(|error| {
            NoAnswer::Unknown(ProviderError::new(format!("an answer cannot be read: {error}")))
        })
    }
}

/// A clear no, or anything else. Stripe's message stays out of it: it may quote what was sent.
fn no_answer(status: u16, body: &[u8]) -> NoAnswer {
    let reason = serde_json::from_slice(body)
        .map_or_else(|_| RefusalReason::default(), |refusal: Refusal| refusal.error);
    let code = reason.code.unwrap_or_else(|| reason.kind.clone());
    // A key that was used for something else says nothing of the charge.
    if matches!(status, 400 | 402 | 404) && reason.kind != "idempotency_error" {
        return NoAnswer::Refused { code };
    }
    NoAnswer::Unknown(ProviderError::new(format!("Stripe answered {status}: {code}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clear_no_is_told_from_not_knowing() {
        let declined = br#"{"error":{"type":"card_error","code":"card_declined","message":"No"}}"#;
        let refused = |code: &str| NoAnswer::Refused { code: code.to_owned() };
        assert_eq!(no_answer(402, declined), refused("card_declined"));
        assert_eq!(no_answer(404, b"{}"), refused(""));
        let used = br#"{"error":{"type":"idempotency_error"}}"#;
        for (status, body) in [(400, &used[..]), (401, b"{}"), (409, b"{}"), (429, b""), (500, b"")]
        {
            assert!(matches!(no_answer(status, body), NoAnswer::Unknown(_)), "{status}");
        }
    }
}
