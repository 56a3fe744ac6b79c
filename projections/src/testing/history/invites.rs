//! Invites, and who comes in with them.

use domain::account::AccountCommand;
use domain::id::{InviteCode, PlayerId};
use domain::invite::{InviteCommand, InviteTerms};
use domain::stored::StoredEvent;
use rand::Rng;

use super::{History, gold};

/// Codes that may be there.
const CODES: u32 = 12;

impl History {
    /// Whose invite is good comes in with it: its use and the account stand side by side.
    pub(super) fn sign_up(&mut self, player: i64, out: &mut Vec<StoredEvent>) {
        let (at, code) = (self.now(), self.code_of_invite());
        let admit = InviteCommand::Use { at, player: PlayerId(player) };
        self.invites.entry(code).or_default().ask(code, &admit, out);
        self.ask(player, &AccountCommand::Open { at, bonus: gold(1_000) }, out);
    }

    /// Now and then makes one, closes one, or gives a sign-up up that was on its way with one.
    pub(super) fn run_invites(&mut self, out: &mut Vec<StoredEvent>) {
        if !self.random_invites.random_ratio(1, 60) {
            return;
        }
        let (at, code) = (self.now(), self.code_of_invite());
        let command = match self.random_invites.random_range(0..6) {
            0 => InviteCommand::Deactivate { at },
            1 => {
                // Numbers that nobody has.
                let player = PlayerId(self.players + self.random_invites.random_range(1..100));
                InviteCommand::Lapse { at, player }
            }
            _ => {
                let max_uses = self.random_invites.random_bool(0.7).then_some(4);
                InviteCommand::Create { at, terms: InviteTerms { max_uses, expires_at: None } }
            }
        };
        self.invites.entry(code).or_default().ask(code, &command, out);
    }

    fn code_of_invite(&mut self) -> InviteCode {
        format!("HALL-{}", self.random_invites.random_range(0..CODES)).parse().unwrap()
    }
}
