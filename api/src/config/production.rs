//! What production refuses to start with: everything that is fine for a demo and open to the world.

use super::payments::DEMO_WEBHOOK_SECRET;
use super::{
    Config, DEMO_FINGERPRINT_KEY, DEMO_SERVICE_KEY, DEMO_SIGNING_KEY, DEMO_TOTP_KEY,
    PaymentsConfig, Secret,
};

/// Why the service does not start in production, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsafe {
    /// The fingerprint key is the one of the demo.
    #[error("CLUB_FINGERPRINT_KEY is not set: set it to a secret of your own and never change it")]
    DefaultFingerprintKey,
    /// Everybody knows a part of what signing keys are made of.
    #[error(
        "CLUB_SIGNING_KEY is not set: set it to what 'openssl rand -hex 32' prints, the same on every \
         node, and keep it secret"
    )]
    NoSigningKey,
    /// The secrets of game servers are made of what everybody knows.
    #[error("CLUB_SERVICE_KEY is not set: set it to a secret of your own, the same on every node")]
    DefaultServiceKey,
    /// The secrets of second factors are made of what everybody knows.
    #[error("CLUB_TOTP_KEY is not set: set it to a secret of your own, the same on every node")]
    DefaultTotpKey,
    /// The demo's invite code opens sign-up to everybody.
    #[error(
        "the invite code {0}, which everybody knows, opens sign-up: close it with \
         'club invites deactivate {0}'"
    )]
    OpenInviteCode(&'static str),
    /// The process is to crash.
    #[error("CLUB_FAULT is set, which is for tests only: unset it")]
    Fault,
    /// All limits are off.
    #[error("CLUB_LIMITS is off, which is for benchmarks only: unset it")]
    LimitsOff,
    /// Payments are made up.
    #[error("CLUB_PAYMENTS is sandbox, which gives gold for nothing: set it to stripe or none")]
    SandboxPayments,
    /// The provider's messages are signed with what everybody knows.
    #[error(
        "CLUB_WEBHOOK_SECRETS is not set, or is the one of the demo: set it to a secret of your own"
    )]
    DefaultWebhookSecret,
    /// Stripe's test cards would buy gold.
    #[error("STRIPE_API_KEY is a key for Stripe's test mode: set it to a live one")]
    StripeTestKey,
    /// Everybody between us and Stripe could read the key.
    #[error("STRIPE_API_URL is not https: unset it")]
    PlainStripe,
    /// Mail would come from an address that nobody has.
    #[error("MAIL_FROM is not set: set it to the address in whose name the club sends mail")]
    DemoSender,
    /// Links in mails would lead nowhere.
    #[error(
        "NEXT_PUBLIC_API_ORIGIN is not set, and links in mails need it: set it to the address at \
         which browsers reach the club"
    )]
    NoOriginForLinks,
    /// Demo users are in the database.
    #[error(
        "the database holds demo accounts with known passwords ({0}): use another database, or \
         delete these users"
    )]
    DemoAccounts(String),
    /// The demo's game server would be believed.
    #[error(
        "the database holds the demo's service {0}: take it out with 'club services revoke {0}'"
    )]
    DemoService(String),
}

impl Config {
    /// What of these settings production must not have.
    #[must_use]
    pub fn unsafe_settings(&self) -> Vec<Unsafe> {
        if !self.environment.is_production() {
            return vec![];
        }
        let demo_key = self.club.fingerprint_key.reveal() == DEMO_FINGERPRINT_KEY;
        [
            (demo_key, Unsafe::DefaultFingerprintKey),
            (self.has_demo_signing_key(), Unsafe::NoSigningKey),
            (self.has_demo_service_key(), Unsafe::DefaultServiceKey),
            (self.auth.totp_key.reveal() == DEMO_TOTP_KEY, Unsafe::DefaultTotpKey),
            (!self.club.limits, Unsafe::LimitsOff),
            (self.fault.is_some(), Unsafe::Fault),
            (self.sends_mail() && self.mail.has_demo_sender(), Unsafe::DemoSender),
            (self.sends_mail() && self.http.public_origin.is_none(), Unsafe::NoOriginForLinks),
        ]
        .into_iter()
        .filter_map(|(is_so, reason)| is_so.then_some(reason))
        .chain(self.payments.unsafe_settings())
        .collect()
    }

    /// Whether everybody knows a part of what signing keys are made of.
    #[must_use]
    pub fn has_demo_signing_key(&self) -> bool {
        self.auth.signing_key.reveal() == DEMO_SIGNING_KEY
    }

    fn sends_mail(&self) -> bool {
        self.mail.smtp.is_some()
    }

    /// Whether everybody can make the secrets of services.
    #[must_use]
    pub fn has_demo_service_key(&self) -> bool {
        self.auth.service_key.reveal() == DEMO_SERVICE_KEY
    }
}

impl PaymentsConfig {
    fn unsafe_settings(&self) -> Vec<Unsafe> {
        let checks = match self {
            Self::None => vec![],
            Self::Sandbox { webhook_secrets, .. } => {
                let is_known = |secret: &Secret| secret.reveal() == DEMO_WEBHOOK_SECRET;
                let demo_secret = webhook_secrets.iter().any(is_known);
                vec![(true, Unsafe::SandboxPayments), (demo_secret, Unsafe::DefaultWebhookSecret)]
            }
            Self::Stripe { api_key, api_url, .. } => vec![
                (api_key.reveal().contains("_test_"), Unsafe::StripeTestKey),
                (!api_url.starts_with("https://"), Unsafe::PlainStripe),
            ],
        };
        checks.into_iter().filter_map(|(is_so, reason)| is_so.then_some(reason)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pairs: &[(&str, &str)]) -> Vec<Unsafe> {
        let always = [("DATABASE_URL", "postgres://localhost/club")];
        let variables = always.iter().chain(pairs).copied().collect();
        Config::read(&variables).unwrap().unsafe_settings()
    }

    #[test]
    fn a_demo_may_have_everything() {
        assert_eq!(found(&[("CLUB_LIMITS", "off")]), []);
    }

    #[test]
    fn production_says_everything_that_is_wrong_at_once() {
        let settings = [
            ("ENVIRONMENT", "production"),
            ("CLUB_LIMITS", "off"),
            ("CLUB_FAULT", "sign_up/reserved"),
        ];
        let all = [
            Unsafe::DefaultFingerprintKey,
            Unsafe::NoSigningKey,
            Unsafe::DefaultServiceKey,
            Unsafe::DefaultTotpKey,
            Unsafe::LimitsOff,
            Unsafe::Fault,
        ];
        assert_eq!(found(&settings), all);
    }

    #[test]
    fn production_sends_mail_in_its_own_name_with_links_that_lead_somewhere() {
        let safe = [
            ("ENVIRONMENT", "production"),
            ("CLUB_FINGERPRINT_KEY", "secret"),
            ("CLUB_SIGNING_KEY", "secret"),
            ("CLUB_SERVICE_KEY", "secret"),
            ("CLUB_TOTP_KEY", "secret"),
            ("MAIL_SMTP_URL", "smtps://mail.example"),
        ];
        assert_eq!(found(&safe), [Unsafe::DemoSender, Unsafe::NoOriginForLinks]);
        let origin = ("NEXT_PUBLIC_API_ORIGIN", "https://club.test");
        let told = [&safe[..], &[("MAIL_FROM", "hello@club.test"), origin]].concat();
        assert_eq!(found(&told), []);
    }

    #[test]
    fn production_takes_money_for_real_or_not_at_all() {
        let found = |pairs: &[(&str, &str)]| {
            let safe = [
                ("ENVIRONMENT", "production"),
                ("CLUB_FINGERPRINT_KEY", "secret"),
                ("CLUB_SIGNING_KEY", "secret"),
                ("CLUB_SERVICE_KEY", "secret"),
                ("CLUB_TOTP_KEY", "secret"),
            ];
            found(&[&safe[..], pairs].concat())
        };
        assert_eq!(found(&[]), []);
        let sandbox = ("CLUB_PAYMENTS", "sandbox");
        let known = [Unsafe::SandboxPayments, Unsafe::DefaultWebhookSecret];
        assert_eq!(found(&[sandbox]), known);
        assert_eq!(found(&[sandbox, ("CLUB_WEBHOOK_SECRETS", "a")]), [Unsafe::SandboxPayments]);
        let stripe = [("CLUB_PAYMENTS", "stripe"), ("STRIPE_WEBHOOK_SECRETS", "whsec_1")];
        let live = [&stripe[..], &[("STRIPE_API_KEY", "sk_live_1")]].concat();
        assert_eq!(found(&live), []);
        let plain = ("STRIPE_API_URL", "http://localhost:8420");
        let test = [&stripe[..], &[("STRIPE_API_KEY", "sk_test_1"), plain]].concat();
        assert_eq!(found(&test), [Unsafe::StripeTestKey, Unsafe::PlainStripe]);
    }
}
