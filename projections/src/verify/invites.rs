//! Whether invites let in whom they may: never more than there are uses, nobody after they were closed
//! or ran out, and for each use one account, opened right behind it.

use std::collections::HashMap;

use domain::account::AccountEvent;
use domain::aggregate::Aggregate;
use domain::event::ClubEvent;
use domain::id::{InviteCode, PlayerId};
use domain::invite::{Invite, InviteCommand, InviteEvent};

use super::play::decided;
use super::{Check, Findings, Verdict};

#[derive(Default)]
pub(super) struct Invites {
    invites: HashMap<InviteCode, Invite>,
    /// The use whose account has to come next.
    awaited: Option<Use>,
}

#[derive(Clone, Copy)]
struct Use {
    position: u64,
    code: InviteCode,
    player: PlayerId,
}

impl Invites {
    /// What was decided about an invite: as the invite was then, it is decided once more.
    pub(super) fn take(&mut self, position: u64, code: InviteCode, event: &InviteEvent) -> Verdict {
        let invite = self.invites.entry(code).or_default();
        let verdict = decided(invite, &asked(event), event);
        invite.evolve(event);
        if let InviteEvent::InviteUsed { player, .. } = *event {
            self.awaited = Some(Use { position, code, player });
        }
        verdict.map_err(|why| (Check::Invite, format!("invite {code}: {why}")))
    }

    /// Every event, before anything else is made of it: behind a use stands the account that was
    /// opened with it.
    pub(super) fn behind_a_use(&mut self, event: &ClubEvent, findings: &mut Findings) {
        let Some(awaited) = self.awaited.take() else { return };
        let is_opened = matches!(event, ClubEvent::Account(player, AccountEvent::AccountOpened { .. })
            if *player == awaited.player);
        if !is_opened {
            alone(awaited, findings);
        }
    }

    /// What can only be said when the whole log was read.
    pub(super) fn end(&self, findings: &mut Findings) {
        if let Some(awaited) = self.awaited {
            alone(awaited, findings);
        }
    }
}

fn alone(Use { position, code, player }: Use, findings: &mut Findings) {
    let message =
        format!("invite {code} was used for player {player}, and no account opened with it");
    findings.add(position, Check::Invite, message);
}

/// What was asked when this happened.
fn asked(event: &InviteEvent) -> InviteCommand {
    match *event {
        InviteEvent::InviteCreated { at, terms } => InviteCommand::Create { at, terms },
        InviteEvent::InviteDeactivated { at } => InviteCommand::Deactivate { at },
        InviteEvent::InviteUsed { at, player } => InviteCommand::Use { at, player },
        InviteEvent::InviteLapsed { at, player } => InviteCommand::Lapse { at, player },
    }
}
