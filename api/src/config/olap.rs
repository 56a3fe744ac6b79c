//! Where events are counted and summed.

use projections::sinks::clickhouse::ClickHouseConfig;

use super::Secret;
use super::variables::{Flag, InvalidSetting, Setting, Variables};

/// See the module.
#[derive(Debug, Clone)]
pub struct OlapConfig {
    /// `CLICKHOUSE_URL`: ClickHouse's HTTP interface, `http://host:8123`. Without it nothing is counted and
    /// analytics answer 503.
    pub url: Option<String>,
    /// `CLICKHOUSE_DATABASE`: the database there, made if it is not there; default `club`.
    pub database: String,
    /// `CLICKHOUSE_USER`: default the server's default user.
    pub user: Option<String>,
    /// `CLICKHOUSE_PASSWORD`: that user's password.
    pub password: Option<Secret>,
    /// `CLICKHOUSE_RAW_DAYS`: for so many days the texts of events are kept there; default for good. What is
    /// counted stays.
    pub raw_days: Option<u32>,
    /// `CLUB_OLAP`: `on` (default) if `club serve` feeds ClickHouse itself, `off` if `club olap run` does.
    pub is_fed_here: bool,
    /// `CLUB_INJECTION_ALARM_PERCENT`: so much more gold in a week, in percent of what there was, raises an
    /// alarm; default 15.
    pub injection_alarm_percent: u32,
}

/// An address of ClickHouse.
struct HttpUrl(String);

impl Setting for HttpUrl {
    const EXPECTED: &'static str = "an address such as http://clickhouse:8123";

    fn from_text(text: &str) -> Option<Self> {
        let text = text.trim_end_matches('/');
        let host = text.strip_prefix("http://")?;
        (!host.is_empty() && !host.contains('/')).then(|| Self(text.to_owned()))
    }
}

/// A database's name.
struct Name(String);

impl Setting for Name {
    const EXPECTED: &'static str = "letters, digits and _";

    fn from_text(text: &str) -> Option<Self> {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
        (!text.is_empty() && text.chars().all(fits)).then(|| Self(text.to_owned()))
    }
}

impl OlapConfig {
    pub(super) fn read(variables: &Variables) -> Result<Self, InvalidSetting> {
        let url = variables.optional::<HttpUrl>("CLICKHOUSE_URL")?;
        Ok(Self {
            url: url.map(|url| url.0),
            database: variables.parse("CLICKHOUSE_DATABASE", Name("club".to_owned()))?.0,
            user: variables.text("CLICKHOUSE_USER"),
            password: variables.text("CLICKHOUSE_PASSWORD").map(Secret::from),
            raw_days: variables.optional("CLICKHOUSE_RAW_DAYS")?,
            is_fed_here: variables.parse("CLUB_OLAP", Flag(true))?.0,
            injection_alarm_percent: variables.parse("CLUB_INJECTION_ALARM_PERCENT", 15)?,
        })
    }

    /// Where ClickHouse is, if there is one.
    #[must_use]
    pub fn clickhouse(&self) -> Option<ClickHouseConfig> {
        Some(ClickHouseConfig {
            url: self.url.clone()?,
            database: self.database.clone(),
            user: self.user.clone(),
            password: self.password.as_ref().map(|password| password.reveal().to_owned()),
            raw_days: self.raw_days,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<OlapConfig, InvalidSetting> {
        OlapConfig::read(&pairs.iter().copied().collect())
    }

    #[test]
    fn nothing_is_counted_unless_a_server_is_named_and_its_password_does_not_show() {
        assert!(read(&[]).unwrap().clickhouse().is_none());
        let url = ("CLICKHOUSE_URL", "http://clickhouse:8123/");
        let config = read(&[url, ("CLICKHOUSE_PASSWORD", "hush")]).unwrap();
        assert!(!format!("{config:?}").contains("hush"));
        let clickhouse = config.clickhouse().unwrap();
        assert_eq!((&*clickhouse.url, &*clickhouse.database), ("http://clickhouse:8123", "club"));
    }

    #[test]
    fn what_is_no_address_or_name_is_refused() {
        let wrong = [
            ("CLICKHOUSE_URL", "clickhouse:9000"),
            ("CLICKHOUSE_DATABASE", "club`; drop"),
            ("CLICKHOUSE_RAW_DAYS", "-1"),
        ];
        for (name, value) in wrong {
            assert!(read(&[(name, value)]).unwrap_err().to_string().starts_with(name), "{value}");
        }
    }
}
