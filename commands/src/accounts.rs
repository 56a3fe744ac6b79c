//! What is asked of accounts: opening, spending, looking.

use domain::account::{Account, AccountCommand, AccountEvent, AccountRefusal};
use domain::id::PlayerId;
use domain::money::{Gold, Wallet};
use domain::stored::Place;

use crate::Commands;
use crate::bus::{Answer, Committed, Failure, Request, Unavailable};
use crate::context::Caller;
use crate::erasure::insist_on_not_erased;
use crate::world::World;

/// Gold for signing up.
pub const SIGN_UP_BONUS: u64 = 1_000;

/// The answer to spending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpendAnswer {
    /// How much gold was spent.
    pub spent: u64,
    /// The wallet after it.
    pub wallet: Wallet,
}

impl Commands {
    /// Opens a player's account with the sign-up bonus, and without an invite: for the club itself, and
    /// for who signed up before uses were counted. Asking again does nothing.
    ///
    /// # Errors
    /// As every command: see [`Failure`].
    pub async fn open_account(
        &self,
        caller: &Caller,
        player: PlayerId,
    ) -> Result<Committed, Failure<AccountRefusal>> {
        let command = AccountCommand::Open { at: self.clock.now(), bonus: sign_up_bonus() };
        let decide = move |world: &mut World<'_>| {
            insist_on_not_erased(world, player)?;
            world.decide::<Account>(player, &command)
        };
        self.bus.execute(Request::new(caller, Some(player)), decide).await
    }

    /// Spends a player's gold.
    ///
    /// # Errors
    /// If there is not enough.
    pub async fn spend(
        &self,
        caller: &Caller,
        player: PlayerId,
        reference: &str,
        gold: Gold,
    ) -> Result<Answer<SpendAnswer>, Failure<AccountRefusal>> {
        let command = AccountCommand::Spend {
            at: self.clock.now(),
            reference: reference.to_owned(),
            gold,
            order: self.policy.spend_order,
        };
        let fingerprint = self.fingerprints.fingerprint("spend", &(player, reference, gold));
        let request = Request::new(caller, Some(player)).keyed(fingerprint);
        let committed = self
            .bus
            .execute(request, move |world| world.decide::<Account>(player, &command))
            .await?;
        committed.answer(|event: &AccountEvent| match event {
            AccountEvent::GoldSpent { movement, .. } => {
                Some(SpendAnswer { spent: movement.gold.total(), wallet: movement.balance })
            }
            _ => None,
        })
    }

    /// A player's wallet from the node's own state, and the place in the log it is true at. `None`
    /// if nobody has opened the account.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn wallet(&self, player: PlayerId) -> Result<(Option<Wallet>, Place), Unavailable> {
        let look = |account: &Account| account.is_open().then(|| account.wallet());
        self.bus.look::<Account, _>(player, look).await
    }
}

/// What is given for signing up.
pub(crate) fn sign_up_bonus() -> Gold {
    Gold::new(SIGN_UP_BONUS).unwrap_or_default()
}
