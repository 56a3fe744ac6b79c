//! What an application keeps of `me`: the last balance that it was told, whole.

use super::client::Change;
use super::messages::{State, Update, Wallet};

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Mirror {
    wallet: Option<Wallet>,
}

impl Mirror {
    /// Takes over what a change says.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::State { state: State::Me(wallet), .. }
            | Change::Told { update: Update::Balance(wallet), .. } => {
                self.wallet = Some(wallet.clone());
            }
            _ => {}
        }
    }

    /// The balance; none before the first state.
    #[must_use]
    pub fn wallet(&self) -> Option<&Wallet> {
        self.wallet.as_ref()
    }
}
