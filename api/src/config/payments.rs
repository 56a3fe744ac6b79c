//! Who takes real money.

use std::time::Duration;

use super::variables::{self, InvalidSetting, Setting, Variables};
use super::{Environment, Secret};
use commands::payments::stripe::STRIPE_URL;

/// What the sandbox signs with outside production. It protects nothing that matters there.
pub(super) const DEMO_WEBHOOK_SECRET: &str = "club-demo-webhook-secret";

/// `CLUB_PAYMENTS`: `sandbox`, `stripe` or `none`; default `none` in production and `sandbox`
/// elsewhere.
#[derive(Debug, Clone)]
pub enum PaymentsConfig {
    /// Nobody: purchases with real money are refused.
    None,
    /// The provider in process, which gives gold for nothing. Refused in production.
    Sandbox {
        /// `CLUB_WEBHOOK_SECRETS`: what its messages are signed with, the newest first, separated by
        /// commas: the newest signs, all are accepted. A well-known one unless set.
        webhook_secrets: Vec<Secret>,
        /// `CLUB_SANDBOX_DELAY_MS`: how much later happens what happens later; default 2,000.
        delay: Duration,
    },
    /// Stripe.
    Stripe {
        /// `STRIPE_API_KEY`: the secret key.
        api_key: Secret,
        /// `STRIPE_WEBHOOK_SECRETS`: the signing secrets of the webhook endpoint, separated by
        /// commas.
        webhook_secrets: Vec<Secret>,
        /// `STRIPE_API_URL`; default `https://api.stripe.com`.
        api_url: String,
    },
}

/// A value of `CLUB_PAYMENTS`.
#[derive(Clone, Copy)]
enum Provider {
    None,
    Sandbox,
    Stripe,
}

impl Setting for Provider {
    const EXPECTED: &'static str = "'sandbox', 'stripe' or 'none'";

    fn from_text(text: &str) -> Option<Self> {
        match text {
            "none" => Some(Self::None),
            "sandbox" => Some(Self::Sandbox),
            "stripe" => Some(Self::Stripe),
            _ => None,
        }
    }
}

/// A web address.
struct Address(String);

impl Setting for Address {
    const EXPECTED: &'static str = "an address such as https://api.stripe.com";

    fn from_text(text: &str) -> Option<Self> {
        let is_address = text.starts_with("https://") || text.starts_with("http://");
        is_address.then(|| Self(text.to_owned()))
    }
}

impl PaymentsConfig {
    pub(super) fn read(
        variables: &Variables,
        environment: Environment,
    ) -> Result<Self, InvalidSetting> {
        let default = if environment.is_production() { Provider::None } else { Provider::Sandbox };
        match variables.parse("CLUB_PAYMENTS", default)? {
            Provider::None => Ok(Self::None),
            Provider::Sandbox => Ok(Self::Sandbox {
                webhook_secrets: secrets(variables, "CLUB_WEBHOOK_SECRETS", DEMO_WEBHOOK_SECRET)?,
                delay: Duration::from_millis(variables.parse("CLUB_SANDBOX_DELAY_MS", 2_000)?),
            }),
            Provider::Stripe => Ok(Self::Stripe {
                api_key: variables.required("STRIPE_API_KEY", "a secret key of Stripe")?.into(),
                webhook_secrets: secrets(variables, "STRIPE_WEBHOOK_SECRETS", "")?,
                api_url: variables.parse("STRIPE_API_URL", Address(STRIPE_URL.to_owned()))?.0,
            }),
        }
    }

    /// Whether there is anybody who takes payments.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !matches!(self, Self::None)
    }
}

/// At least one.
fn secrets(
    variables: &Variables,
    name: &'static str,
    default: &str,
) -> Result<Vec<Secret>, InvalidSetting> {
    let secrets: Vec<Secret> =
        variables.list(name, default).into_iter().map(Secret::from).collect();
    if secrets.is_empty() {
        return Err(variables::missing(name, "one secret or more, separated by commas"));
    }
    Ok(secrets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        environment: Environment,
        pairs: &[(&str, &str)],
    ) -> Result<PaymentsConfig, InvalidSetting> {
        PaymentsConfig::read(&pairs.iter().copied().collect(), environment)
    }

    #[test]
    fn the_sandbox_is_for_demos_and_production_has_nobody_unless_it_is_told() {
        let PaymentsConfig::Sandbox { webhook_secrets, delay } =
            read(Environment::Development, &[]).unwrap()
        else {
            panic!("not the sandbox")
        };
        assert_eq!(webhook_secrets, [Secret::from(DEMO_WEBHOOK_SECRET.to_owned())]);
        assert_eq!(delay, Duration::from_secs(2));
        assert!(!read(Environment::Production, &[]).unwrap().is_on());
        assert!(!read(Environment::Test, &[("CLUB_PAYMENTS", "none")]).unwrap().is_on());
        let told = read(Environment::Test, &[("CLUB_PAYMENTS", "cash")]).unwrap_err().to_string();
        assert!(told.ends_with("expected 'sandbox', 'stripe' or 'none'"), "{told}");
    }

    #[test]
    fn stripe_needs_its_secrets_and_they_do_not_show() {
        let stripe = ("CLUB_PAYMENTS", "stripe");
        let key = ("STRIPE_API_KEY", "sk_live_hush");
        let secrets = ("STRIPE_WEBHOOK_SECRETS", "whsec_new, whsec_old,");
        let read = |pairs: &[_]| read(Environment::Production, pairs);
        let told = |pairs: &[_]| read(pairs).unwrap_err().to_string();
        assert!(told(&[stripe, secrets]).starts_with("STRIPE_API_KEY is not set"));
        assert!(told(&[stripe, key]).starts_with("STRIPE_WEBHOOK_SECRETS is not set"));
        assert!(
            told(&[stripe, key, secrets, ("STRIPE_API_URL", "here")]).contains("STRIPE_API_URL")
        );
        let config = read(&[stripe, key, secrets]).unwrap();
        let shown = format!("{config:?}");
        assert!(!shown.contains("hush") && !shown.contains("whsec"), "{shown}");
        let PaymentsConfig::Stripe { webhook_secrets, api_url, .. } = config else {
            panic!("not Stripe")
        };
        assert_eq!((webhook_secrets.len(), &*api_url), (2, STRIPE_URL));
    }
}
