//! The club in one small history: what is sold, who asks what on which node, what breaks, and how
//! everything comes to rest.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use commands::context::Caller;
use commands::log::Log;
use commands::log::memory::{Faults, MemoryDatabase, MemoryLog};
use commands::shop::{Forced, ShopPolicy};
use domain::account::{AccountEvent, PurchaseRules};
use domain::event::ClubEvent;
use domain::id::{ItemId, PlayerId, ReceiptCode};
use domain::limit::Rate;
use domain::money::{Cents, Gold};
use domain::stored::{Place, Recorded};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::bank::Bank;
use crate::node::{Node, Outside};
use crate::planted::{self, Planted};
use crate::players::{Ask, Told, What, ask, find};
use crate::time::Time;
use crate::wares;

/// See the module.
pub struct Club {
    pub outside: Outside,
    /// What was asked, and what came of it.
    pub told: Vec<(Ask, Told)>,
    /// How often each was asked.
    pub sent: BTreeMap<String, usize>,
    dice: StdRng,
    planted: Option<Planted>,
    faults: Faults,
    nodes: Vec<Node>,
    /// Which node leads the checkout reaction.
    leader: usize,
    reader: MemoryLog,
    known: Known,
    /// What can be asked again under its key.
    keyed: Vec<Ask>,
    asked: u32,
    players: i64,
    /// The longest pause between two steps, in milliseconds.
    longest_pause: u64,
}

/// What players and staff have seen in the log.
#[derive(Default)]
struct Known {
    position: u64,
    purchases: Vec<(PlayerId, ReceiptCode)>,
    benefits: Vec<(PlayerId, ReceiptCode, u8)>,
}

impl Known {
    fn learn(&mut self, recorded: &Recorded) {
        self.position = recorded.place.position;
        match ClubEvent::decode(recorded).unwrap() {
            ClubEvent::Account(player, AccountEvent::PurchaseRequested { receipt_code, .. }) => {
                self.purchases.push((player, receipt_code));
            }
            ClubEvent::Account(
                player,
                AccountEvent::BenefitPurchased { receipt_code, offer, .. },
            ) => self.benefits.push((player, receipt_code, offer.quantity.into())),
            _ => {}
        }
    }
}

/// The end of a day, of a week, of a month, and noon: it opens shortly before.
const OPENS_BEFORE: [&str; 4] = [
    "2026-11-26T00:00:00Z",
    "2026-11-30T00:00:00Z",
    "2026-12-01T00:00:00Z",
    "2026-11-18T12:00:00Z",
];

impl Club {
    /// Opens it, with demo wares and accounts.
    pub async fn open(seed: u64, planted: Option<Planted>) -> Self {
        let mut dice = StdRng::seed_from_u64(seed);
        let database = MemoryDatabase::default();
        let end: DateTime<Utc> = OPENS_BEFORE.choose(&mut dice).unwrap().parse().unwrap();
        let start = end - TimeDelta::milliseconds(dice.random_range(0..10_000));
        let time = Arc::new(Time::from(start));
        let bank = Bank::new(time.clone(), database.clone(), seed ^ 0xba_4c);
        let genesis = Place { position: 0, hash: MemoryDatabase::genesis() };
        let place = Arc::new(Mutex::new(genesis));
        let reader = database.connect(Faults::default(), seed);
        let outside = Outside { database, bank, time, policy: policy(&mut dice), place };
        let faults = Faults {
            lost_before: dice.random_range(0..80),
            lost_after: dice.random_range(0..80),
            late: dice.random_range(0..80),
            slow: dice.random_range(0..500),
            planted: None,
        };
        let mut club = Self {
            outside,
            told: Vec::new(),
            sent: BTreeMap::new(),
            planted,
            faults,
            nodes: Vec::new(),
            leader: 0,
            reader,
            known: Known::default(),
            keyed: Vec::new(),
            asked: 0,
            players: dice.random_range(1..4),
            longest_pause: *[20, 1_500].choose(&mut dice).unwrap(),
            dice,
        };
        club.open_doors().await;
        club
    }

    async fn open_doors(&mut self) {
        for _ in 0..self.dice.random_range(1..3) {
            let node = self.start_node(self.faults).await;
            self.nodes.push(node);
        }
        let commands = self.nodes[0].commands.clone();
        let caller = Caller::system("test");
        for player in (1..=self.players).map(PlayerId) {
            commands.open_account(&caller, player).await.unwrap();
        }
        wares::define(&commands, &mut self.dice).await;
        self.nodes[0].start_reaction();
    }

    async fn start_node(&mut self, faults: Faults) -> Node {
        let ahead = TimeDelta::milliseconds(self.dice.random_range(0..3_000));
        Node::start(&self.outside, faults, ahead, self.dice.random()).await
    }

    /// A while in its life.
    pub async fn live(&mut self) {
        for _ in 0..self.dice.random_range(8..45) {
            self.step().await;
            self.collect();
            if self.dice.random_bool(0.3) {
                self.outside.bank.come_up();
            }
            if self.dice.random_bool(0.6) {
                let pause = self.dice.random_range(0..self.longest_pause);
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
            let tail = self.reader.read_tail(self.known.position, 1_000).await.unwrap();
            tail.events.iter().for_each(|recorded| self.known.learn(recorded));
        }
    }

    async fn step(&mut self) {
        match self.dice.random_range(0..100) {
            0..28 => self.somebody_asks(),
            28..34 => self.somebody_asks_again(),
            34..44 => self.somebody_polls().await,
            44..58 => self.bank_tells().await,
            58..68 => self.staff_refunds(),
            68..71 => self.staff_forces(),
            71..78 => self.somebody_has_benefits(),
            78..81 => self.outside.bank.refund_by_itself(),
            81..83 => self.outside.bank.charge_back(),
            83..86 => self.outside.bank.go_down(),
            86..94 => self.time_jumps(),
            94..98 => self.a_node_crashes().await,
            _ => self.leadership_moves(),
        }
    }

    fn time_jumps(&mut self) {
        let seconds = match self.dice.random_range(0..10) {
            0..6 => self.dice.random_range(1..15),
            6..9 => self.dice.random_range(15..200),
            _ => self.dice.random_range(200..40_000),
        };
        self.outside.time.jump(TimeDelta::seconds(seconds));
    }

    async fn a_node_crashes(&mut self) {
        let crashed = self.dice.random_range(0..self.nodes.len());
        self.nodes[crashed].crash();
        self.nodes[crashed] = self.start_node(self.faults).await;
        if crashed == self.leader {
            self.leader = self.dice.random_range(0..self.nodes.len());
            self.nodes[self.leader].start_reaction();
        }
    }

    /// The lease changes hands; what the old leader has begun goes on.
    fn leadership_moves(&mut self) {
        self.nodes[self.leader].stop_reaction();
        self.leader = self.dice.random_range(0..self.nodes.len());
        self.nodes[self.leader].start_reaction();
    }

    fn player(&mut self) -> PlayerId {
        PlayerId(self.dice.random_range(1..=self.players))
    }

    /// Asks now or soon, somewhere; maybe under a key, then maybe more than once.
    fn put(&mut self, player: PlayerId, what: What) {
        self.asked += 1;
        let name = format!("ask-{}", self.asked);
        let key = self.dice.random_bool(0.6).then(|| name.clone());
        let ask = Ask { player, what, key, name };
        let times = match ask.key {
            Some(_) => *[1, 1, 2, 3].choose(&mut self.dice).unwrap(),
            None => 1,
        };
        for _ in 0..times {
            self.send(ask.clone());
        }
        if ask.key.is_some() {
            self.keyed.push(ask);
        }
    }

    fn send(&mut self, call: Ask) {
        *self.sent.entry(call.name.clone()).or_default() += 1;
        let pause = match self.dice.random_range(0..4) {
            0..3 => 0,
            _ => self.dice.random_range(0..8_000),
        };
        let node = self.dice.random_range(0..self.nodes.len());
        let commands = self.nodes[node].commands.clone();
        self.nodes[node].calls.spawn(async move {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            let told = ask(&commands, &call).await;
            (call, told)
        });
    }

    fn collect(&mut self) {
        for node in &mut self.nodes {
            while let Some(ended) = node.calls.try_join_next() {
                self.told.push(ended.unwrap());
            }
        }
    }

    fn somebody_asks(&mut self) {
        let player = self.player();
        let what = match self.dice.random_range(0..20) {
            0..15 => What::Buy(wares::some_purchase(player, &mut self.dice)),
            15..18 => What::Spend(Gold::new(self.dice.random_range(1..2_000)).unwrap()),
            18 => What::Grant(Gold::new(self.dice.random_range(1..900)).unwrap()),
            _ => {
                let cents = self.dice.random_range(0..4_000);
                What::LimitSpending(Some(Cents(cents)).filter(|cents| cents.0 > 400))
            }
        };
        self.put(player, what);
    }

    fn somebody_asks_again(&mut self) {
        if let Some(ask) = self.keyed.choose(&mut self.dice).cloned() {
            self.send(ask);
        }
    }

    fn somebody_has_benefits(&mut self) {
        let bought = self.known.benefits.choose(&mut self.dice).copied();
        let (player, what) = match (self.dice.random_range(0..10), bought) {
            (0..3, Some((player, receipt_code, count))) => {
                let number = self.dice.random_range(1..=count);
                (player, What::UseItem(ItemId { receipt_code, number }))
            }
            (3..5, Some((player, receipt, _))) => (player, What::ReturnItems(receipt)),
            _ => {
                let player = self.player();
                (player, What::Benefit(wares::some_benefit(player, &mut self.dice)))
            }
        };
        self.put(player, what);
    }

    fn some_purchase(&mut self) -> Option<(PlayerId, ReceiptCode)> {
        self.known.purchases.choose(&mut self.dice).copied()
    }

    fn staff_refunds(&mut self) {
        let Some((player, receipt_code)) = self.some_purchase() else { return };
        let amount_cents =
            self.dice.random_bool(0.6).then(|| Cents(self.dice.random_range(1..600)));
        let order = commands::shop::RefundOrder {
            receipt_code,
            amount_cents,
            take_back_items: self.dice.random_bool(0.3),
            reason: "test".into(),
        };
        self.put(player, What::Refund(order));
    }

    fn staff_forces(&mut self) {
        let Some((player, receipt)) = self.some_purchase() else { return };
        let wanted = if self.dice.random_bool(0.5) { Forced::Success } else { Forced::Failed };
        self.put(player, What::Force(receipt, wanted));
    }

    async fn somebody_polls(&mut self) {
        let Some((player, receipt)) = self.some_purchase() else { return };
        if self.planted == Some(Planted::ReturnBeforeVoid) {
            let commands = self.nodes[0].commands.clone();
            let Some(purchase) = find(&commands, player, receipt).await else { return };
            if commands.clock.now() > purchase.requested_at + TimeDelta::seconds(120) {
                planted::void(&commands, &purchase).await;
            }
        }
        self.put(player, What::Settle(receipt));
    }

    /// One of the bank's messages arrives.
    async fn bank_tells(&mut self) {
        let Some(message) = self.outside.bank.message() else { return };
        let commands = self.nodes[self.leader].commands.clone();
        if let Some(purchase) = find(&commands, message.player, message.receipt).await {
            match self.planted {
                Some(Planted::CreditOnMessage) => planted::complete(&commands, &purchase).await,
                Some(Planted::GrantOnMessage) => planted::grant(&commands, &purchase).await,
                Some(Planted::ReturnBeforeVoid | Planted::KeepLateMoney) | None => {}
            }
        }
        self.put(message.player, What::Settle(message.receipt));
    }
}

/// The service's own settings, or rules that bite earlier.
fn policy(dice: &mut StdRng) -> ShopPolicy {
    let policy = ShopPolicy::default();
    if dice.random_bool(0.7) {
        return policy;
    }
    let rate = |most, seconds| Some(Rate { most, within: TimeDelta::seconds(seconds) });
    let rules = PurchaseRules { limited: rate(1, 10), purchases: rate(4, 60), cards: rate(2, 60) };
    ShopPolicy { rules, ..policy }
}

/// After the faults.
impl Club {
    /// Nobody asks any more and nothing is lost any more: everything that was begun ends.
    pub async fn come_to_rest(&mut self) {
        self.outside.bank.calm_down();
        for node in &mut self.nodes {
            node.stop_reaction();
            let ends = async {
                while let Some(ended) = node.calls.join_next().await {
                    self.told.push(ended.unwrap());
                }
                node.commands.bus.close().await;
            };
            let ended = tokio::time::timeout(Duration::from_secs(300), ends).await;
            ended.expect("somebody waits for ever");
        }
        let node = self.start_node(Faults::default()).await;
        self.outside.time.jump(TimeDelta::seconds(3_600));
        self.finish(&node).await;
        // Also the bank has done by now whatever it may ever do by itself.
        self.outside.time.jump(TimeDelta::hours(1));
        if self.planted != Some(Planted::KeepLateMoney) {
            self.reconcile(&node).await;
        }
        let before = self.outside.database.position();
        self.finish(&node).await;
        if self.planted.is_none() {
            self.reconcile(&node).await;
            assert_eq!(self.outside.database.position(), before, "settling again does something");
        }
        node.commands.bus.close().await;
    }

    /// What the checkout reaction does alone.
    async fn finish(&mut self, node: &Node) {
        let mut reaction = node.reaction();
        for _ in 0..4 {
            reaction.round().await;
            self.outside.time.jump(TimeDelta::seconds(10));
        }
        reaction.round().await;
        let head = node.commands.bus.head();
        assert_eq!(*self.outside.place.lock().unwrap(), head, "the reaction is not done");
    }

    /// The bank's books are gone through, as every night.
    async fn reconcile(&mut self, node: &Node) {
        let caller = Caller::system("reconciliation");
        for entry in self.outside.bank.entries() {
            let charge = entry.charge;
            let purchase = find(&node.commands, charge.player, charge.receipt_code).await;
            let purchase = purchase.expect("a charge without a purchase");
            node.commands.settle(&caller, &purchase).await.unwrap();
        }
    }
}
