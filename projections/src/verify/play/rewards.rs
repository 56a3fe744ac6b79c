//! Whether what is claimed was earned, once, and pays what was promised.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::activity::MissionPeriod;
use domain::id::{LiveEventId, MissionId, ProductId};
use domain::live_event::{EventStatus, LiveEvent};
use domain::mission::{Mission, MissionBoard};
use domain::money::GoldParts;
use domain::product::Product;
use domain::reward::{GivenItem, Reward, RewardItem, Rewards};

use super::Played;

/// The catalogue: what a reward's items are made of.
#[derive(Default)]
pub(super) struct Products(pub(super) HashMap<ProductId, Product>);

impl Products {
    /// Whether exactly what was promised is paid.
    pub(super) fn pays(
        &self,
        at: DateTime<Utc>,
        promised: &Rewards,
        paid: &Reward,
    ) -> Result<(), String> {
        let due = (GoldParts::all_free(promised.gold), promised.vip_points, promised.xp);
        if due != parts(paid) || !promised.items.iter().copied().eq(asked(paid)) {
            let due = told(due, promised.items.iter().copied());
            let paid = told(parts(paid), asked(paid));
            return Err(format!("{due} are promised, and {paid} are paid"));
        }
        self.gives(at, paid)
    }

    /// Whether items are given on the terms that their products have at that moment.
    pub(super) fn gives(&self, at: DateTime<Utc>, paid: &Reward) -> Result<(), String> {
        let is_lawful = |item: &&GivenItem| {
            let product = self.0.get(&item.product_id);
            product.and_then(|product| product.given(asked_as(item), at)).as_ref() == Some(*item)
        };
        match paid.items.iter().find(|item| !is_lawful(item)) {
            None => Ok(()),
            Some(item) => Err(format!(
                "product {} is given as {} of version {}, which is not how it is at {at}",
                item.product_id, item.sku, item.product_version
            )),
        }
    }

    /// Whether a gift is what it is: gold that nobody has paid for, and benefits as they are.
    pub(super) fn gift(&self, at: DateTime<Utc>, paid: &Reward) -> Result<(), String> {
        let (gold, ..) = parts(paid);
        if gold.paid > 0 {
            return Err(format!("{} bought gold are given", gold.paid));
        }
        self.gives(at, paid)
    }
}

fn parts(paid: &Reward) -> (GoldParts, u64, u64) {
    (paid.movement.gold.plus(paid.movement.debt), paid.vip_points, paid.xp)
}

fn asked(paid: &Reward) -> impl Iterator<Item = RewardItem> {
    paid.items.iter().map(asked_as)
}

fn asked_as(item: &GivenItem) -> RewardItem {
    RewardItem { product_id: item.product_id, quantity: item.quantity }
}

fn told(
    (gold, vip_points, xp): (GoldParts, u64, u64),
    items: impl Iterator<Item = RewardItem>,
) -> String {
    let GoldParts { paid, free } = gold;
    let mut text = format!("{paid} paid and {free} free gold, {vip_points} vip points, {xp} xp");
    for RewardItem { product_id, quantity } in items {
        text.push_str(&format!(", {} of product {product_id}", u8::from(quantity)));
    }
    text
}

/// A mission as it is claimed.
pub(super) struct MissionClaim {
    pub at: DateTime<Utc>,
    pub mission: MissionId,
    pub version: u32,
    pub period: MissionPeriod,
}

impl Played {
    /// Whether a mission can be claimed: what it pays.
    pub(super) fn claim_mission<'a>(
        &mut self,
        board: &'a MissionBoard,
        claim: &MissionClaim,
    ) -> Result<&'a Rewards, String> {
        let MissionClaim { at, mission: id, version, period } = *claim;
        let last = self.claims_mission(id, period);
        let mission = board.mission(id).filter(|mission| mission.terms.is_active);
        let Some(Mission { version: present, terms, .. }) = mission else {
            return Err("it is not on the board".to_owned());
        };
        if version != *present {
            return Err(format!("it is claimed as of version {version}, and it is at {present}"));
        }
        let due = terms.cadence.period_at(at);
        if period != due {
            return Err(format!("it is claimed at {at} for {period}, and that is in {due}"));
        }
        if last.is_some_and(|last| period <= last) {
            return Err(format!("{period} or a later period is claimed again"));
        }
        let (progress, is_complete) = self.progress.of_mission(id, period);
        if !is_complete && progress < terms.target {
            let target = terms.target;
            return Err(format!("it is claimed for {period} at {progress} of {target}"));
        }
        let is_met = |other: MissionId| {
            board.mission(other).is_some_and(|required| {
                let period = required.terms.cadence.period_at(at);
                self.progress.of_mission(other, period).1
            })
        };
        if terms.requires.as_ref().is_some_and(|requires| !requires.is_met(&is_met)) {
            return Err("what it requires is not complete".to_owned());
        }
        Ok(&terms.rewards)
    }

    /// The period that was claimed last, before this one.
    fn claims_mission(&mut self, id: MissionId, period: MissionPeriod) -> Option<MissionPeriod> {
        match self.claimed.iter_mut().find(|(mission, _)| *mission == id) {
            Some((_, last)) => {
                let before = *last;
                *last = before.max(period);
                Some(before)
            }
            None => {
                self.claimed.push((id, period));
                None
            }
        }
    }

    /// Whether an event can be claimed that the player has joined: what it pays.
    pub(super) fn claim_event(
        &mut self,
        event: &LiveEvent,
        (id, occurrence_at): (LiveEventId, DateTime<Utc>),
        (at, forced): (DateTime<Utc>, bool),
    ) -> Result<&Rewards, String> {
        let Self { joined, progress, .. } = self;
        let joined = joined.iter_mut().find(|joined| joined.event == id);
        let joined = joined.filter(|joined| joined.seat.occurrence.starts_at == occurrence_at);
        let Some(joined) = joined else {
            return Err("the player has not joined it".to_owned());
        };
        if std::mem::replace(&mut joined.is_claimed, true) {
            return Err("it was claimed before".to_owned());
        }
        let entry = &joined.seat.entry;
        match event.status() {
            EventStatus::Draft => return Err("nobody can see it yet".to_owned()),
            EventStatus::Paused if !forced => return Err("it is claimed while it rests".to_owned()),
            EventStatus::Published | EventStatus::Paused | EventStatus::Ended => {}
        }
        if !forced && !progress.meets(id, &joined.seat) {
            return Err("not all is done that it takes".to_owned());
        }
        if !forced && at >= entry.claims_end_at {
            return Err(format!("it is claimed at {at}, after {}", entry.claims_end_at));
        }
        Ok(&entry.rewards)
    }
}
