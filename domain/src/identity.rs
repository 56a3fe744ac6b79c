//! Somebody's standing in the club: rank, role, bans, sessions that were ended. Ids only: who they are
//! stands in tables that can be erased.
//!
//! Stored names in this file are forever; old shapes are kept in `domain/fixtures`.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Event};
use crate::id::{EnrolmentId, PlayerId, RoleCode, SessionId};
use crate::offer::Rank;
use crate::role::BuiltIn;

/// What has happened to somebody's standing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IdentityEvent {
    /// The staff gave another rank.
    RankChanged {
        /// When.
        at: DateTime<Utc>,
        /// Which.
        rank: Rank,
    },
    /// The staff gave another role.
    RoleGiven {
        /// When.
        at: DateTime<Utc>,
        /// Which.
        role: RoleCode,
    },
    /// Kept out; with that all sessions end.
    Banned {
        /// When.
        at: DateTime<Utc>,
        /// Until when; for good if not told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<DateTime<Utc>>,
    },
    /// Let in again.
    Unbanned {
        /// When.
        at: DateTime<Utc>,
    },
    /// All sessions that had begun end here.
    SessionsEnded {
        /// When.
        at: DateTime<Utc>,
        /// All but this one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        but: Option<SessionId>,
    },
    /// One session ends here.
    SessionEnded {
        /// When.
        at: DateTime<Utc>,
        /// Which.
        session: SessionId,
    },
    /// Signing in takes a code from now on; with that all sessions end that had begun without one.
    TotpEnrolled {
        /// When.
        at: DateTime<Utc>,
        /// Which secret counts: it stands in a table.
        enrolment: EnrolmentId,
        /// All but this one.
        but: SessionId,
    },
    /// Signing in takes no code any more; with that all sessions end that had begun.
    TotpRemoved {
        /// When.
        at: DateTime<Utc>,
        /// Which secret does not count any more.
        enrolment: EnrolmentId,
        /// All but this one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        but: Option<SessionId>,
    },
    /// Something about the person is another than before. What stands in tables that can be erased.
    ProfileChanged {
        /// When.
        at: DateTime<Utc>,
    },
    /// No mail goes to them any more, whatever it is about.
    MailSuppressed {
        /// When.
        at: DateTime<Utc>,
    },
    /// Mail goes to them again.
    MailAllowed {
        /// When.
        at: DateTime<Utc>,
    },
    /// The staff wrote a note. Its text stands beside the log, by this event's position.
    NoteAdded {
        /// When.
        at: DateTime<Utc>,
        /// Which of this player's notes, from 1.
        number: u32,
    },
    /// The staff took a note away, and its text with it.
    NoteRemoved {
        /// When.
        at: DateTime<Utc>,
        /// Which.
        number: u32,
    },
    /// The staff changed what is known about the person; to what stands in the identity table only.
    DetailsEdited {
        /// When.
        at: DateTime<Utc>,
        /// Which details.
        details: Details,
    },
    /// Nobody is behind this number any more: all sessions have ended for good, and what is known about
    /// the person is being deleted.
    Erased {
        /// When.
        at: DateTime<Utc>,
    },
    /// All that was known about the person is gone.
    ErasureCompleted {
        /// When.
        at: DateTime<Utc>,
    },
}

/// What is known about a person: whether it is meant.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct Details {
    /// The name that others see.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub nickname: bool,
    /// The phone number.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub phone_number: bool,
    /// The language.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub language: bool,
}

impl Details {
    /// Whether nothing is meant.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}

impl Event for IdentityEvent {
    fn event_type(&self) -> &'static str {
        match self {
            Self::RankChanged { .. } => "rank_changed",
            Self::RoleGiven { .. } => "role_given",
            Self::Banned { .. } => "banned",
            Self::Unbanned { .. } => "unbanned",
            Self::SessionsEnded { .. } => "sessions_ended",
            Self::SessionEnded { .. } => "session_ended",
            Self::TotpEnrolled { .. } => "totp_enrolled",
            Self::TotpRemoved { .. } => "totp_removed",
            Self::ProfileChanged { .. } => "profile_changed",
            Self::MailSuppressed { .. } => "mail_suppressed",
            Self::MailAllowed { .. } => "mail_allowed",
            Self::NoteAdded { .. } => "note_added",
            Self::NoteRemoved { .. } => "note_removed",
            Self::DetailsEdited { .. } => "details_edited",
            Self::Erased { .. } => "erased",
            Self::ErasureCompleted { .. } => "erasure_completed",
        }
    }

    fn current_version(_event_type: &str) -> &'static str {
        "1"
    }
}

/// What may be asked of it.
#[derive(Debug, Clone)]
pub enum IdentityCommand {
    /// Give a rank; asking for the present one does nothing.
    ChangeRank {
        /// When.
        at: DateTime<Utc>,
        /// Which.
        rank: Rank,
    },
    /// Give a role; asking for the present one does nothing.
    GiveRole {
        /// When.
        at: DateTime<Utc>,
        /// Which.
        role: RoleCode,
    },
    /// Keep out. A ban replaces the one before; the same again does nothing.
    Ban {
        /// When.
        at: DateTime<Utc>,
        /// Until when; for good if not told.
        until: Option<DateTime<Utc>>,
    },
    /// Let in again; does nothing for whoever is not banned.
    Unban {
        /// When.
        at: DateTime<Utc>,
    },
    /// End all sessions that have begun.
    EndSessions {
        /// When.
        at: DateTime<Utc>,
        /// All but this one.
        but: Option<SessionId>,
    },
    /// End one session; asking again does nothing.
    EndSession {
        /// When.
        at: DateTime<Utc>,
        /// Which.
        session: SessionId,
    },
    /// Let signing in take a code; asking for the present enrolment does nothing.
    EnrolTotp {
        /// When.
        at: DateTime<Utc>,
        /// Whose code was shown to be right.
        enrolment: EnrolmentId,
        /// The session that goes on.
        but: SessionId,
    },
    /// Let it take none; does nothing if it takes none, or another enrolment's.
    RemoveTotp {
        /// When.
        at: DateTime<Utc>,
        /// Only this enrolment; whichever it is, if not told.
        only: Option<EnrolmentId>,
        /// The session that goes on.
        but: Option<SessionId>,
    },
    /// Tell that something about the person has changed.
    ChangeProfile {
        /// When.
        at: DateTime<Utc>,
    },
    /// Send them no mail any more; asking again does nothing.
    SuppressMail {
        /// When.
        at: DateTime<Utc>,
    },
    /// Send them mail again; does nothing where mail is sent.
    AllowMail {
        /// When.
        at: DateTime<Utc>,
    },
    /// Write a note.
    AddNote {
        /// When.
        at: DateTime<Utc>,
    },
    /// Take a note away; asking again does nothing.
    RemoveNote {
        /// When.
        at: DateTime<Utc>,
        /// Which.
        number: u32,
    },
    /// Change what is known about the person; nothing, if no detail is meant.
    EditDetails {
        /// When.
        at: DateTime<Utc>,
        /// Which details.
        details: Details,
    },
    /// Forget the person; asking again does nothing.
    Erase {
        /// When.
        at: DateTime<Utc>,
    },
    /// All that was known is gone; asking again does nothing.
    CompleteErasure {
        /// When.
        at: DateTime<Utc>,
    },
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentityRefusal {
    /// The ban would be over before it begins.
    #[error("a ban ends later than now")]
    EndsBeforeNow,
    /// There is a second factor.
    #[error("codes are asked for already: remove that before you enrol another phone")]
    AlreadyEnrolled,
    /// There never was such a note.
    #[error("there is no note with this number")]
    NoSuchNote,
    /// There are too many already.
    #[error("a player has {MOST_NOTES} notes at most: remove one first")]
    TooManyNotes,
    /// One of the staff is not erased.
    #[error("somebody of the staff is not erased: take the role away first")]
    OfTheStaff,
    /// The person was erased.
    #[error("whoever had this number was erased")]
    Erased,
}

/// Notes that a player has at most at a time.
pub const MOST_NOTES: usize = 500;

/// That somebody was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// Since when nobody is behind the number.
    pub at: DateTime<Utc>,
    /// When all was gone, if it is.
    pub completed_at: Option<DateTime<Utc>>,
}

/// A ban.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// Until when; for good if not told.
    pub until: Option<DateTime<Utc>>,
}

impl Ban {
    /// Whether it keeps somebody out at a moment.
    #[must_use]
    pub fn holds(self, at: DateTime<Utc>) -> bool {
        self.until.is_none_or(|until| at < until)
    }
}

/// Sessions that were ended one by one are remembered for so long: no access token lives longer, and
/// whoever has a refresh token is looked up.
const REMEMBERED: TimeDelta = TimeDelta::hours(1);

/// Somebody's standing as the stream tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    rank: Rank,
    role: Option<RoleCode>,
    ban: Option<Ban>,
    is_mail_suppressed: bool,
    /// Sessions that began up to this moment have ended, all but one.
    ended: Option<(DateTime<Utc>, Option<SessionId>)>,
    /// Sessions that were ended by themselves, lately.
    ended_lately: BTreeMap<SessionId, DateTime<Utc>>,
    /// Whose codes signing in takes, besides the password.
    totp: Option<EnrolmentId>,
    /// Notes that are there, by number.
    notes: BTreeSet<u32>,
    /// Notes that were ever written.
    notes_written: u32,
    erasure: Option<Erasure>,
}

impl Identity {
    /// That the person was erased, if so.
    #[must_use]
    pub fn erasure(&self) -> Option<Erasure> {
        self.erasure
    }

    /// The present rank.
    #[must_use]
    pub fn rank(&self) -> Rank {
        self.rank
    }

    /// The present role, if it is not a player's.
    #[must_use]
    pub fn role(&self) -> Option<RoleCode> {
        self.role
    }

    /// The ban that holds at a moment.
    #[must_use]
    pub fn ban_at(&self, at: DateTime<Utc>) -> Option<Ban> {
        self.ban.filter(|ban| ban.holds(at))
    }

    /// The second factor that signing in takes.
    #[must_use]
    pub fn totp(&self) -> Option<EnrolmentId> {
        self.totp
    }

    /// Whether anything of it counts for requests at a moment: no session is known for longer than an
    /// access token lives.
    #[must_use]
    pub fn matters_at(&self, at: DateTime<Utc>) -> bool {
        let is_recent = |then: DateTime<Utc>| at - then < REMEMBERED;
        self.role.is_some()
            || self.totp.is_some()
            || self.erasure.is_some_and(|erasure| is_recent(erasure.at))
            || self.ban_at(at).is_some()
            || self.ended.is_some_and(|(then, _)| is_recent(then))
            || self.ended_lately.values().any(|then| is_recent(*then))
    }

    /// Whether no mail goes to them.
    #[must_use]
    pub fn is_mail_suppressed(&self) -> bool {
        self.is_mail_suppressed
    }

    /// Whether a session that began at a moment has ended. One that was ended by itself is known for an
    /// hour.
    #[must_use]
    pub fn has_ended(&self, session: SessionId, began_at: DateTime<Utc>) -> bool {
        let with_all = |(at, but)| began_at <= at && but != Some(session);
        self.erasure.is_some()
            || self.ended_lately.contains_key(&session)
            || self.ended.is_some_and(with_all)
    }

    /// Of an erased person nothing is decided any more, but that it is over.
    fn decide_on_erased(
        erasure: Erasure,
        command: &IdentityCommand,
    ) -> Result<Vec<IdentityEvent>, IdentityRefusal> {
        match *command {
            IdentityCommand::CompleteErasure { at } if erasure.completed_at.is_none() => {
                Ok(vec![IdentityEvent::ErasureCompleted { at }])
            }
            IdentityCommand::Erase { .. }
            | IdentityCommand::CompleteErasure { .. }
            | IdentityCommand::EndSession { .. }
            | IdentityCommand::RemoveTotp { .. }
            | IdentityCommand::EndSessions { .. } => Ok(vec![]),
            IdentityCommand::ChangeRank { .. }
            | IdentityCommand::GiveRole { .. }
            | IdentityCommand::Ban { .. }
            | IdentityCommand::Unban { .. }
            | IdentityCommand::AddNote { .. }
            | IdentityCommand::RemoveNote { .. }
            | IdentityCommand::EditDetails { .. }
            | IdentityCommand::EnrolTotp { .. }
            | IdentityCommand::ChangeProfile { .. }
            | IdentityCommand::SuppressMail { .. }
            | IdentityCommand::AllowMail { .. } => Err(IdentityRefusal::Erased),
        }
    }

    fn add_note(&self, at: DateTime<Utc>) -> Result<Vec<IdentityEvent>, IdentityRefusal> {
        if self.notes.len() >= MOST_NOTES {
            return Err(IdentityRefusal::TooManyNotes);
        }
        Ok(vec![IdentityEvent::NoteAdded { at, number: self.notes_written.saturating_add(1) }])
    }

    fn remove_note(
        &self,
        at: DateTime<Utc>,
        number: u32,
    ) -> Result<Vec<IdentityEvent>, IdentityRefusal> {
        if number == 0 || number > self.notes_written {
            return Err(IdentityRefusal::NoSuchNote);
        }
        let is_there = self.notes.contains(&number);
        Ok(if is_there { vec![IdentityEvent::NoteRemoved { at, number }] } else { vec![] })
    }
}

impl Aggregate for Identity {
    const TYPE: &'static str = "identity";
    type Id = PlayerId;
    type Command = IdentityCommand;
    type Event = IdentityEvent;
    type Refusal = IdentityRefusal;

    fn decide(&self, command: &IdentityCommand) -> Result<Vec<IdentityEvent>, IdentityRefusal> {
        use IdentityCommand as Ask;
        if let Some(erasure) = self.erasure {
            return Self::decide_on_erased(erasure, command);
        }
        let one_if = |is_new, event| Ok(if is_new { vec![event] } else { vec![] });
        match *command {
            Ask::ChangeRank { at, rank } => {
                one_if(rank != self.rank, IdentityEvent::RankChanged { at, rank })
            }
            Ask::GiveRole { at, role } => {
                let has =
                    self.role.map_or(BuiltIn::Player.name() == role.as_str(), |has| has == role);
                one_if(!has, IdentityEvent::RoleGiven { at, role })
            }
            Ask::Ban { at, until } if until.is_some_and(|until| until <= at) => {
                Err(IdentityRefusal::EndsBeforeNow)
            }
            Ask::Ban { at, until } => {
                one_if(self.ban != Some(Ban { until }), IdentityEvent::Banned { at, until })
            }
            Ask::Unban { at } => one_if(self.ban_at(at).is_some(), IdentityEvent::Unbanned { at }),
            Ask::EndSessions { at, but } => Ok(vec![IdentityEvent::SessionsEnded { at, but }]),
            Ask::EndSession { at, session } => {
                let is_known = self.ended_lately.contains_key(&session);
                one_if(!is_known, IdentityEvent::SessionEnded { at, session })
            }
            Ask::EnrolTotp { at, enrolment, but } => match self.totp {
                Some(present) if present != enrolment => Err(IdentityRefusal::AlreadyEnrolled),
                present => {
                    one_if(present.is_none(), IdentityEvent::TotpEnrolled { at, enrolment, but })
                }
            },
            Ask::RemoveTotp { at, only, but } => {
                let present = self.totp.filter(|present| only.is_none_or(|only| only == *present));
                let removed = |enrolment| IdentityEvent::TotpRemoved { at, enrolment, but };
                Ok(present.map(removed).into_iter().collect())
            }
            Ask::ChangeProfile { at } => Ok(vec![IdentityEvent::ProfileChanged { at }]),
            Ask::SuppressMail { at } => {
                one_if(!self.is_mail_suppressed, IdentityEvent::MailSuppressed { at })
            }
            Ask::AllowMail { at } => {
                one_if(self.is_mail_suppressed, IdentityEvent::MailAllowed { at })
            }
            Ask::AddNote { at } => self.add_note(at),
            Ask::RemoveNote { at, number } => self.remove_note(at, number),
            Ask::EditDetails { at, details } => {
                one_if(!details.is_empty(), IdentityEvent::DetailsEdited { at, details })
            }
            Ask::Erase { .. } if self.role.is_some() => Err(IdentityRefusal::OfTheStaff),
            Ask::Erase { at } => Ok(vec![IdentityEvent::Erased { at }]),
            // Nobody was erased, so nothing can be over.
            Ask::CompleteErasure { .. } => Ok(vec![]),
        }
    }

    fn evolve(&mut self, event: &IdentityEvent) {
        match *event {
            IdentityEvent::RankChanged { rank, .. } => self.rank = rank,
            IdentityEvent::RoleGiven { role, .. } => {
                let is_player = role.as_str() == BuiltIn::Player.name();
                self.role = (!is_player).then_some(role);
            }
            IdentityEvent::Banned { at, until } => {
                self.ban = Some(Ban { until });
                self.ended = Some((at, None));
            }
            IdentityEvent::Unbanned { .. } => self.ban = None,
            IdentityEvent::SessionsEnded { at, but } => self.ended = Some((at, but)),
            IdentityEvent::SessionEnded { at, session } => {
                self.ended_lately.retain(|_, ended_at| at - *ended_at < REMEMBERED);
                self.ended_lately.insert(session, at);
            }
            IdentityEvent::TotpEnrolled { at, enrolment, but } => {
                self.totp = Some(enrolment);
                self.ended = Some((at, Some(but)));
            }
            IdentityEvent::TotpRemoved { at, but, .. } => {
                self.totp = None;
                self.ended = Some((at, but));
            }
            // What it is now stands elsewhere.
            IdentityEvent::ProfileChanged { .. } | IdentityEvent::DetailsEdited { .. } => {}
            IdentityEvent::MailSuppressed { .. } => self.is_mail_suppressed = true,
            IdentityEvent::MailAllowed { .. } => self.is_mail_suppressed = false,
            IdentityEvent::NoteAdded { number, .. } => {
                self.notes.insert(number);
                self.notes_written = number;
            }
            IdentityEvent::NoteRemoved { number, .. } => {
                self.notes.remove(&number);
            }
            IdentityEvent::Erased { at } => {
                self.erasure = Some(Erasure { at, completed_at: None });
                self.totp = None;
            }
            IdentityEvent::ErasureCompleted { at } => {
                if let Some(erasure) = &mut self.erasure {
                    erasure.completed_at = Some(at);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, given};

    fn session(bits: u128) -> SessionId {
        SessionId::from_bits(bits)
    }

    #[test]
    fn a_rank_is_changed_once() {
        let change = IdentityCommand::ChangeRank { at: at(1), rank: Rank::Vip };
        let changed = IdentityEvent::RankChanged { at: at(1), rank: Rank::Vip };
        given::<Identity>(&[]).when(&change).then(std::slice::from_ref(&changed));
        given::<Identity>(&[changed]).when(&change).then(&[]);
    }

    #[test]
    fn a_role_is_given_once_and_everybody_begins_as_a_player() {
        let give =
            |role: &str| IdentityCommand::GiveRole { at: at(1), role: role.parse().unwrap() };
        let given_role =
            |role: &str| IdentityEvent::RoleGiven { at: at(1), role: role.parse().unwrap() };
        given::<Identity>(&[]).when(&give("player")).then(&[]);
        given::<Identity>(&[]).when(&give("support")).then(&[given_role("support")]);
        given::<Identity>(&[given_role("support")]).when(&give("support")).then(&[]);
        given::<Identity>(&[given_role("support")])
            .when(&give("player"))
            .then(&[given_role("player")]);
    }

    #[test]
    fn a_ban_holds_until_its_end_and_ends_all_sessions() {
        let ban = |until| IdentityCommand::Ban { at: at(10), until };
        let banned = |until| IdentityEvent::Banned { at: at(10), until };
        given::<Identity>(&[])
            .when(&ban(Some(at(10))))
            .then_refused(&IdentityRefusal::EndsBeforeNow);
        given::<Identity>(&[]).when(&ban(Some(at(20)))).then(&[banned(Some(at(20)))]);
        let history = [banned(Some(at(20)))];
        given::<Identity>(&history).when(&ban(Some(at(20)))).then(&[]);
        given::<Identity>(&history).when(&ban(None)).then(&[banned(None)]);
        let state = given::<Identity>(&history).state();
        assert!(state.ban_at(at(19)).is_some() && state.ban_at(at(20)).is_none());
        assert!(state.has_ended(session(1), at(10)) && !state.has_ended(session(1), at(11)));
    }

    #[test]
    fn whoever_is_let_in_again_is_not_banned() {
        let unban = |second| IdentityCommand::Unban { at: at(second) };
        let banned = IdentityEvent::Banned { at: at(10), until: Some(at(20)) };
        given::<Identity>(&[]).when(&unban(1)).then(&[]);
        let history = [banned];
        given::<Identity>(&history).when(&unban(20)).then(&[]);
        given::<Identity>(&history)
            .when(&unban(15))
            .then(&[IdentityEvent::Unbanned { at: at(15) }]);
    }

    #[test]
    fn mail_is_suppressed_and_allowed_once() {
        let (suppress, allow) =
            (IdentityCommand::SuppressMail { at: at(1) }, IdentityCommand::AllowMail { at: at(2) });
        let suppressed = IdentityEvent::MailSuppressed { at: at(1) };
        let allowed = IdentityEvent::MailAllowed { at: at(2) };
        given::<Identity>(&[]).when(&allow).then(&[]);
        given::<Identity>(&[]).when(&suppress).then(std::slice::from_ref(&suppressed));
        let history = [suppressed];
        given::<Identity>(&history).when(&suppress).then(&[]);
        assert!(given::<Identity>(&history).state().is_mail_suppressed());
        given::<Identity>(&history).when(&allow).then(std::slice::from_ref(&allowed));
        let [suppressed] = history;
        assert!(!given::<Identity>(&[suppressed, allowed]).state().is_mail_suppressed());
    }

    #[test]
    fn sessions_end_one_by_one_or_all_but_one() {
        let end = |second| IdentityCommand::EndSession { at: at(second), session: session(1) };
        let ended = IdentityEvent::SessionEnded { at: at(5), session: session(1) };
        given::<Identity>(&[]).when(&end(5)).then(std::slice::from_ref(&ended));
        given::<Identity>(std::slice::from_ref(&ended)).when(&end(6)).then(&[]);
        let all = IdentityEvent::SessionsEnded { at: at(9), but: Some(session(2)) };
        let state = given::<Identity>(&[ended, all]).state();
        assert!(state.has_ended(session(1), at(99)), "ended by itself");
        assert!(state.has_ended(session(3), at(9)) && !state.has_ended(session(3), at(10)));
        assert!(!state.has_ended(session(2), at(1)), "the one that was kept");
    }

    #[test]
    fn a_second_factor_is_enrolled_once_and_ends_other_sessions() {
        let (one, other) = (EnrolmentId(1), EnrolmentId(2));
        let enrol =
            |enrolment| IdentityCommand::EnrolTotp { at: at(9), enrolment, but: session(2) };
        let enrolled = IdentityEvent::TotpEnrolled { at: at(9), enrolment: one, but: session(2) };
        given::<Identity>(&[]).when(&enrol(one)).then(std::slice::from_ref(&enrolled));
        let history = [enrolled];
        given::<Identity>(&history).when(&enrol(one)).then(&[]);
        given::<Identity>(&history)
            .when(&enrol(other))
            .then_refused(&IdentityRefusal::AlreadyEnrolled);
        let state = given::<Identity>(&history).state();
        assert!(state.totp() == Some(one) && state.matters_at(at(99_999)));
        assert!(state.has_ended(session(3), at(9)) && !state.has_ended(session(2), at(1)));
    }

    #[test]
    fn a_second_factor_is_removed_if_it_is_the_one_that_is_meant() {
        let (one, other) = (EnrolmentId(1), EnrolmentId(2));
        let remove = |only| IdentityCommand::RemoveTotp { at: at(10), only, but: None };
        let removed = IdentityEvent::TotpRemoved { at: at(10), enrolment: one, but: None };
        let history = [IdentityEvent::TotpEnrolled { at: at(9), enrolment: one, but: session(2) }];
        given::<Identity>(&[]).when(&remove(None)).then(&[]);
        given::<Identity>(&history).when(&remove(Some(other))).then(&[]);
        for only in [None, Some(one)] {
            given::<Identity>(&history).when(&remove(only)).then(std::slice::from_ref(&removed));
        }
        let state = given::<Identity>(&[history[0].clone(), removed]).state();
        assert!(state.totp().is_none() && state.has_ended(session(2), at(10)));
    }

    #[test]
    fn a_note_is_numbered_and_is_taken_away_once() {
        let added = |number| IdentityEvent::NoteAdded { at: at(1), number };
        let removed = IdentityEvent::NoteRemoved { at: at(2), number: 1 };
        let (add, remove) = (IdentityCommand::AddNote { at: at(1) }, |number| {
            IdentityCommand::RemoveNote { at: at(2), number }
        });
        given::<Identity>(&[]).when(&add).then(&[added(1)]);
        given::<Identity>(&[added(1)]).when(&remove(1)).then(std::slice::from_ref(&removed));
        let history = [added(1), removed];
        given::<Identity>(&history).when(&remove(1)).then(&[]);
        given::<Identity>(&history).when(&add).then(&[added(2)]);
        for stranger in [0, 2] {
            given::<Identity>(&history)
                .when(&remove(stranger))
                .then_refused(&IdentityRefusal::NoSuchNote);
        }
        let many: Vec<_> = (1..).take(MOST_NOTES).map(added).collect();
        given::<Identity>(&many).when(&add).then_refused(&IdentityRefusal::TooManyNotes);
    }

    #[test]
    fn whoever_is_erased_is_nobody_from_then_on() {
        let erased = IdentityEvent::Erased { at: at(1) };
        let done = IdentityEvent::ErasureCompleted { at: at(2) };
        let (erase, complete) =
            (IdentityCommand::Erase { at: at(1) }, IdentityCommand::CompleteErasure { at: at(2) });
        given::<Identity>(&[]).when(&complete).then(&[]);
        given::<Identity>(&[]).when(&erase).then(std::slice::from_ref(&erased));
        let history = [erased.clone()];
        given::<Identity>(&history).when(&erase).then(&[]);
        given::<Identity>(&history).when(&complete).then(std::slice::from_ref(&done));
        given::<Identity>(&[erased, done]).when(&complete).then(&[]);
        let state = given::<Identity>(&history).state();
        assert!(state.has_ended(session(1), at(99)), "also what begins later");
        assert!(state.matters_at(at(60)) && !state.matters_at(at(3_601)));
        for ask in [
            IdentityCommand::Ban { at: at(3), until: None },
            IdentityCommand::AddNote { at: at(3) },
            IdentityCommand::ChangeRank { at: at(3), rank: Rank::Vip },
        ] {
            given::<Identity>(&history).when(&ask).then_refused(&IdentityRefusal::Erased);
        }
    }

    #[test]
    fn somebody_of_the_staff_is_not_erased() {
        let role = |role: &str| IdentityEvent::RoleGiven { at: at(1), role: role.parse().unwrap() };
        let erase = IdentityCommand::Erase { at: at(2) };
        given::<Identity>(&[role("support")])
            .when(&erase)
            .then_refused(&IdentityRefusal::OfTheStaff);
        given::<Identity>(&[role("support"), role("player")])
            .when(&erase)
            .then(&[IdentityEvent::Erased { at: at(2) }]);
    }
}
