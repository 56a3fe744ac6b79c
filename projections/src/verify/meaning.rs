//! Does it make sense: every event readable, streams numbered without a gap, balances that follow
//! from each other ([`super::wallet`]), purchases that end once and are given back once
//! ([`super::purchases`], [`super::items`]), nothing held beyond its limit ([`super::holds`]), daily
//! rewards once a day ([`super::daily`]), nothing more after an account's end ([`super::closing`]), play, missions and events as the rules make them
//! ([`super::play`]), gold that takes two given as another one agreed ([`super::approvals`]), invites that
//! let in whom they may ([`super::invites`]), gold for many given and taken back as its job tells
//! ([`super::jobs`]), books that add up to zero.

use std::collections::HashMap;

use domain::account::{Account, AccountEvent, LedgerEntry};
use domain::activity::Activity;
use domain::aggregate::Aggregate;
use domain::event::ClubEvent;
use domain::id::{PackageCode, PlayerId, PromoCode};
use domain::identity::IdentityEvent;
use domain::money::{Direction, GoldParts, Wallet};
use domain::package::PackageEvent;
use domain::promo::PromoEvent;
use domain::stored::{self, Recorded, StoredEvent};

use super::approvals::Approvals;
use super::closing;
use super::daily::Daily;
use super::holds::Holds;
use super::invites::Invites;
use super::jobs::Jobs;
use super::picture::{Pictures, Picturing};
use super::play::past_play::Asked;
use super::play::{Member, Play};
use super::purchases::Purchases;
use super::wallet;
use super::{Check, Findings, Rows, Verdict, VerifyError};
use crate::follower::FollowerError;
use crate::read_models::Entry;
use crate::read_models::books::{Sum, sides};
use crate::scan::EventReader;

pub(super) struct Meaning {
    reader: Option<EventReader>,
    last: u64,
    players: HashMap<PlayerId, Player>,
    /// By family and id.
    other_streams: HashMap<String, HashMap<String, u64>>,
    counter_accounts: Sum,
    debts: Sum,
    purchases: Purchases,
    play: Play,
    stock: Holds<PackageCode>,
    promos: Holds<PromoCode>,
    invites: Invites,
    approvals: Approvals,
    jobs: Jobs,
    pictures: Option<Picturing>,
    findings: Findings,
}

/// A player, found once for all checks of an event.
#[derive(Default)]
struct Player {
    sequence: u64,
    is_closed: bool,
    wallet: Wallet,
    daily: Daily,
    member: Member,
}

impl Meaning {
    /// `pictures_until`: the position at which the read models will be compared, if they will be.
    /// `past_play`: the missions for which that counts.
    pub(super) fn new(pictures_until: Option<u64>, past_play: Vec<Asked>) -> Self {
        Self {
            reader: None,
            last: 0,
            players: HashMap::new(),
            other_streams: HashMap::new(),
            counter_accounts: Sum::default(),
            debts: Sum::default(),
            purchases: Purchases::default(),
            play: Play::new(past_play),
            stock: Holds::new(Check::Stock, "stock of"),
            promos: Holds::new(Check::Promo, "uses of"),
            invites: Invites::default(),
            approvals: Approvals::default(),
            jobs: Jobs::default(),
            pictures: pictures_until.map(Picturing::new),
            findings: Findings::default(),
        }
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
        self.books();
        self.stock.compare(&self.purchases, &mut self.findings);
        self.promos.compare(&self.purchases, &mut self.findings);
        self.play.end(&mut self.findings);
        self.invites.end(&mut self.findings);
        self.approvals.end(&mut self.findings);
        self.jobs.end(&mut self.findings);
        let others: usize = self.other_streams.values().map(HashMap::len).sum();
        let of_player = |player: &Player| {
            usize::from(player.sequence > 0) + usize::from(player.member.is_active())
        };
        let of_players: usize = self.players.values().map(of_player).sum();
        let streams = (of_players + others) as u64;
        (self.pictures.map(Picturing::finish), self.findings, streams)
    }

    fn books(&mut self) {
        let (mut wallets, mut owed) = (Sum::default(), 0_u64);
        for Player { wallet, .. } in self.players.values() {
            let held = GoldParts { paid: wallet.paid, free: wallet.free };
            wallets = wallets.plus(Sum::signed(Direction::Credit, held));
            owed = owed.saturating_add(wallet.debt);
        }
        let rest = wallets.plus(self.debts).plus(self.counter_accounts);
        if rest != Sum::default() {
            let message = format!(
                "all wallets and debts and the accounts against them leave {} paid and {} free gold",
                rest.paid, rest.free
            );
            self.findings.add(self.last, Check::Books, message);
        }
        let debts = i128::from(self.debts.paid) + i128::from(self.debts.free);
        if debts != -i128::from(owed) {
            let message = format!("players owe {owed} gold, and the books say {}", -debts);
            self.findings.add(self.last, Check::Books, message);
        }
    }

    fn event(&mut self, recorded: &Recorded) -> Result<(), VerifyError> {
        self.last = recorded.place.position;
        let entry = match Entry::read(recorded) {
            Ok(entry) => entry,
            Err(FollowerError::Decode { position, source }) => {
                self.sequence(&recorded.event);
                self.findings.add(position, Check::Decode, source.to_string());
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        self.invites.behind_a_use(&entry.event, &mut self.findings);
        self.approvals.take(recorded, &entry.event, &mut self.findings);
        let players = &self.players;
        let wallets = |player: PlayerId| {
            let known = players.get(&player);
            let open = known.filter(|player| player.sequence > 0 && !player.is_closed);
            open.map(|player| player.wallet)
        };
        self.jobs.take(recorded, &entry.event, &wallets, &mut self.findings);
        self.look_at(recorded, &entry);
        if let Some(pictures) = &mut self.pictures {
            pictures.fold(self.last, &entry);
        }
        Ok(())
    }

    fn look_at(&mut self, recorded: &Recorded, entry: &Entry<'_>) {
        match &entry.event {
            ClubEvent::Account(player, event) => {
                self.account(&recorded.event, *player, event, entry.ledger.as_ref());
            }
            ClubEvent::Package(code, event) => {
                self.sequence(&recorded.event);
                let verdict = self.package(*code, event);
                self.note(verdict);
            }
            ClubEvent::Promo(code, event) => {
                self.sequence(&recorded.event);
                let verdict = self.promo(*code, event);
                self.note(verdict);
            }
            ClubEvent::Product(id, event) => {
                self.sequence(&recorded.event);
                self.play.product(*id, event);
            }
            ClubEvent::Identity(player, event) => {
                self.sequence(&recorded.event);
                if let IdentityEvent::RankChanged { rank, .. } = event {
                    self.players.entry(*player).or_default().member.has_rank(*rank);
                }
            }
            ClubEvent::Role(..)
            | ClubEvent::Audit(..)
            | ClubEvent::Approval(..)
            | ClubEvent::Job(..)
            | ClubEvent::Campaign(..)
            | ClubEvent::Announcement(..) => {
                self.sequence(&recorded.event);
            }
            ClubEvent::Activity(player, event) => {
                let Player { member, .. } = self.players.entry(*player).or_default();
                let sequence = counts(member.activity_sequence(), &recorded.event);
                let progress = self.play.activity(self.last, *player, member, event);
                self.note(sequence);
                self.note(progress);
            }
            ClubEvent::Mission(event) => {
                self.sequence(&recorded.event);
                let verdict = self.play.mission(event);
                self.note(verdict);
            }
            ClubEvent::Invite(code, event) => {
                self.sequence(&recorded.event);
                let verdict = self.invites.take(self.last, *code, event);
                self.note(verdict);
            }
            ClubEvent::LiveEvent(id, event) => {
                self.sequence(&recorded.event);
                let verdict = self.play.live_event(self.last, *id, event, &mut self.findings);
                self.note(verdict);
            }
        }
    }

    fn note(&mut self, verdict: Verdict) {
        if let Err((check, message)) = verdict {
            self.findings.add(self.last, check, message);
        }
    }

    /// Of an event of which no player is looked at, or which cannot be read.
    fn sequence(&mut self, event: &StoredEvent) {
        let (family, id) = (event.aggregate_type.as_ref(), event.aggregate_id.as_ref());
        let verdict = match stored::decode_id(id) {
            Ok(player) if family == Account::TYPE => {
                counts(&mut self.players.entry(player).or_default().sequence, event)
            }
            Ok(player) if family == Activity::TYPE => {
                let Player { member, .. } = self.players.entry(player).or_default();
                counts(member.activity_sequence(), event)
            }
            _ => {
                // Found without making texts: only a stream's first event has to.
                let known = self.other_streams.get_mut(family).and_then(|ids| ids.get_mut(id));
                match known {
                    Some(last) => counts(last, event),
                    None => {
                        let ids = self.other_streams.entry(family.to_owned()).or_default();
                        counts(ids.entry(id.to_owned()).or_default(), event)
                    }
                }
            }
        };
        self.note(verdict);
    }

    fn account(
        &mut self,
        stored: &StoredEvent,
        player: PlayerId,
        event: &AccountEvent,
        ledger: Option<&LedgerEntry>,
    ) {
        let known = self.players.entry(player).or_default();
        let sequence = counts(&mut known.sequence, stored);
        let balance = match event.wallet_after() {
            Some(carried) => {
                let before = std::mem::replace(&mut known.wallet, carried);
                wallet::follows(player, (before, carried), event, ledger)
            }
            None => Ok(()),
        };
        let closing = closing::follows(player, &mut known.is_closed, known.wallet, event);
        let daily = known.daily.take(player, event);
        let (last, findings) = (self.last, &mut self.findings);
        let play = self.play.account(last, player, &mut known.member, event, findings);
        for verdict in [sequence, balance, closing, daily, play] {
            self.note(verdict);
        }
        if let Some(entry) = ledger {
            let (gold, debt) = sides(entry);
            self.debts = self.debts.plus(debt);
            self.counter_accounts = self.counter_accounts.plus(gold.plus(debt).negated());
        }
        self.wants(event);
        let purchase = self.purchases.take(self.last, player, event);
        self.note(purchase);
    }

    /// What a purchase that begins needs held until it ends.
    fn wants(&mut self, event: &AccountEvent) {
        let AccountEvent::PurchaseRequested { receipt_code, offer, .. } = event else { return };
        if let (domain::offer::Ware::Package(code), true) = (offer.ware, offer.holds_stock) {
            let count = u8::from(offer.quantity).into();
            self.stock.want(self.last, *receipt_code, code, count);
        }
        if let Some(promo) = offer.promo.filter(|promo| promo.holds_use) {
            self.promos.want(self.last, *receipt_code, promo.code, 1);
        }
    }

    fn package(&mut self, code: PackageCode, event: &PackageEvent) -> Verdict {
        let last = self.last;
        match event {
            PackageEvent::PackageDefined { terms, .. } => {
                self.stock.define(code, terms.stock_total);
                Ok(())
            }
            PackageEvent::StockReserved { receipt_code, quantity, .. } => {
                self.stock.hold(last, *receipt_code, code, u8::from(*quantity).into())
            }
            PackageEvent::StockConfirmed { receipt_code, .. } => {
                self.stock.end(last, *receipt_code, code, true)
            }
            PackageEvent::StockReturned { receipt_code, .. } => {
                self.stock.end(last, *receipt_code, code, false)
            }
            PackageEvent::PackageEnabled { .. } | PackageEvent::PackageDisabled { .. } => Ok(()),
        }
    }

    fn promo(&mut self, code: PromoCode, event: &PromoEvent) -> Verdict {
        let last = self.last;
        match event {
            PromoEvent::PromoDefined { terms, .. } => {
                self.promos.define(code, terms.max_uses);
                Ok(())
            }
            PromoEvent::PromoHeld { receipt_code, .. } => {
                self.promos.hold(last, *receipt_code, code, 1)
            }
            PromoEvent::PromoUsed { receipt_code, .. } => {
                self.promos.end(last, *receipt_code, code, true)
            }
            PromoEvent::PromoReturned { receipt_code, .. } => {
                self.promos.end(last, *receipt_code, code, false)
            }
        }
    }
}

/// Whether the stream's own number is the next one.
fn counts(last: &mut u64, event: &StoredEvent) -> Verdict {
    let before = std::mem::replace(last, event.sequence);
    if event.sequence == before + 1 {
        return Ok(());
    }
    let StoredEvent { aggregate_type: family, aggregate_id: id, sequence, .. } = event;
    let message = format!("the stream {family} {id} goes from {before} to {sequence}");
    Err((Check::Sequence, message))
}
