//! What production refuses to start with: everything that is fine for a demo and open to the world.

use super::{Config, DEMO_FINGERPRINT_KEY, DEMO_INVITE_CODE};

/// Why the service does not start in production, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsafe {
    /// The fingerprint key is the one of the demo.
    #[error("CLUB_FINGERPRINT_KEY is not set: set it to a secret of your own and never change it")]
    DefaultFingerprintKey,
    /// Nobody gave a signing key.
    #[error(
        "CLUB_SIGNING_KEY is not set: set it to what 'openssl rand -hex 32' or 'openssl genpkey \
         -algorithm ed25519' prints, and keep it secret"
    )]
    NoSigningKey,
    /// The demo's invite code opens sign-up to everybody.
    #[error("CLUB_INVITE_CODES contains 5858, which everybody knows: take it out")]
    OpenInviteCode,
    /// All limits are off.
    #[error("CLUB_LIMITS is off, which is for benchmarks only: unset it")]
    LimitsOff,
    /// Demo users are in the database.
    #[error(
        "the database holds demo accounts with known passwords ({0}): use another database, or \
         delete these users"
    )]
    DemoAccounts(String),
}

impl Config {
    /// What of these settings production must not have.
    #[must_use]
    pub fn unsafe_settings(&self) -> Vec<Unsafe> {
        if !self.environment.is_production() {
            return vec![];
        }
        let demo_code = self.auth.invite_codes.iter().any(|code| code == DEMO_INVITE_CODE);
        let demo_key = self.club.fingerprint_key.reveal() == DEMO_FINGERPRINT_KEY;
        [
            (demo_key, Unsafe::DefaultFingerprintKey),
            (self.auth.signing_key.is_none(), Unsafe::NoSigningKey),
            (demo_code, Unsafe::OpenInviteCode),
            (!self.club.limits, Unsafe::LimitsOff),
        ]
        .into_iter()
        .filter_map(|(is_so, reason)| is_so.then_some(reason))
        .collect()
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
        let settings =
            [("ENVIRONMENT", "production"), ("CLUB_LIMITS", "off"), ("CLUB_INVITE_CODES", "5858")];
        let all = [
            Unsafe::DefaultFingerprintKey,
            Unsafe::NoSigningKey,
            Unsafe::OpenInviteCode,
            Unsafe::LimitsOff,
        ];
        assert_eq!(found(&settings), all);
    }
}
