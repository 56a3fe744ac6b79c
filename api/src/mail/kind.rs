//! The kinds of mail. Their names are stored and name the templates.

use std::fmt;

use super::tokens::Purpose;

/// What a mail is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Somebody has become a player.
    Welcome,
    /// A purchase for real money was completed.
    Receipt,
    /// Money was given back.
    Refund,
    /// Somebody is kept out.
    Ban,
    /// Is this your address?
    ConfirmEmail,
    /// A link to set another password.
    PasswordReset,
    /// There is another password now.
    PasswordChanged,
    /// News or an offer.
    Campaign,
    /// The same, for the one of the staff who tries it.
    CampaignTest,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Welcome,
        Self::Receipt,
        Self::Refund,
        Self::Ban,
        Self::ConfirmEmail,
        Self::PasswordReset,
        Self::PasswordChanged,
        Self::Campaign,
        Self::CampaignTest,
    ];

    /// The stored name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Welcome => "welcome",
            Self::Receipt => "receipt",
            Self::Refund => "refund",
            Self::Ban => "ban",
            Self::ConfirmEmail => "confirm_email",
            Self::PasswordReset => "password_reset",
            Self::PasswordChanged => "password_changed",
            Self::Campaign => "campaign",
            Self::CampaignTest => "campaign_test",
        }
    }

    /// By its stored name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What the link in it is for, if it carries one that can be used once.
    #[must_use]
    pub fn purpose(self) -> Option<Purpose> {
        match self {
            Self::ConfirmEmail => Some(Purpose::ConfirmEmail),
            Self::PasswordReset => Some(Purpose::PasswordReset),
            _ => None,
        }
    }

    /// Whether it is news or an offer, which only those get who want it.
    #[must_use]
    pub fn is_marketing(self) -> bool {
        self == Self::Campaign
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
