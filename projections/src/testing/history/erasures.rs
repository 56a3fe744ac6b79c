//! Guests who come for a while, of whom the staff writes notes, and who then want to be forgotten.

use domain::account::AccountCommand;
use domain::identity::{Details, IdentityCommand};
use domain::stored::StoredEvent;
use rand::Rng;

use super::{History, gold};

/// Numbers that no other player has.
const FIRST_GUEST: i64 = 1_000_000;

impl History {
    /// Now and then somebody comes, or does what comes next.
    pub(super) fn come_and_go(&mut self, out: &mut Vec<StoredEvent>) {
        let at = self.now();
        if self.guests == 0 || self.random_invites.random_ratio(1, 2_000) {
            self.guests += 1;
            let open = AccountCommand::Open { at, bonus: gold(1_000) };
            self.ask(FIRST_GUEST + self.guests, &open, out);
        }
        if !self.random_invites.random_ratio(1, 100) {
            return;
        }
        let guest = FIRST_GUEST + self.guests;
        let identity = self.identities.entry(guest).or_default();
        let command = match self.random_invites.random_range(0..24) {
            0..8 => IdentityCommand::AddNote { at },
            8..14 => {
                IdentityCommand::RemoveNote { at, number: self.random_invites.random_range(1..4) }
            }
            14..20 => {
                let details = Details { nickname: true, ..Details::default() };
                IdentityCommand::EditDetails { at, details }
            }
            20..22 => IdentityCommand::CompleteErasure { at },
            _ => {
                if identity.ask(guest, &IdentityCommand::Erase { at }, out) {
                    self.ask(guest, &AccountCommand::Close { at }, out);
                }
                return;
            }
        };
        identity.ask(guest, &command, out);
    }
}
