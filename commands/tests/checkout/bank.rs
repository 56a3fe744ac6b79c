//! A payment provider in memory, as bad as providers are: it decides late, loses requests and
//! answers, takes money after it has said that it will not, gives it back without being asked. Its
//! books survive every crash; what it says about each change comes late, twice, or never.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use commands::log::memory::MemoryDatabase;
use commands::payments::{
    CardToken, Charge, ChargeState, Delivery, Notice, PaymentProvider, ProviderError,
    ProviderRecord, Refund, RefundState, Untrusted,
};
use domain::account::FailureReason;
use domain::id::{ChargeId, PlayerId, ReceiptCode};
use domain::money::Cents;
use futures::FutureExt;
use futures::future::BoxFuture;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::time::Time;

/// What the bank says to whoever listens: that something has happened to a purchase.
#[derive(Debug, Clone, Copy)]
pub struct Message {
    pub player: PlayerId,
    pub receipt: ReceiptCode,
    due: DateTime<Utc>,
}

/// One charge in the bank's books.
#[derive(Debug, Clone)]
pub struct Entry {
    pub charge: Charge,
    pub state: ChargeState,
    /// By our id: how much was asked for, and whether it was given back.
    pub refunds: BTreeMap<String, (Cents, bool)>,
    /// The log's position when the money was taken.
    pub taken_at: Option<u64>,
    /// The log's position when the bank first said that no money will be taken.
    pub closed_at: Option<u64>,
    /// What becomes of it by itself, and when.
    next: Option<(DateTime<Utc>, ChargeState)>,
    gives_back: bool,
    keeps_its_word: bool,
}

struct Books {
    entries: BTreeMap<ChargeId, Entry>,
    messages: Vec<Message>,
    /// Wishes that no provider accepts.
    complaints: Vec<String>,
    dice: StdRng,
    is_down: bool,
    is_calm: bool,
}

/// See the module.
#[derive(Clone)]
pub struct Bank {
    books: Arc<Mutex<Books>>,
    time: Arc<Time>,
    database: MemoryDatabase,
}

impl Bank {
    pub fn new(time: Arc<Time>, database: MemoryDatabase, seed: u64) -> Self {
        let books = Books {
            entries: BTreeMap::new(),
            messages: Vec::new(),
            complaints: Vec::new(),
            dice: StdRng::seed_from_u64(seed),
            is_down: false,
            is_calm: false,
        };
        Self { books: Arc::new(Mutex::new(books)), time, database }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        let mut books = self.books.lock().unwrap();
        books.move_on(self.time.now(), self.database.position());
        books
    }

    /// Everything in its books.
    pub fn entries(&self) -> Vec<Entry> {
        self.books().entries.values().cloned().collect()
    }

    pub fn complaints(&self) -> Vec<String> {
        self.books().complaints.clone()
    }

    /// From now on it does not hear anybody.
    pub fn go_down(&self) {
        self.books().is_down = true;
    }

    pub fn come_up(&self) {
        self.books().is_down = false;
    }

    /// From now on nothing is lost and nothing takes long.
    pub fn calm_down(&self) {
        let mut books = self.books();
        (books.is_down, books.is_calm) = (false, true);
    }

    /// One of the messages that are due, in no order.
    pub fn message(&self) -> Option<Message> {
        let mut books = self.books();
        let now = self.time.now();
        let due: Vec<usize> =
            (0..books.messages.len()).filter(|index| books.messages[*index].due <= now).collect();
        let index = *due.choose(&mut books.dice)?;
        Some(books.messages.swap_remove(index))
    }

    /// Gives part of some money back, although nobody has asked.
    pub fn refund_by_itself(&self) {
        let (mut books, now) = (self.books(), self.time.now());
        let Some((id, refunded, left)) = books.some_captured() else { return };
        let part = Cents(books.dice.random_range(1..=left.0));
        let state = ChargeState::Captured { refunded: refunded.plus(part), charged_back: false };
        books.set(id, state, now, self.database.position());
    }

    /// The card's holder takes all that is left.
    pub fn charge_back(&self) {
        let (mut books, now) = (self.books(), self.time.now());
        let Some((id, refunded, _)) = books.some_captured() else { return };
        let state = ChargeState::Captured { refunded, charged_back: true };
        books.set(id, state, now, self.database.position());
    }
}

impl Books {
    /// What was to happen by now has happened.
    fn move_on(&mut self, now: DateTime<Utc>, position: u64) {
        let due = |entry: &Entry| entry.next.filter(|(at, _)| *at <= now).map(|(_, state)| state);
        let due: Vec<_> =
            self.entries.iter().filter_map(|(id, entry)| Some((*id, due(entry)?))).collect();
        for (id, state) in due {
            self.set(id, state, now, position);
        }
    }

    fn set(&mut self, id: ChargeId, state: ChargeState, now: DateTime<Utc>, position: u64) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.next = None;
        if entry.state == state {
            return;
        }
        entry.state = state;
        match state {
            ChargeState::Captured { .. } => entry.taken_at = entry.taken_at.or(Some(position)),
            ChargeState::Declined(_) | ChargeState::Voided => {
                entry.closed_at = entry.closed_at.or(Some(position));
                if !entry.keeps_its_word {
                    let delay = TimeDelta::seconds(self.dice.random_range(0..600));
                    entry.next = Some((now + delay, ChargeState::CAPTURED));
                }
            }
            ChargeState::Pending | ChargeState::Unknown => {}
        }
        self.tell(id, now);
    }

    /// Zero to three messages about a change, at any time.
    fn tell(&mut self, id: ChargeId, now: DateTime<Utc>) {
        let Charge { player, receipt_code: receipt, .. } = self.entries[&id].charge;
        for _ in 0..self.dice.random_range(0..4) {
            let due = now + TimeDelta::seconds(self.dice.random_range(0..200));
            self.messages.push(Message { player, receipt, due });
        }
    }

    fn some_captured(&mut self) -> Option<(ChargeId, Cents, Cents)> {
        let left = |entry: &Entry| match entry.state {
            ChargeState::Captured { refunded, charged_back: false } => {
                let left = entry.charge.amount.minus(refunded);
                (left > Cents(0)).then_some((refunded, left))
            }
            _ => None,
        };
        let captured: Vec<_> = self
            .entries
            .iter()
            .filter_map(|(id, entry)| left(entry).map(|(refunded, left)| (*id, refunded, left)))
            .collect();
        captured.choose(&mut self.dice).copied()
    }

    /// The bank hears of a charge for the first time.
    fn hear(&mut self, charge: &Charge, state: ChargeState, now: DateTime<Utc>, position: u64) {
        let entry = Entry {
            charge: charge.clone(),
            state: ChargeState::Unknown,
            refunds: BTreeMap::new(),
            taken_at: None,
            closed_at: None,
            next: None,
            gives_back: self.dice.random_bool(0.85),
            keeps_its_word: self.dice.random_bool(0.85),
        };
        self.entries.insert(charge.charge_id, entry);
        self.set(charge.charge_id, state, now, position);
        if state == ChargeState::Pending && self.dice.random_bool(0.8) {
            let at = now + TimeDelta::seconds(self.dice.random_range(0..400));
            let end = if self.dice.random_bool(0.7) { ChargeState::CAPTURED } else { declined() };
            self.entries.entry(charge.charge_id).and_modify(|entry| entry.next = Some((at, end)));
        }
    }

    fn first_word(&mut self) -> ChargeState {
        match self.dice.random_range(0..10) {
            0..5 => ChargeState::CAPTURED,
            5..9 => ChargeState::Pending,
            _ => declined(),
        }
    }

    fn state(&self, charge: &Charge) -> ChargeState {
        self.entries.get(&charge.charge_id).map_or(ChargeState::Unknown, |entry| entry.state)
    }

    fn give_back(&mut self, charge: &Charge, refund: &Refund) -> Result<RefundState, String> {
        let entry = self.entries.get_mut(&charge.charge_id).ok_or("there is no such charge")?;
        let ChargeState::Captured { refunded, charged_back } = entry.state else {
            return Err("nothing was taken".to_owned());
        };
        if let Some((amount, done)) = entry.refunds.get(&refund.id) {
            return match (*amount == refund.amount, *done) {
                (true, true) => Ok(RefundState::Done { refunded }),
                (true, false) => Ok(RefundState::Refused),
                (false, _) => Err(format!("refund {} was of {amount:?}", refund.id)),
            };
        }
        let fits = refund.amount <= entry.charge.amount.minus(refunded) && !charged_back;
        let done = fits && entry.gives_back;
        entry.refunds.insert(refund.id.clone(), (refund.amount, done));
        if !done {
            return Ok(RefundState::Refused);
        }
        let refunded = refunded.plus(refund.amount);
        entry.state = ChargeState::Captured { refunded, charged_back };
        Ok(RefundState::Done { refunded })
    }
}

fn declined() -> ChargeState {
    ChargeState::Declined(FailureReason::PaymentDeclined)
}

/// One node's connection to the bank.
pub struct Line {
    bank: Bank,
    is_cut: AtomicBool,
}

impl Line {
    pub fn new(bank: Bank) -> Self {
        Self { bank, is_cut: AtomicBool::new(false) }
    }

    /// The node has crashed: what it has asked is done, and nobody hears the answers.
    pub fn cut(&self) {
        self.is_cut.store(true, Ordering::Relaxed);
    }

    async fn is_alive(&self) {
        if self.is_cut.load(Ordering::Relaxed) {
            std::future::pending().await
        }
    }

    /// One way there or back: it may take long, and may never end.
    async fn travel(&self) -> Result<(), ProviderError> {
        let (pause, is_lost) = {
            let mut books = self.bank.books();
            let pause = match books.dice.random_range(0..20) {
                0..12 => 0,
                12..19 => books.dice.random_range(0..50),
                _ => books.dice.random_range(0..15_000),
            };
            let is_lost = books.is_down || books.dice.random_bool(0.06);
            if books.is_calm { (0, false) } else { (pause, is_lost) }
        };
        if pause > 0 {
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        if is_lost { Err(ProviderError::new("the line is bad")) } else { Ok(()) }
    }

    async fn ask<T>(
        &self,
        ask: impl FnOnce(&mut Books, DateTime<Utc>, u64) -> T + Send,
    ) -> Result<T, ProviderError> {
        self.is_alive().await;
        self.travel().await?;
        let answer = {
            let position = self.bank.database.position();
            ask(&mut self.bank.books(), self.bank.time.now(), position)
        };
        let travelled = self.travel().await;
        self.is_alive().await;
        travelled.map(|()| answer)
    }

    /// Asks about a charge; one that is not pending and known stays as it is.
    async fn push(&self, charge: &Charge, to: ChargeState) -> Result<ChargeState, ProviderError> {
        let ask = |books: &mut Books, now, position| {
            match (books.state(charge), to) {
                (ChargeState::Unknown, ChargeState::Voided) => {
                    books.hear(charge, to, now, position);
                }
                (ChargeState::Pending, _) => books.set(charge.charge_id, to, now, position),
                _ => {}
            }
            books.state(charge)
        };
        self.ask(ask).await
    }
}

type Answer<'a, T> = BoxFuture<'a, Result<T, ProviderError>>;

impl PaymentProvider for Line {
    fn name(&self) -> &'static str {
        "bank"
    }

    fn charge<'a>(&'a self, charge: &'a Charge, _: &'a CardToken) -> Answer<'a, ChargeState> {
        let ask = |books: &mut Books, now, position| {
            if books.state(charge) == ChargeState::Unknown {
                let first = books.first_word();
                books.hear(charge, first, now, position);
            }
            books.state(charge)
        };
        self.ask(ask).boxed()
    }

    fn status<'a>(&'a self, charge: &'a Charge) -> Answer<'a, ChargeState> {
        self.ask(|books, _, _| books.state(charge)).boxed()
    }

    fn capture<'a>(&'a self, charge: &'a Charge) -> Answer<'a, ChargeState> {
        self.push(charge, ChargeState::CAPTURED).boxed()
    }

    fn void<'a>(&'a self, charge: &'a Charge) -> Answer<'a, ChargeState> {
        self.push(charge, ChargeState::Voided).boxed()
    }

    fn refund<'a>(&'a self, charge: &'a Charge, refund: &'a Refund) -> Answer<'a, RefundState> {
        let ask = |books: &mut Books, now, _| {
            let given = books.give_back(charge, refund);
            if let Err(complaint) = &given {
                books.complaints.push(format!("{}: {complaint}", charge.receipt_code));
            } else if books.entries.contains_key(&charge.charge_id) {
                books.tell(charge.charge_id, now);
            }
            given.map_err(ProviderError::new)
        };
        async move { self.ask(ask).await? }.boxed()
    }

    fn verify(&self, _: &Delivery<'_>, _: DateTime<Utc>) -> Result<Notice, Untrusted> {
        Err(Untrusted::Signature)
    }

    fn records<'a>(&'a self, _: Option<&'a ProviderRecord>) -> Answer<'a, Vec<ProviderRecord>> {
        async { Ok(vec![]) }.boxed()
    }
}
