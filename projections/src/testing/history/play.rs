//! What players do, missions, events with their leaderboards, and what all of that pays: gathered as
//! the write side gathers it.

mod board;
mod live;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use domain::account::{Account, AccountCommand, AccountEvent, Deed, Payment};
use domain::activity::{Activity, ActivityCommand, Goal, LOGIN, OpenGoal};
use domain::aggregate::Aggregate;
use domain::id::{Counter, ItemId, LiveEventId, PlayerId, ReceiptCode};
use domain::live_event::LiveEvent;
use domain::mission::MissionBoard;
use domain::money::Quantity;
use domain::reward::{RewardItem, Rewards};
use domain::stored::StoredEvent;
use rand::Rng;

use super::{BENEFIT, History, Stream, gold};

/// What was done, and what may be done.
#[derive(Default)]
pub(super) struct Play {
    pub(super) board: Stream<MissionBoard>,
    pub(super) events: BTreeMap<LiveEventId, Stream<LiveEvent>>,
    pub(super) activities: BTreeMap<i64, Stream<Activity>>,
    /// Everything that anybody has done and that is counted: who, what, when, how much.
    deeds: Vec<(i64, Counter, DateTime<Utc>, u64)>,
    /// What the club has seen and not yet counted: who, where in the log, what.
    seen: Vec<(i64, u64, Deed)>,
    past: Vec<board::PastPlay>,
    live: live::Courses,
}

impl History {
    /// What each player has done.
    pub(crate) fn activities(&self) -> impl Iterator<Item = (PlayerId, &Activity)> {
        self.play.activities.iter().map(|(player, stream)| (PlayerId(*player), &stream.state))
    }

    /// The board of missions.
    pub(crate) fn board(&self) -> &MissionBoard {
        &self.play.board.state
    }

    /// Each event that players join.
    pub(crate) fn live_events(&self) -> impl Iterator<Item = (LiveEventId, &LiveEvent)> {
        self.play.events.iter().map(|(id, stream)| (*id, &stream.state))
    }

    pub(super) fn define_play(&mut self, out: &mut Vec<StoredEvent>) {
        self.define_missions(out);
        self.define_events(out);
    }

    pub(super) fn play(&mut self, player: i64, out: &mut Vec<StoredEvent>) {
        match self.random.random_range(0..24) {
            0..10 => (0..3).for_each(|_| self.act(player, out)),
            10 => self.log_in(player, out),
            11..14 => self.join_some(player, out),
            14..17 => self.claim_mission(player, out),
            17..19 => self.claim_event(player, out),
            19 => self.gift(player, out),
            20 => self.work_on_missions(out),
            21 => self.work_on_events(out),
            _ => self.pay_out(out),
        }
    }

    fn act(&mut self, player: i64, out: &mut Vec<StoredEvent>) {
        let is_late = self.random.random_ratio(1, 12);
        let name = ["play_count", "play_count", "win_count"][self.random.random_range(0..3)];
        // What was done yesterday is told today; scores are told in time.
        let (name, at) = match is_late {
            true => ("play_count", self.now() - TimeDelta::hours(20)),
            false => (name, self.now()),
        };
        let action = name.parse().unwrap();
        let amount = self.random.random_range(1..4);
        let ask = ActivityCommand::Record {
            at,
            action_id: format!("round-{}", self.play.deeds.len()),
            action,
            amount,
            goals: self.goals(player, action, at),
        };
        self.play.activities.entry(player).or_default().ask(player, &ask, out);
        self.play.deeds.push((player, action, at, amount));
        self.has_scored(player);
    }

    /// Looks at the events behind a position for what is to be counted.
    pub(super) fn see_deeds(&mut self, behind: u64, events: &[StoredEvent]) {
        for (position, event) in (behind + 1..).zip(events) {
            if event.aggregate_type != Account::TYPE {
                continue;
            }
            let (player, told) = (event.aggregate_id.parse().unwrap(), event.decode());
            let deed = told.unwrap_or_else(|error| panic!("{error}: {event:?}"));
            let deed = AccountEvent::deed(&deed).map(|deed| (player, position, deed));
            self.play.seen.extend(deed);
        }
    }

    pub(super) fn count_deeds(&mut self, out: &mut Vec<StoredEvent>) {
        for (player, position, deed) in std::mem::take(&mut self.play.seen) {
            let Deed { at, action, amount } = deed;
            let goals = self.goals(player, action, at);
            let ask = ActivityCommand::CountDeed { position, deed, goals };
            self.play.activities.entry(player).or_default().ask(player, &ask, out);
            self.play.deeds.push((player, action, at, amount));
        }
    }

    fn log_in(&mut self, player: i64, out: &mut Vec<StoredEvent>) {
        let (at, action) = (self.now(), LOGIN.parse().unwrap());
        let ask = ActivityCommand::RecordLogin { at, goals: self.goals(player, action, at) };
        if self.play.activities.entry(player).or_default().ask(player, &ask, out) {
            self.play.deeds.push((player, action, at, 1));
        }
    }

    /// What an action brings closer: missions on the board, and events that the player has joined.
    fn goals(&self, player: i64, action: Counter, at: DateTime<Utc>) -> Vec<OpenGoal> {
        let mut goals: Vec<_> = self.play.board.state.goals(action, at).collect();
        for (event, joined) in self.accounts[&player].state.participations() {
            if !self.play.events[&event].state.counts(joined.occurrence, at) {
                continue;
            }
            let occurrence = joined.occurrence.starts_at;
            let numbered = (0..).zip(&joined.entry.requirements);
            let mine = numbered.filter(|(_, needs)| needs.counter == action);
            goals.extend(mine.map(|(number, needs)| OpenGoal {
                goal: Goal::Requirement { event, occurrence, number },
                target: Some(needs.target),
            }));
            let score = OpenGoal { goal: Goal::Score { event, occurrence }, target: None };
            goals.extend((joined.entry.scored == Some(action)).then_some(score));
        }
        goals
    }

    fn gift(&mut self, player: i64, out: &mut Vec<StoredEvent>) {
        let (at, rewards) = (self.now(), self.rewards());
        let payment = self.payment(&rewards);
        let gift = AccountCommand::GiftReward { at, rewards: rewards.clone(), payment };
        self.ask_to_pay(player, &gift, &rewards, out);
    }

    /// Rewards of some kinds, but not of none.
    fn rewards(&mut self) -> Rewards {
        let (gold_too, vip_too) = (self.random.random_bool(0.4), self.random.random_bool(0.3));
        let quantity = Quantity::new(self.random.random_range(1..3)).unwrap();
        let item = RewardItem { product_id: BENEFIT, quantity };
        Rewards {
            gold: if gold_too { gold(self.random.random_range(1..60)) } else { gold(0) },
            vip_points: if vip_too { self.random.random_range(1..20) } else { 0 },
            xp: self.random.random_range(1..100),
            items: if self.random.random_ratio(1, 4) { vec![item] } else { vec![] },
        }
    }

    fn payment(&mut self, rewards: &Rewards) -> Payment {
        let (at, receipt_code) = (self.now(), self.code());
        let product = &self.benefit.state;
        let items = rewards.items.iter().map(|item| product.given(*item, at).unwrap()).collect();
        Payment { receipt_code, items }
    }

    /// Has something paid that was promised; remembers the items.
    fn ask_to_pay(
        &mut self,
        player: i64,
        command: &AccountCommand,
        rewards: &Rewards,
        out: &mut Vec<StoredEvent>,
    ) -> bool {
        let receipt_code = ReceiptCode::from_bits(self.codes);
        let is_paid = self.ask(player, command, out);
        if is_paid {
            let count = u8::try_from(rewards.item_count()).unwrap();
            let items = (1..=count).map(|number| ItemId { receipt_code, number });
            self.items.extend(items.map(|item| (player, item)));
        }
        is_paid
    }
}
