//! An invite: a code that lets people sign up, so often and for so long.
//!
//! A use is decided here, in the same append as the opening of the account it is for: it is counted
//! once, and there are never more of them than there may be. Who was promised a use and never came is
//! remembered ([`InviteEvent::InviteLapsed`]), so that whoever gets the names can rely on it.
//!
//! Stored names in this file are forever; old shapes are kept in `domain/fixtures`.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Event};
use crate::id::{InviteCode, PlayerId};

/// What has happened to an invite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InviteEvent {
    /// It was made.
    InviteCreated {
        /// When.
        at: DateTime<Utc>,
        /// How often and for how long it lets people in.
        terms: InviteTerms,
    },
    /// It lets nobody in any more.
    InviteDeactivated {
        /// When.
        at: DateTime<Utc>,
    },
    /// Somebody came in with it.
    InviteUsed {
        /// When.
        at: DateTime<Utc>,
        /// Whose account was opened.
        player: PlayerId,
    },
    /// Somebody was on the way in with it and will never come: their names are free again.
    InviteLapsed {
        /// When.
        at: DateTime<Utc>,
        /// Whose account will not be opened.
        player: PlayerId,
    },
}

impl Event for InviteEvent {
    fn event_type(&self) -> &'static str {
        match self {
            Self::InviteCreated { .. } => "invite_created",
            Self::InviteDeactivated { .. } => "invite_deactivated",
            Self::InviteUsed { .. } => "invite_used",
            Self::InviteLapsed { .. } => "invite_lapsed",
        }
    }

    fn current_version(_event_type: &str) -> &'static str {
        "1"
    }
}

/// How often and for how long an invite lets people in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InviteTerms {
    /// How often; any number, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_uses: Option<u32>,
    /// The first moment at which it no longer does; never, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
}

/// What may be asked of an invite.
#[derive(Debug, Clone)]
pub enum InviteCommand {
    /// Make it; asking again with the same terms does nothing.
    Create {
        /// When.
        at: DateTime<Utc>,
        /// How often and for how long it lets people in.
        terms: InviteTerms,
    },
    /// Let nobody in any more; asking again does nothing.
    Deactivate {
        /// When.
        at: DateTime<Utc>,
    },
    /// Let somebody in whose account is opened with it. Whoever asks sees to it that this is not so
    /// already.
    Use {
        /// When.
        at: DateTime<Utc>,
        /// Whose account.
        player: PlayerId,
    },
    /// Never let this player in, who was on the way. Whoever asks sees to it that the account is not
    /// open.
    Lapse {
        /// When.
        at: DateTime<Utc>,
        /// Whose account.
        player: PlayerId,
    },
}

/// Why an invite does not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InviteRefusal {
    /// Nobody has made it.
    #[error("there is no such invite code")]
    NotFound,
    /// It is there with other terms.
    #[error("the invite code is there already, with other terms: choose another")]
    AlreadyCreated,
    /// It would never have let anybody in.
    #[error("expected a moment that is still to come")]
    OverAlready,
    /// The staff has closed it.
    #[error("this invite code is not valid: ask whoever invited you")]
    Deactivated,
    /// Its time is over.
    #[error("this invite code is not valid: ask whoever invited you")]
    Expired,
    /// Its uses are gone.
    #[error("this invite code is used up: ask whoever invited you for another")]
    Exhausted,
    /// This player came too late: the names were given back.
    #[error("this sign-up was given up meanwhile: sign up anew")]
    Lapsed,
}

/// An invite as its stream tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    created: Option<(DateTime<Utc>, InviteTerms)>,
    deactivated_at: Option<DateTime<Utc>>,
    uses: u64,
    lapsed: BTreeSet<PlayerId>,
}

impl Invite {
    /// When it was made, and its terms.
    #[must_use]
    pub fn created(&self) -> Option<(DateTime<Utc>, InviteTerms)> {
        self.created
    }

    /// Since when it lets nobody in.
    #[must_use]
    pub fn deactivated_at(&self) -> Option<DateTime<Utc>> {
        self.deactivated_at
    }

    /// How many have come in with it.
    #[must_use]
    pub fn uses(&self) -> u64 {
        self.uses
    }

    /// Whether it lets one more in.
    ///
    /// # Errors
    /// Why not.
    pub fn admits(&self, at: DateTime<Utc>) -> Result<(), InviteRefusal> {
        let (_, terms) = self.created.ok_or(InviteRefusal::NotFound)?;
        if self.deactivated_at.is_some() {
            return Err(InviteRefusal::Deactivated);
        }
        if terms.expires_at.is_some_and(|end| at >= end) {
            return Err(InviteRefusal::Expired);
        }
        if terms.max_uses.is_some_and(|most| self.uses >= u64::from(most)) {
            return Err(InviteRefusal::Exhausted);
        }
        Ok(())
    }

    fn create(
        &self,
        at: DateTime<Utc>,
        terms: InviteTerms,
    ) -> Result<Vec<InviteEvent>, InviteRefusal> {
        match self.created {
            None if terms.expires_at.is_some_and(|end| at >= end) => {
                Err(InviteRefusal::OverAlready)
            }
            None => Ok(vec![InviteEvent::InviteCreated { at, terms }]),
            Some((_, same)) if same == terms => Ok(vec![]),
            Some(_) => Err(InviteRefusal::AlreadyCreated),
        }
    }

    fn deactivate(&self, at: DateTime<Utc>) -> Result<Vec<InviteEvent>, InviteRefusal> {
        match (self.created, self.deactivated_at) {
            (None, _) => Err(InviteRefusal::NotFound),
            (Some(_), Some(_)) => Ok(vec![]),
            (Some(_), None) => Ok(vec![InviteEvent::InviteDeactivated { at }]),
        }
    }

    fn admit(
        &self,
        at: DateTime<Utc>,
        player: PlayerId,
    ) -> Result<Vec<InviteEvent>, InviteRefusal> {
        if self.lapsed.contains(&player) {
            return Err(InviteRefusal::Lapsed);
        }
        self.admits(at)?;
        Ok(vec![InviteEvent::InviteUsed { at, player }])
    }

    /// A code that is not there has nothing to remember: nobody comes in with it.
    fn lapse(&self, at: DateTime<Utc>, player: PlayerId) -> Vec<InviteEvent> {
        if self.created.is_none() || self.lapsed.contains(&player) {
            return vec![];
        }
        vec![InviteEvent::InviteLapsed { at, player }]
    }
}

impl Aggregate for Invite {
    const TYPE: &'static str = "invite";
    /// One code may let in as many as there are.
    const SNAPSHOT: Option<i32> = Some(1);
    type Id = InviteCode;
    type Command = InviteCommand;
    type Event = InviteEvent;
    type Refusal = InviteRefusal;

    fn decide(&self, command: &InviteCommand) -> Result<Vec<InviteEvent>, InviteRefusal> {
        match *command {
            InviteCommand::Create { at, terms } => self.create(at, terms),
            InviteCommand::Deactivate { at } => self.deactivate(at),
            InviteCommand::Use { at, player } => self.admit(at, player),
            InviteCommand::Lapse { at, player } => Ok(self.lapse(at, player)),
        }
    }

    fn evolve(&mut self, event: &InviteEvent) {
        match *event {
            InviteEvent::InviteCreated { at, terms } => self.created = Some((at, terms)),
            InviteEvent::InviteDeactivated { at } => self.deactivated_at = Some(at),
            InviteEvent::InviteUsed { .. } => self.uses = self.uses.saturating_add(1),
            InviteEvent::InviteLapsed { player, .. } => {
                self.lapsed.insert(player);
            }
        }
    }

    fn weight(&self) -> usize {
        size_of::<Self>() + self.lapsed.len() * 16
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, given};

    const ONCE: InviteTerms = InviteTerms { max_uses: Some(1), expires_at: None };

    fn created(terms: InviteTerms) -> InviteEvent {
        InviteEvent::InviteCreated { at: at(0), terms }
    }

    fn used(player: i64) -> InviteEvent {
        InviteEvent::InviteUsed { at: at(1), player: PlayerId(player) }
    }

    fn lets_in(player: i64) -> InviteCommand {
        InviteCommand::Use { at: at(1), player: PlayerId(player) }
    }

    #[test]
    fn the_last_use_is_given_once() {
        given::<Invite>(&[created(ONCE)]).when(&lets_in(25)).then(&[used(25)]);
        let history = [created(ONCE), used(25)];
        given::<Invite>(&history).when(&lets_in(26)).then_refused(&InviteRefusal::Exhausted);
    }

    #[test]
    fn without_a_limit_everybody_comes_in() {
        let terms = InviteTerms::default();
        given::<Invite>(&[created(terms), used(25)]).when(&lets_in(26)).then(&[used(26)]);
    }

    #[test]
    fn a_code_that_nobody_made_or_that_is_closed_or_over_opens_nothing() {
        given::<Invite>(&[]).when(&lets_in(25)).then_refused(&InviteRefusal::NotFound);
        let closed = [created(ONCE), InviteEvent::InviteDeactivated { at: at(0) }];
        given::<Invite>(&closed).when(&lets_in(25)).then_refused(&InviteRefusal::Deactivated);
        let over = [created(InviteTerms { max_uses: None, expires_at: Some(at(1)) })];
        given::<Invite>(&over).when(&lets_in(25)).then_refused(&InviteRefusal::Expired);
    }

    #[test]
    fn whose_names_were_given_back_does_not_come_in_and_others_do() {
        let lapse = InviteCommand::Lapse { at: at(1), player: PlayerId(25) };
        let lapsed = InviteEvent::InviteLapsed { at: at(1), player: PlayerId(25) };
        given::<Invite>(&[created(ONCE)]).when(&lapse).then(std::slice::from_ref(&lapsed));
        let history = [created(ONCE), lapsed];
        given::<Invite>(&history).when(&lapse).then(&[]);
        given::<Invite>(&history).when(&lets_in(25)).then_refused(&InviteRefusal::Lapsed);
        given::<Invite>(&history).when(&lets_in(26)).then(&[used(26)]);
        given::<Invite>(&[]).when(&lapse).then(&[]);
    }

    #[test]
    fn it_is_made_once_and_closed_once() {
        let create = |terms| InviteCommand::Create { at: at(0), terms };
        given::<Invite>(&[]).when(&create(ONCE)).then(&[created(ONCE)]);
        given::<Invite>(&[created(ONCE)]).when(&create(ONCE)).then(&[]);
        let other = create(InviteTerms::default());
        given::<Invite>(&[created(ONCE)]).when(&other).then_refused(&InviteRefusal::AlreadyCreated);
        let over = create(InviteTerms { max_uses: None, expires_at: Some(at(0)) });
        given::<Invite>(&[]).when(&over).then_refused(&InviteRefusal::OverAlready);
        let deactivate = InviteCommand::Deactivate { at: at(2) };
        let deactivated = InviteEvent::InviteDeactivated { at: at(2) };
        given::<Invite>(&[]).when(&deactivate).then_refused(&InviteRefusal::NotFound);
        given::<Invite>(&[created(ONCE)])
            .when(&deactivate)
            .then(std::slice::from_ref(&deactivated));
        given::<Invite>(&[created(ONCE), deactivated]).when(&deactivate).then(&[]);
    }
}
