//! Settings, read once from the environment. Nothing else in the service reads it.

mod approvals;
mod game;
mod kafka;
mod keys;
mod mail;
mod olap;
mod payments;
mod production;
mod rates;
mod shop;
mod variables;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use chrono::TimeDelta;
use commands::approvals::ApprovalPolicy;

pub use game::GameConfig;
pub use kafka::KafkaConfig;
pub use mail::MailConfig;
pub use olap::OlapConfig;
pub use payments::PaymentsConfig;
pub use production::Unsafe;
pub use rates::RateConfig;
pub use shop::ShopConfig;
pub use variables::{InvalidSetting, Variables};

use variables::{Flag, Origin};

use crate::faults::Fault;

/// The fingerprint key outside production. It protects nothing that matters there.
const DEMO_FINGERPRINT_KEY: &str = "club-demo-fingerprint-key";
/// What services' secrets are made of outside production. It protects nothing that matters there.
const DEMO_SERVICE_KEY: &str = "club-demo-service-key";
/// What the keys that sign access tokens are made of outside production, together with random numbers that
/// the database keeps to itself.
const DEMO_SIGNING_KEY: &str = "club-demo-signing-key";
/// What the secrets of second factors are made of outside production.
const DEMO_TOTP_KEY: &str = "club-demo-totp-key";
const DEFAULT_FILTER: &str = "info,sqlx::postgres::notice=warn";

/// Where the service runs. `ENVIRONMENT`, default `development`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// On a developer's machine, with demo data.
    Development,
    /// Under test.
    Test,
    /// With real players.
    Production,
}

impl Environment {
    /// Whether real players are on it.
    #[must_use]
    pub fn is_production(self) -> bool {
        self == Self::Production
    }

    /// As it is written in `ENVIRONMENT`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Test => "test",
            Self::Production => "production",
        }
    }
}

/// A text that never shows in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Everything that can be set.
#[derive(Debug, Clone)]
pub struct Config {
    /// `ENVIRONMENT`: `development` (default), `test` or `production`.
    pub environment: Environment,
    /// Where the data is.
    pub database: DatabaseConfig,
    /// What is listened on, and for whom.
    pub http: HttpConfig,
    /// Who may come in.
    pub auth: AuthConfig,
    /// Who takes real money.
    pub payments: PaymentsConfig,
    /// Who sends mail.
    pub mail: MailConfig,
    /// Where events are counted and summed.
    pub olap: OlapConfig,
    /// Where events are published.
    pub kafka: KafkaConfig,
    /// How the club plays.
    pub club: ClubConfig,
    /// How fast anybody may ask.
    pub rates: RateConfig,
    /// How the shop sells.
    pub shop: ShopConfig,
    /// `CLUB_APPROVAL_THRESHOLD`, default 100,000: so much gold, or more, is given only when another
    /// member of the staff agrees. `CLUB_APPROVAL_HOURS`, default 24: for how long that is possible.
    /// The same on every node.
    pub approvals: ApprovalPolicy,
    /// What is told to operators.
    pub log: LogConfig,
    /// `CLUB_FAULT`: where the process crashes, or what fault is planted, for tests ([`Fault::name`]);
    /// default nowhere. Refused in production.
    pub fault: Option<Fault>,
}

/// The PostgreSQL that holds log, identities and read models.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// `DATABASE_URL`: the service's login. It works as the role `club_service` whatever the login
    /// is, so an owner or superuser will do outside production.
    pub url: Secret,
    /// `DATABASE_OWNER_URL`: the login that owns the tables, for migrations; default
    /// `DATABASE_URL`.
    pub owner_url: Secret,
}

/// The front door.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// `CLUB_LISTEN`: address and port, default `127.0.0.1:8000`; port 0 takes a free one.
    pub listen: SocketAddr,
    /// `CLUB_ALLOWED_ORIGINS`: origins of front ends, separated by commas; default
    /// `http://localhost:3000,http://127.0.0.1:3000`. A page of the service itself is always
    /// allowed.
    pub allowed_origins: Vec<String>,
    /// `NEXT_PUBLIC_API_ORIGIN`: the address at which browsers reach the service, for links;
    /// default: as they came.
    pub public_origin: Option<String>,
    /// `CLUB_GAME_ORIGIN`: the address at which browsers reach the demo game server, for the page
    /// `/play`; default `http://127.0.0.1:8010`.
    pub game_origin: String,
}

/// Identities and tokens.
#[derive(Debug, Clone)]
pub struct AuthConfig {
    /// `CLUB_SIGNING_KEY`: what the keys that sign access tokens are made of, on every node; a well-known
    /// text unless set. Required in production.
    pub signing_key: Secret,
    /// `CLUB_SIGNING_KEY_DAYS`: after so many days another key signs; default 90, 0 for never.
    pub signing_key_age: Option<TimeDelta>,
    /// `CLUB_SERVICE_KEY`: what the secrets of services (game servers) are made of, on every node; a
    /// well-known one unless set. Required in production. Another one changes all secrets at once.
    pub service_key: Secret,
    /// `CLUB_TOTP_KEY`: what the secrets of second factors are made of, on every node; a well-known one
    /// unless set. Required in production. With another one no phone's code is right any more.
    pub totp_key: Secret,
    /// The shortest password: 4 outside production, 10 there.
    pub shortest_password: usize,
}

/// How the club plays.
#[derive(Debug, Clone)]
pub struct ClubConfig {
    /// `CLUB_LIMITS`: `on` (default) or `off`, which lifts every limit on players and admins, for
    /// benchmarks. Refused in production.
    pub limits: bool,
    /// `CLUB_FINGERPRINT_KEY`: keys the fingerprints of requests. Must stay the same for the life
    /// of the log, on every node. Required in production.
    pub fingerprint_key: Secret,
    /// `CLUB_MARK_INTERVAL_MS`: how often a quiet live feed tells its position; default 5,000.
    pub mark_interval: Duration,
    /// `CLUB_LIVE_CONNECTIONS`: live feeds on this node, at most; default 20,000. One more is closed with
    /// 4429.
    pub live_connections: u32,
    /// `CLUB_STREAK_GRACE_DAYS`: so many missed days do not end a daily streak; default 0. The same
    /// on every node.
    pub streak_grace_days: u8,
}

/// How the log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// What is told to operators.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// `CLUB_LOG`: `json` or `text`; default `json` in production and `text` elsewhere.
    pub format: LogFormat,
    /// `RUST_LOG`: what is logged, in the form of tracing's filters; default `info`, without what
    /// PostgreSQL remarks on tables that are not there yet.
    pub filter: String,
}

impl Config {
    /// Reads all settings.
    ///
    /// # Errors
    /// The first one that cannot be used: its name, what it looks like, and what is expected.
    pub fn read(variables: &Variables) -> Result<Self, InvalidSetting> {
        let environment = variables.parse("ENVIRONMENT", Environment::Development)?;
        let limits = variables.parse("CLUB_LIMITS", Flag(true))?.0;
        Ok(Self {
            environment,
            database: DatabaseConfig::read(variables)?,
            http: HttpConfig::read(variables)?,
            auth: AuthConfig::read(variables, environment)?,
            shop: ShopConfig::read(variables, limits)?,
            rates: RateConfig::read(variables, limits)?,
            payments: PaymentsConfig::read(variables, environment)?,
            mail: MailConfig::read(variables)?,
            olap: OlapConfig::read(variables)?,
            kafka: KafkaConfig::read(variables)?,
            club: ClubConfig::read(variables)?,
            approvals: approvals::read(variables)?,
            log: LogConfig::read(variables, environment)?,
            fault: variables.optional("CLUB_FAULT")?,
        })
    }
}

impl DatabaseConfig {
    fn read(variables: &Variables) -> Result<Self, InvalidSetting> {
        let url = variables.required("DATABASE_URL", "a postgres:// address")?;
        let owner_url = variables.text("DATABASE_OWNER_URL").unwrap_or_else(|| url.clone());
        Ok(Self { url: url.into(), owner_url: owner_url.into() })
    }
}

impl HttpConfig {
    fn read(variables: &Variables) -> Result<Self, InvalidSetting> {
        let origins = "http://localhost:3000,http://127.0.0.1:3000";
        let origins = variables.list("CLUB_ALLOWED_ORIGINS", origins);
        let origin = |text: &String| variables::parse::<Origin>("CLUB_ALLOWED_ORIGINS", text);
        let allowed_origins =
            origins.iter().map(|text| Ok(origin(text)?.0)).collect::<Result<_, _>>()?;
        let public_origin = variables.optional::<Origin>("NEXT_PUBLIC_API_ORIGIN")?;
        let game_origin = Origin(game::GAME_ORIGIN.to_owned());
        Ok(Self {
            listen: variables.parse("CLUB_LISTEN", SocketAddr::from(([127, 0, 0, 1], 8000)))?,
            allowed_origins,
            public_origin: public_origin.map(|origin| origin.0),
            game_origin: variables.parse("CLUB_GAME_ORIGIN", game_origin)?.0,
        })
    }
}

impl AuthConfig {
    fn read(variables: &Variables, environment: Environment) -> Result<Self, InvalidSetting> {
        let production = environment.is_production();
        let signing_key = variables.text("CLUB_SIGNING_KEY");
        let service_key = variables.text("CLUB_SERVICE_KEY");
        let totp_key = variables.text("CLUB_TOTP_KEY");
        Ok(Self {
            signing_key: signing_key.unwrap_or_else(|| DEMO_SIGNING_KEY.to_owned()).into(),
            signing_key_age: keys::read(variables)?,
            service_key: service_key.unwrap_or_else(|| DEMO_SERVICE_KEY.to_owned()).into(),
            totp_key: totp_key.unwrap_or_else(|| DEMO_TOTP_KEY.to_owned()).into(),
            shortest_password: if production { 10 } else { 4 },
        })
    }
}

impl ClubConfig {
    fn read(variables: &Variables) -> Result<Self, InvalidSetting> {
        let key = variables.text("CLUB_FINGERPRINT_KEY");
        let milliseconds = |name, default| -> Result<_, InvalidSetting> {
            Ok(Duration::from_millis(variables.parse::<u64>(name, default)?))
        };
        Ok(Self {
            limits: variables.parse("CLUB_LIMITS", Flag(true))?.0,
            fingerprint_key: key.unwrap_or_else(|| DEMO_FINGERPRINT_KEY.to_owned()).into(),
            mark_interval: milliseconds("CLUB_MARK_INTERVAL_MS", 5_000)?,
            live_connections: variables.parse("CLUB_LIVE_CONNECTIONS", 20_000)?,
            streak_grace_days: variables.parse("CLUB_STREAK_GRACE_DAYS", 0)?,
        })
    }
}

impl LogConfig {
    fn read(variables: &Variables, environment: Environment) -> Result<Self, InvalidSetting> {
        let default = if environment.is_production() { LogFormat::Json } else { LogFormat::Text };
        Ok(Self {
            format: variables.parse("CLUB_LOG", default)?,
            filter: variables.text("RUST_LOG").unwrap_or_else(|| DEFAULT_FILTER.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Config, InvalidSetting> {
        let database = [("DATABASE_URL", "postgres://club:pass@localhost/club")];
        Config::read(&database.iter().chain(pairs).copied().collect())
    }

    #[test]
    fn defaults_are_those_of_a_developer() {
        let config = read(&[]).unwrap();
        assert_eq!(config.environment, Environment::Development);
        assert_eq!(config.http.listen.to_string(), "127.0.0.1:8000");
        assert_eq!(config.fault, None);
        assert_eq!(config.auth.shortest_password, 4);
        assert!(config.club.limits);
        assert_eq!(config.database.owner_url, config.database.url);
    }

    #[test]
    fn a_bad_value_names_its_variable_and_what_is_expected() {
        let told = |name, value| read(&[(name, value)]).unwrap_err().to_string();
        assert_eq!(
            told("CLUB_LIMITS", "perhaps"),
            "CLUB_LIMITS is set to 7 characters that cannot be used: expected 'on' or 'off'"
        );
        assert!(told("ENVIRONMENT", "prod").contains("'development', 'test' or 'production'"));
        assert!(told("CLUB_ALLOWED_ORIGINS", "*").contains("such as http://localhost:3000"));
        assert!(Config::read(&[].into_iter().collect()).is_err());
    }

    #[test]
    fn secrets_do_not_show() {
        let shown = format!("{:?}", read(&[("CLUB_FINGERPRINT_KEY", "very-secret")]).unwrap());
        assert!(!shown.contains("very-secret") && !shown.contains("club:pass"), "{shown}");
    }
}
