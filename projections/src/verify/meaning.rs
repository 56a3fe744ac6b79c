//! Does it make sense: every event readable, streams numbered without a gap, balances that follow
//! from each other, purchases that end once, books that add up to zero.

use std::collections::HashMap;

use domain::account::{Account, AccountEvent, Direction, LedgerEntry};
use domain::aggregate::Aggregate;
use domain::event::ClubEvent;
use domain::id::{PlayerId, ReceiptCode};
use domain::money::{Gold, GoldParts, Wallet};
use domain::stored::{self, Recorded};

use super::picture::{Pictures, Picturing};
use super::{Check, Findings, Rows, VerifyError};
use crate::follower::FollowerError;
use crate::read_models::Entry;
use crate::read_models::books::Sum;
use crate::scan::EventReader;

#[derive(Default)]
pub(super) struct Meaning {
    reader: Option<EventReader>,
    last: u64,
    players: HashMap<PlayerId, Player>,
    other_streams: HashMap<(String, String), u64>,
    purchases: HashMap<ReceiptCode, Purchase>,
    counter_accounts: Sum,
    pictures: Option<Picturing>,
    findings: Findings,
}

/// A player's account, found once for both checks.
#[derive(Default)]
struct Player {
    sequence: u64,
    wallet: Wallet,
}

struct Purchase {
    player: PlayerId,
    gold: Gold,
    ended_at: Option<u64>,
}

impl Meaning {
    /// `pictures_until`: the position at which the read models will be compared, if they will be.
    pub(super) fn new(pictures_until: Option<u64>) -> Self {
        Self { pictures: pictures_until.map(Picturing::new), ..Self::default() }
    }

    pub(super) fn take(&mut self, rows: &Rows) -> Result<(), VerifyError> {
        let mut reader = self.reader.take().unwrap_or_else(EventReader::new);
        for message in rows.iter() {
            let after = self.last;
            let event =
                reader.read(message).map_err(|source| VerifyError::Row { after, source })?;
            if let Some(recorded) = event {
                self.event(recorded)?;
            }
        }
        self.reader = Some(reader);
        if let Some(pictures) = &mut self.pictures {
            pictures.draw_what_only_grows();
        }
        Ok(())
    }

    /// The read models as the log tells them, what was found, and how many streams there are.
    pub(super) fn end(mut self) -> (Option<Pictures>, Findings, u64) {
        let wallets = self.players.values().fold(Sum::default(), |sum, Player { wallet, .. }| {
            let held = GoldParts { paid: wallet.paid, free: wallet.free };
            sum.plus(Sum::signed(Direction::Credit, held))
        });
        let rest = wallets.plus(self.counter_accounts);
        if rest != Sum::default() {
            let message = format!(
                "all wallets and the accounts against them leave {} paid and {} free gold",
                rest.paid, rest.free
            );
            self.findings.add(self.last, Check::Books, message);
        }
        let streams = (self.players.len() + self.other_streams.len()) as u64;
        (self.pictures.map(Picturing::finish), self.findings, streams)
    }

    fn event(&mut self, recorded: &Recorded) -> Result<(), VerifyError> {
        self.last = recorded.place.position;
        self.sequence(recorded);
        let entry = match Entry::read(recorded) {
            Ok(entry) => entry,
            Err(FollowerError::Decode { position, source }) => {
                self.findings.add(position, Check::Decode, source.to_string());
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        match &entry.event {
            ClubEvent::Account(player, event) => {
                self.balance(*player, event, entry.ledger.as_ref());
                self.purchase(*player, event);
            }
            ClubEvent::Product(..) => {}
        }
        if let Some(pictures) = &mut self.pictures {
            pictures.fold(self.last, &entry);
        }
        Ok(())
    }

    fn sequence(&mut self, recorded: &Recorded) {
        let event = &recorded.event;
        let (family, id) = (event.aggregate_type.as_ref(), event.aggregate_id.as_ref());
        let last = match stored::decode_id(id) {
            Ok(player) if family == Account::TYPE => {
                &mut self.players.entry(player).or_default().sequence
            }
            _ => self.other_streams.entry((family.to_owned(), id.to_owned())).or_default(),
        };
        let before = std::mem::replace(last, event.sequence);
        if event.sequence != before + 1 {
            let message =
                format!("the stream {family} {id} goes from {before} to {}", event.sequence);
            self.findings.add(self.last, Check::Sequence, message);
        }
    }

    fn balance(&mut self, player: PlayerId, event: &AccountEvent, ledger: Option<&LedgerEntry>) {
        let Some(carried) = event.wallet_after() else { return };
        let wallet = &mut self.players.entry(player).or_default().wallet;
        let before = std::mem::replace(wallet, carried);
        if let Some(entry) = ledger {
            let moved = Sum::signed(entry.direction, entry.movement.gold);
            self.counter_accounts = self.counter_accounts.plus(moved.negated());
        }
        match expected(before, event, ledger) {
            Some(expected) if expected == carried => {}
            Some(expected) => {
                let message = format!(
                    "player {player} is said to have {}, but {} follows from the event before",
                    told(carried),
                    told(expected)
                );
                self.findings.add(self.last, Check::Balance, message);
            }
            None => {
                let message = format!(
                    "player {player} had {}, and this cannot have happened to it",
                    told(before)
                );
                self.findings.add(self.last, Check::Balance, message);
            }
        }
    }

    fn purchase(&mut self, player: PlayerId, event: &AccountEvent) {
        let problem = match event {
            AccountEvent::PurchaseRequested { receipt_code, offer, .. } => {
                let purchase = Purchase { player, gold: offer.gold, ended_at: None };
                let before = self.purchases.insert(*receipt_code, purchase);
                before.map(|_| format!("the receipt {receipt_code} is used a second time"))
            }
            AccountEvent::PurchaseCompleted { receipt_code, movement, .. } => {
                self.end_of(player, *receipt_code, Some(movement.gold.total()))
            }
            AccountEvent::PurchaseFailed { receipt_code, .. }
            | AccountEvent::PurchaseVoided { receipt_code, .. } => {
                self.end_of(player, *receipt_code, None)
            }
            AccountEvent::AccountOpened { .. }
            | AccountEvent::SignUpBonusGranted { .. }
            | AccountEvent::GoldGranted { .. }
            | AccountEvent::VipPointsGranted { .. }
            | AccountEvent::GoldSpent { .. } => None,
        };
        if let Some(problem) = problem {
            self.findings.add(self.last, Check::Purchase, problem);
        }
    }

    /// Ends a purchase; answers what is wrong with that.
    fn end_of(
        &mut self,
        player: PlayerId,
        code: ReceiptCode,
        credited: Option<u64>,
    ) -> Option<String> {
        let purchase = self.purchases.get_mut(&code).filter(|known| known.player == player);
        let Some(purchase) = purchase else {
            return Some(format!("the purchase {code} ends, but player {player} never began it"));
        };
        if let Some(ended) = purchase.ended_at.replace(self.last) {
            return Some(format!("the purchase {code} had already ended at position {ended}"));
        }
        let credited = credited?;
        (credited != purchase.gold.amount()).then(|| {
            let gold = purchase.gold.amount();
            format!("the purchase {code} was for {gold} gold and credited {credited}")
        })
    }
}

/// The wallet that follows from the one before, if any does.
fn expected(before: Wallet, event: &AccountEvent, ledger: Option<&LedgerEntry>) -> Option<Wallet> {
    if let Some(LedgerEntry { direction, movement, .. }) = ledger {
        let gold = movement.gold;
        return match direction {
            Direction::Credit => before.credit(gold),
            Direction::Debit => Some(Wallet {
                paid: before.paid.checked_sub(gold.paid)?,
                free: before.free.checked_sub(gold.free)?,
                ..before
            }),
        };
    }
    match event {
        AccountEvent::VipPointsGranted { vip_points, .. } => {
            Some(Wallet { vip_points: before.vip_points.checked_add(*vip_points)?, ..before })
        }
        // These have an entry in the books, or leave the wallet alone.
        AccountEvent::SignUpBonusGranted { .. }
        | AccountEvent::GoldGranted { .. }
        | AccountEvent::GoldSpent { .. }
        | AccountEvent::PurchaseCompleted { .. }
        | AccountEvent::AccountOpened { .. }
        | AccountEvent::PurchaseRequested { .. }
        | AccountEvent::PurchaseFailed { .. }
        | AccountEvent::PurchaseVoided { .. } => Some(before),
    }
}

fn told(wallet: Wallet) -> String {
    let Wallet { paid, free, debt, vip_points } = wallet;
    format!("{paid} paid and {free} free gold, {debt} debt, {vip_points} vip points")
}
