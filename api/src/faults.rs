//! Points at which a test can have the process end on the spot, as a crash would have it: nothing is
//! finished, told or cleaned up. And faults that a test plants to see that another test would find
//! them. `CLUB_FAULT` names one; production refuses it.

use crate::config::Config;

/// A point between two steps of something that must survive a crash there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Signing up (as all here): the wish is good, and nothing is written.
    WishChecked,
    /// An older sign-up that held a name was given up in the log; its row is still there.
    OldSignUpLapsed,
    /// The row of that older sign-up is gone.
    OldSignUpReleased,
    /// The names are reserved, and the account is not open.
    NamesReserved,
    /// The account is open, and the row does not say so.
    AccountOpened,
    /// The row says so, and nobody is signed in.
    RowActivated,
    /// The mail server has a mail, and the outbox does not say so.
    MailSent,
    /// The outbox says of a campaign's mail that it is out of hand, and the mail server has not got it.
    CampaignMailMarked,
    /// Planted: the live feed loses the first message behind the join of state and stream.
    LiveSkipsAtTheJoin,
    /// Erasing (as all here): the log says so, and nothing is deleted.
    ErasureBegun,
    /// Texts are gone, and names are there.
    TextsErased,
    /// Messages of the payment provider are gone.
    MessagesErased,
    /// Sessions are gone, and the row is there.
    SessionsErased,
    /// The row is gone.
    RowErased,
    /// All is gone, and the log does not say so.
    AllErased,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::WishChecked,
        Self::OldSignUpLapsed,
        Self::OldSignUpReleased,
        Self::NamesReserved,
        Self::AccountOpened,
        Self::RowActivated,
        Self::MailSent,
        Self::CampaignMailMarked,
        Self::LiveSkipsAtTheJoin,
        Self::ErasureBegun,
        Self::TextsErased,
        Self::MessagesErased,
        Self::SessionsErased,
        Self::RowErased,
        Self::AllErased,
    ];

    /// As it is written in `CLUB_FAULT`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::WishChecked => "sign_up/checked",
            Self::OldSignUpLapsed => "sign_up/lapsed",
            Self::OldSignUpReleased => "sign_up/released",
            Self::NamesReserved => "sign_up/reserved",
            Self::AccountOpened => "sign_up/opened",
            Self::RowActivated => "sign_up/active",
            Self::MailSent => "mail/sent",
            Self::CampaignMailMarked => "mail/campaign_marked",
            Self::LiveSkipsAtTheJoin => "live/skips_at_the_join",
            Self::ErasureBegun => "erasure/begun",
            Self::TextsErased => "erasure/texts",
            Self::MessagesErased => "erasure/messages",
            Self::SessionsErased => "erasure/sessions",
            Self::RowErased => "erasure/row",
            Self::AllErased => "erasure/all",
        }
    }

    /// Whether it was planted.
    #[must_use]
    pub fn is_planted(self, config: &Config) -> bool {
        config.fault == Some(self)
    }

    /// Ends the process, if it was told to crash here.
    pub fn may_strike(self, config: &Config) {
        self.strikes_if(config.fault);
    }

    /// The same, where only that setting is known.
    pub fn strikes_if(self, told: Option<Self>) {
        if told == Some(self) {
            std::process::abort();
        }
    }
}
