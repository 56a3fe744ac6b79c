//! What is asked of accounts: opening, granting, spending, looking.

use domain::account::{Account, AccountCommand, AccountEvent, AccountRefusal};
use domain::id::{PlayerId, ReceiptCode};
use domain::money::{Gold, Wallet};
use domain::stored::Place;
use serde::Serialize;

use crate::Commands;
use crate::bus::{Answer, Committed, Failure, Request, Unavailable};
use crate::context::Caller;
use crate::world::World;

/// Gold for signing up.
pub const SIGN_UP_BONUS: u64 = 1_000;

/// A grant by an admin.
#[derive(Debug, Clone, Serialize)]
pub struct Grant {
    /// To whom.
    pub player: PlayerId,
    /// What.
    pub what: Granted,
    /// Why; kept beside the log, where it can be erased.
    pub reason: String,
}

/// What a grant gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Granted {
    /// Gold, of the free kind.
    Gold(Gold),
    /// Vip points.
    VipPoints(u64),
}

/// The answer to a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrantAnswer {
    /// The grant's receipt.
    pub receipt_code: ReceiptCode,
    /// How much gold or how many vip points were added.
    pub granted: u64,
    /// The wallet after it.
    pub wallet: Wallet,
}

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
        let request = Request::new(caller, Some(player));
        self.bus.execute(request, move |world| world.decide::<Account>(player, &command)).await
    }

    /// Gives gold or vip points.
    ///
    /// # Errors
    /// If there is no such account or nothing would move.
    pub async fn grant(
        &self,
        caller: &Caller,
        grant: Grant,
    ) -> Result<Answer<GrantAnswer>, Failure<AccountRefusal>> {
        let at = self.clock.now();
        let receipt_code = self.codes.next().await?.receipt_code;
        let command = match grant.what {
            Granted::Gold(gold) => AccountCommand::GrantGold { at, receipt_code, gold },
            Granted::VipPoints(vip_points) => {
                AccountCommand::GrantVipPoints { at, receipt_code, vip_points }
            }
        };
        let player = grant.player;
        let request = Request::new(caller, Some(player))
            .keyed(self.fingerprints.fingerprint("grant", &grant))
            .with_text(grant.reason);
        let decide = move |world: &mut World<'_>| world.decide::<Account>(player, &command);
        let committed = self.bus.execute(request, decide).await?;
        committed.answer(grant_answer)
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

fn grant_answer(event: &AccountEvent) -> Option<GrantAnswer> {
    let (receipt_code, granted, wallet) = match event {
        AccountEvent::GoldGranted { receipt_code, movement, .. } => {
            (*receipt_code, movement.gold.total(), movement.balance)
        }
        AccountEvent::VipPointsGranted { receipt_code, vip_points, balance, .. } => {
            (*receipt_code, *vip_points, *balance)
        }
        _ => return None,
    };
    Some(GrantAnswer { receipt_code, granted, wallet })
}
