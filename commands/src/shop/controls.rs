//! What players set against spending too much.

use chrono::{DateTime, Utc};
use domain::account::{Account, AccountCommand, AccountRefusal, Controls, SpendLock};
use domain::id::PlayerId;
use domain::money::Cents;

use crate::Commands;
use crate::bus::{Answer, Failure, Request, Unavailable};
use crate::context::Caller;
use crate::world::World;

/// A player's protections at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpendControls {
    /// How much real money a month may cost; no limit, if not given.
    pub monthly_cents: Option<Cents>,
    /// The limit to come, and from when on it counts.
    pub next: Option<(Option<Cents>, DateTime<Utc>)>,
    /// What this month has cost so far, purchases under way included.
    pub spent_cents: Cents,
    /// The pause in force.
    pub pause: Option<SpendLock>,
}

impl SpendControls {
    fn of(controls: &Controls, at: DateTime<Utc>) -> Self {
        Self {
            monthly_cents: controls.limit_at(at),
            next: controls.next_limit(at),
            spent_cents: controls.spent_in_month(at),
            pause: controls.pause_at(at),
        }
    }
}

impl Commands {
    /// A player's protections from the node's own state.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn spend_controls(
        &self,
        player: PlayerId,
    ) -> Result<Answer<SpendControls>, Unavailable> {
        let now = self.clock.now();
        let look = |account: &Account| SpendControls::of(account.controls(), now);
        let (body, place) = self.bus.look::<Account, _>(player, look).await?;
        Ok(Answer { body, position: place.position, replayed: false })
    }

    /// Sets how much real money a month may cost: less at once, more after a day.
    ///
    /// # Errors
    /// If there is no such account.
    pub async fn set_spend_limit(
        &self,
        caller: &Caller,
        player: PlayerId,
        monthly_cents: Option<Cents>,
    ) -> Result<Answer<SpendControls>, Failure<AccountRefusal>> {
        let command = AccountCommand::SetSpendLimit { at: self.clock.now(), monthly_cents };
        self.protect(caller, player, command).await
    }

    /// Spends nothing until then.
    ///
    /// # Errors
    /// `PauseCannotBeShortened`.
    pub async fn cool_off(
        &self,
        caller: &Caller,
        player: PlayerId,
        until: DateTime<Utc>,
    ) -> Result<Answer<SpendControls>, Failure<AccountRefusal>> {
        let command = AccountCommand::CoolOff { at: self.clock.now(), until };
        self.protect(caller, player, command).await
    }

    /// Spends nothing until then; never again, without a time.
    ///
    /// # Errors
    /// `PauseCannotBeShortened`.
    pub async fn exclude_self(
        &self,
        caller: &Caller,
        player: PlayerId,
        until: Option<DateTime<Utc>>,
    ) -> Result<Answer<SpendControls>, Failure<AccountRefusal>> {
        let command = AccountCommand::ExcludeSelf { at: self.clock.now(), until };
        self.protect(caller, player, command).await
    }

    /// Protections are settings: asking twice sets the same, so no key is bound to them.
    async fn protect(
        &self,
        caller: &Caller,
        player: PlayerId,
        command: AccountCommand,
    ) -> Result<Answer<SpendControls>, Failure<AccountRefusal>> {
        let request = Request::new(caller, Some(player));
        let decide = move |world: &mut World<'_>| world.decide::<Account>(player, &command);
        let done = self.bus.execute(request, decide).await?;
        let present = self.spend_controls(player).await?;
        Ok(Answer { position: present.position.max(done.place.position), ..present })
    }
}
