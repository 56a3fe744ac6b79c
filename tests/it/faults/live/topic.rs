//! What a channel promises, as a test can hold it against the log: its state at every position, and
//! how many messages of which type there are about it. Another channel is another [`Topic`].

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::ops::Bound;

use domain::account::Account;
use domain::aggregate::Aggregate;
use domain::event::ClubEvent;
use domain::id::PlayerId;
use domain::money::Wallet;
use serde_json::Value;
use tests::live::{self, Update};

use crate::log::Entry;

/// A channel, and what a screen makes of it.
pub trait Topic: 'static {
    /// Its name.
    const CHANNEL: &'static str;
    /// Types of messages that are counted, each of which must come exactly once …
    const COUNTED: &'static [&'static str];
    /// … but of these the older may be left out where a newer one has come.
    const REPLACED: &'static [&'static str];
    /// What a screen shows.
    type Shown: Clone + Debug + PartialEq + Send;

    /// A whole state.
    fn begin(state: &live::State) -> Self::Shown;

    /// Takes over what a message says.
    fn take(shown: &mut Self::Shown, update: &Update);
}

/// What the log says of a channel, for one of those who listen to it.
#[derive(Debug)]
pub struct Truth<S> {
    shown: BTreeMap<u64, S>,
    told: BTreeMap<u64, Vec<&'static str>>,
}

impl<S: Default + Clone> Truth<S> {
    /// What is to be seen at a position.
    pub fn at(&self, position: u64) -> S {
        let until = self.shown.range(..=position).next_back();
        until.map(|(_, shown)| shown.clone()).unwrap_or_default()
    }

    /// What is told after one position, up to another.
    pub fn told(&self, after: u64, until: u64) -> impl Iterator<Item = (u64, &'static str)> {
        let between = self.told.range((Bound::Excluded(after), Bound::Included(until.max(after))));
        between.flat_map(|(position, kinds)| kinds.iter().map(|kind| (*position, *kind)))
    }
}

/// The own account.
pub struct Me;

impl Topic for Me {
    const CHANNEL: &'static str = "me";
    const COUNTED: &'static [&'static str] = &["balance_update", "purchase_update"];
    const REPLACED: &'static [&'static str] = &["balance_update"];
    type Shown = Wallet;

    fn begin(state: &live::State) -> Wallet {
        match state {
            live::State::Me(wallet) => whole(wallet),
            live::State::Other(state) => panic!("{state}"),
        }
    }

    fn take(shown: &mut Wallet, update: &Update) {
        if let Update::Balance(wallet) = update {
            *shown = whole(wallet);
        }
    }
}

fn whole(wallet: &live::Wallet) -> Wallet {
    assert_eq!(wallet.gold, wallet.gold_paid + wallet.gold_free, "{wallet:?}");
    Wallet {
        paid: wallet.gold_paid,
        free: wallet.gold_free,
        debt: wallet.debt,
        vip_points: wallet.vip_points,
    }
}

/// Every account's truth: balances as the aggregate comes to them, messages by the stored text alone.
pub fn accounts(log: &[Entry]) -> HashMap<i64, Truth<Wallet>> {
    let mut accounts: HashMap<PlayerId, Account> = HashMap::new();
    let mut truths: HashMap<i64, Truth<Wallet>> = HashMap::new();
    for Entry { recorded, .. } in log {
        if &*recorded.event.aggregate_type != Account::TYPE {
            continue;
        }
        let Ok(ClubEvent::Account(player, event)) = ClubEvent::decode(recorded) else {
            panic!("{recorded:?}")
        };
        let account = accounts.entry(player).or_default();
        account.evolve(&event);
        let truth = truths
            .entry(player.0)
            .or_insert_with(|| Truth { shown: BTreeMap::new(), told: BTreeMap::new() });
        let position = recorded.place.position;
        truth.shown.insert(position, account.wallet());
        let payload: Value = serde_json::from_str(&recorded.event.payload).unwrap();
        truth.told.insert(position, kinds(&recorded.event.event_type, &payload));
    }
    truths
}

/// The counted messages about an event.
fn kinds(event_type: &str, payload: &Value) -> Vec<&'static str> {
    let is_purchase = event_type.starts_with("purchase_")
        || ["refund_requested", "refund_failed", "late_capture_refunded", "benefit_purchased"]
            .contains(&event_type);
    let moves = payload.get("movement").is_some() || payload.get("balance").is_some();
    let mut kinds = Vec::new();
    kinds.extend(is_purchase.then_some("purchase_update"));
    kinds.extend(moves.then_some("balance_update"));
    kinds
}
