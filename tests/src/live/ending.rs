//! How a connection ends, and what a client does about it.

use std::fmt;

use super::door::NoTicket;

/// Why a connection, or a try at one, has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cut {
    /// The server has closed it.
    Closed {
        /// The close code.
        code: u16,
        /// What it said.
        reason: String,
    },
    /// It broke, or never came about.
    Broken(String),
    /// There is no ticket now.
    NoTicket(String),
    /// Nothing was heard for too long.
    Silent,
    /// What came was no message.
    Nonsense(String),
}

/// Why a client has given up: coming back would change nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Whoever it is for may not come in any more: signed out, or banned.
    NotLetIn(String),
    /// This account may not (4403).
    Forbidden(String),
    /// Another connection has taken this one's place (4409).
    Replaced(String),
    /// The server does not understand what this client says (4400).
    NotUnderstood(String),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLetIn(why) => write!(f, "not let in: {why}"),
            Self::Forbidden(why) => write!(f, "forbidden: {why}"),
            Self::Replaced(why) => write!(f, "replaced: {why}"),
            Self::NotUnderstood(why) => write!(f, "not understood: {why}"),
        }
    }
}

/// What comes after a cut.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum After {
    /// The next try, at once.
    AtOnce,
    /// The next try, after a moment that grows with every failure.
    Pause,
    /// The next try, after a moment long enough that not everybody comes at once.
    Spread,
    /// Nothing.
    Nothing(End),
}

impl Cut {
    pub(super) fn after(&self, has_been_in: bool) -> After {
        let Self::Closed { code, reason } = self else { return After::Pause };
        match code {
            1012 => After::Spread,
            4408 => After::AtOnce,
            // Every try takes a new ticket. If that is not good either, something else is wrong.
            4401 if has_been_in => After::AtOnce,
            4400 => After::Nothing(End::NotUnderstood(reason.clone())),
            4403 => After::Nothing(End::Forbidden(reason.clone())),
            4409 => After::Nothing(End::Replaced(reason.clone())),
            _ => After::Pause,
        }
    }
}

/// A try that did not get anywhere.
pub(super) enum Failed {
    Cut(Cut),
    End(End),
}

impl From<Cut> for Failed {
    fn from(cut: Cut) -> Self {
        Self::Cut(cut)
    }
}

impl From<NoTicket> for Failed {
    fn from(no: NoTicket) -> Self {
        match no {
            NoTicket::Refused(why) => Self::End(End::NotLetIn(why)),
            NoTicket::NotNow(why) => Self::Cut(Cut::NoTicket(why)),
        }
    }
}
