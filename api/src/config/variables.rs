//! The environment as a map of texts, and how texts become settings.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::str::FromStr;

use super::{Environment, LogFormat};
use crate::faults::Fault;

/// A setting that cannot be used. Never shows the value: it might be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSetting {
    /// It has to be there.
    #[error("{name} is not set: expected {expected}")]
    Missing {
        /// The variable.
        name: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// It is not what it should be.
    #[error("{name} is set to {characters} characters that cannot be used: expected {expected}")]
    Unusable {
        /// The variable.
        name: &'static str,
        /// How long its value is.
        characters: usize,
        /// What it should be.
        expected: &'static str,
    },
}

/// A kind of setting.
pub trait Setting: Sized {
    /// What its text should be.
    const EXPECTED: &'static str;

    /// From the text.
    fn from_text(text: &str) -> Option<Self>;
}

/// Variables by name; empty ones count as not set.
#[derive(Debug, Clone, Default)]
pub struct Variables(HashMap<String, String>);

impl Variables {
    /// Those of the process.
    #[must_use]
    pub fn of_process() -> Self {
        Self(std::env::vars().collect())
    }

    /// The text of a variable.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).map(|text| text.trim()).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// The text of a variable that has to be there.
    pub(super) fn required(
        &self,
        name: &'static str,
        expected: &'static str,
    ) -> Result<String, InvalidSetting> {
        self.text(name).ok_or(missing(name, expected))
    }

    /// The texts of a list, separated by commas.
    pub(super) fn list(&self, name: &str, default: &str) -> Vec<String> {
        let text = self.text(name).unwrap_or_else(|| default.to_owned());
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    pub(super) fn optional<T: Setting>(
        &self,
        name: &'static str,
    ) -> Result<Option<T>, InvalidSetting> {
        self.text(name).map(|text| parse(name, &text)).transpose()
    }

    pub(super) fn parse<T: Setting>(
        &self,
        name: &'static str,
        default: T,
    ) -> Result<T, InvalidSetting> {
        Ok(self.optional(name)?.unwrap_or(default))
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Variables {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Self {
        let owned = |(name, text): (&str, &str)| (name.to_owned(), text.to_owned());
        Self(pairs.into_iter().map(owned).collect())
    }
}

/// A setting from the text of this variable.
pub(super) fn parse<T: Setting>(name: &'static str, text: &str) -> Result<T, InvalidSetting> {
    let unusable =
        InvalidSetting::Unusable { name, characters: text.chars().count(), expected: T::EXPECTED };
    T::from_text(text).ok_or(unusable)
}

/// That a setting has to be there and is not.
pub(super) fn missing(name: &'static str, expected: &'static str) -> InvalidSetting {
    InvalidSetting::Missing { name, expected }
}

/// `on` or `off`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flag(pub bool);

impl Setting for Flag {
    const EXPECTED: &'static str = "'on' or 'off'";

    fn from_text(text: &str) -> Option<Self> {
        match text {
            "on" => Some(Self(true)),
            "off" => Some(Self(false)),
            _ => None,
        }
    }
}

/// Scheme, host and port of a web page, as browsers send it.
#[derive(Debug, Clone)]
pub(super) struct Origin(pub String);

impl Setting for Origin {
    const EXPECTED: &'static str =
        "scheme, host and port without a path, such as http://localhost:3000";

    fn from_text(text: &str) -> Option<Self> {
        let text = text.trim_end_matches('/');
        let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"))?;
        let host = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
        (!rest.is_empty() && rest.chars().all(host)).then(|| Self(text.to_ascii_lowercase()))
    }
}

impl Setting for Environment {
    const EXPECTED: &'static str = "'development', 'test' or 'production'";

    fn from_text(text: &str) -> Option<Self> {
        [Self::Development, Self::Test, Self::Production].into_iter().find(|one| one.name() == text)
    }
}

impl Setting for LogFormat {
    const EXPECTED: &'static str = "'json' or 'text'";

    fn from_text(text: &str) -> Option<Self> {
        match text {
            "json" => Some(Self::Json),
            "text" => Some(Self::Text),
            _ => None,
        }
    }
}

impl Setting for Fault {
    const EXPECTED: &'static str = "a point that api/src/faults.rs names, such as sign_up/reserved";

    fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == text)
    }
}

impl Setting for SocketAddr {
    const EXPECTED: &'static str = "an address and a port, such as 127.0.0.1:8000";

    fn from_text(text: &str) -> Option<Self> {
        Self::from_str(text).ok()
    }
}

impl Setting for u8 {
    const EXPECTED: &'static str = "a whole number from 0 to 255";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Setting for u32 {
    const EXPECTED: &'static str = "a whole number";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Setting for u64 {
    const EXPECTED: &'static str = "a whole number of milliseconds";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}
