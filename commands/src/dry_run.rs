//! What a command would write. It is decided like any other, on the same states and under the same rules,
//! and then thrown away: so it cannot differ from what the command writes, unless something happens in
//! between.

use domain::account::Account;
use domain::aggregate::Aggregate;
use domain::id::PlayerId;
use domain::money::Wallet;
use domain::stored::StoredEvent;

use crate::cache::{Cache, StreamKey};
use crate::world::Draft;

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct DryRun {
    /// The events, in order.
    pub events: Vec<StoredEvent>,
    /// The wallets that would change.
    pub balances: Vec<BalanceChange>,
}

/// A wallet that would change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BalanceChange {
    /// Whose.
    pub player: PlayerId,
    /// As it is.
    pub before: Wallet,
    /// As it would be.
    pub after: Wallet,
}

impl DryRun {
    /// Of a draft on these states.
    pub(crate) fn of(draft: &Draft, cache: &mut Cache) -> Self {
        let mut accounts: Vec<&StreamKey> = Vec::new();
        for written in draft.written.iter().filter(|it| it.stream.aggregate_type == Account::TYPE) {
            if !accounts.contains(&&written.stream) {
                accounts.push(&written.stream);
            }
        }
        let changes = accounts.into_iter().filter_map(|stream| change(draft, stream, cache));
        let balances = changes.filter(|change| change.before != change.after).collect();
        Self {
            events: draft.written.iter().map(|written| written.event.clone()).collect(),
            balances,
        }
    }
}

fn change(draft: &Draft, stream: &StreamKey, cache: &mut Cache) -> Option<BalanceChange> {
    let player = stream.aggregate_id.parse().ok()?;
    let mut version = cache.fork(stream)?;
    let before = version.typed::<Account>()?.0.wallet();
    draft.events_of(stream).for_each(|written| version.evolve(written.typed.as_ref()));
    let after = version.typed::<Account>()?.0.wallet();
    Some(BalanceChange { player, before, after })
}
