//! What players get for what they did, and gifts.

use domain::activity::{ActivityEvent, Advance, Goal};
use domain::id::MissionId;
use domain::mission::{Cadence, MissionBoard, MissionEvent, MissionTerms, Prerequisite, TheBoard};
use domain::product::{BenefitTerms, Product, ProductEvent};
use domain::reward::{GivenItem, Reward, RewardItem, Rewards};

use super::*;

pub(super) fn rewards(amount: u64, vip_points: u64, xp: u64) -> Rewards {
    Rewards { gold: gold(amount), vip_points, xp, items: vec![] }
}

pub(super) fn mission(target: u64, cadence: Cadence) -> MissionTerms {
    MissionTerms {
        name: "하기".into(),
        name_en: "Play".into(),
        counter: "play_count".parse().unwrap(),
        target,
        cadence,
        starts_at: None,
        ends_at: None,
        rewards: rewards(100, 0, 10),
        requires: None,
        priority: 0,
        is_active: true,
    }
}

/// A goal by its text, how far it is, and what it takes if that is an end.
pub(super) fn advance(goal: &str, progress: u64, target: u64) -> Advance {
    let goal: Goal = goal.parse().unwrap();
    let is_score = matches!(goal, Goal::Score { .. });
    Advance { goal, progress, target: (!is_score).then_some(target) }
}

impl Story {
    pub(super) fn board(&mut self, event: &MissionEvent) {
        self.tell::<MissionBoard>(TheBoard, event);
    }

    pub(super) fn mission(&mut self, id: i64, terms: MissionTerms) {
        let mission_id = MissionId(id);
        self.board(&MissionEvent::MissionDefined {
            at: at(0),
            mission_id,
            terms,
            counts_after: None,
        });
    }

    pub(super) fn acts(&mut self, second: i64, action: &str, amount: u64, advanced: &[Advance]) {
        let (action, advanced) = (action.parse().unwrap(), advanced.to_vec());
        let action_id = format!("a-{}", self.events.len());
        let at = at(second);
        self.tell::<domain::activity::Activity>(
            self.player,
            &ActivityEvent::ActionRecorded { at, action_id, action, amount, deed: None, advanced },
        );
    }

    pub(super) fn plays(&mut self, second: i64, amount: u64, advanced: &[Advance]) {
        self.acts(second, "play_count", amount, advanced);
    }

    /// Pays so much to the player.
    pub(super) fn pay(&mut self, rewards: &Rewards) -> Reward {
        let (amount, before) = (rewards.gold.amount(), self.wallet());
        let none = Movement { gold: parts(0, 0), debt: parts(0, 0), balance: before };
        let credited = (amount > 0).then(|| before.credit(parts(0, amount)).unwrap());
        let mut movement = credited.unwrap_or(none);
        movement.balance.vip_points += rewards.vip_points;
        self.moves(movement);
        let xp_after = self.xp.entry(self.player).or_default();
        *xp_after += rewards.xp;
        let (vip_points, xp, xp_after) = (rewards.vip_points, rewards.xp, *xp_after);
        let items = rewards.items.iter().map(|item| given(*item)).collect();
        Reward { vip_points, xp, xp_after, items, movement }
    }

    pub(super) fn claims(&mut self, id: i64, version: u32, period: &str, rewards: &Rewards) {
        let (receipt_code, reward) = (self.code(), self.pay(rewards));
        self.account(&AccountEvent::MissionClaimed {
            at: at(50),
            receipt_code,
            mission_id: MissionId(id),
            version,
            period: period.parse().unwrap(),
            reward,
        });
    }

    fn gift(&mut self, change: impl FnOnce(&mut Reward)) -> ReceiptCode {
        let (receipt_code, mut reward) = (self.code(), self.pay(&one_benefit()));
        change(&mut reward);
        self.account(&AccountEvent::RewardGifted { at: at(50), receipt_code, reward });
        receipt_code
    }

    fn benefit(&mut self) {
        let terms = BenefitTerms {
            sku: "daily_comp_2x".into(),
            name: "혜택".into(),
            name_en: "Benefit".into(),
            price: gold(40_000),
            user_limit: None,
            valid_days: Some(1),
            min_rank: Rank::Standard,
            on_sale: false,
        };
        self.tell::<Product>(2001, &ProductEvent::BenefitDefined { at: at(0), terms });
    }
}

fn one_benefit() -> Rewards {
    let item = RewardItem { product_id: ProductId(2001), quantity: Quantity::ONE };
    Rewards { items: vec![item], ..rewards(100, 5, 10) }
}

fn given(RewardItem { product_id, quantity }: RewardItem) -> GivenItem {
    GivenItem {
        product_id,
        product_version: 1,
        sku: "daily_comp_2x".into(),
        quantity,
        expires_at: Some(at(50) + TimeDelta::days(1)),
    }
}

const TODAY: &str = "2024-10-04";

fn play_1(progress: u64) -> Advance {
    advance("mission/1/2024-10-04", progress, 2)
}

#[tokio::test(flavor = "multi_thread")]
async fn rewards_are_paid_as_promised_and_leave_what_they_do_not_give_alone() {
    let mut story = Story::default();
    story.benefit();
    story.mission(1, MissionTerms { rewards: one_benefit(), ..mission(2, Cadence::Daily) });
    story.mission(2, MissionTerms { rewards: rewards(0, 0, 7), ..mission(2, Cadence::Daily) });
    story.chapter();
    story.plays(1, 3, &[play_1(2), advance("mission/2/2024-10-04", 2, 2)]);
    story.claims(1, 1, TODAY, &one_benefit());
    story.uses(ReceiptCode::from_bits(1), 1, 60);
    story.claims(2, 1, TODAY, &rewards(0, 0, 7));
    let code = story.gift(|_| {});
    story.plant(Check::Item, "was given to player 1");
    story.takes_item_back(code, 1, 1);

    // A debt is repaid by rewards, too.
    story.chapter();
    let code = story.buys();
    story.spend(1_100);
    story.refunds(code, 300, 300, 100);
    story.plays(1, 3, &[play_1(2), advance("mission/2/2024-10-04", 2, 2)]);
    story.claims(1, 1, TODAY, &one_benefit());
    assert_eq!(story.wallet(), Wallet { vip_points: 5, ..Wallet::default() });
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rewards_that_pay_something_else_are_named() {
    let mut story = Story::default();
    story.benefit();
    story.mission(1, MissionTerms { rewards: one_benefit(), ..mission(2, Cadence::Daily) });
    let wrong = [
        (rewards(100, 5, 10), "1 of product 2001 are promised"),
        (Rewards { gold: gold(101), ..one_benefit() }, "and 0 paid and 101 free gold"),
        (Rewards { vip_points: 4, ..one_benefit() }, "4 vip points, 10 xp"),
        (Rewards { xp: 11, ..one_benefit() }, "player 4, mission 1: 0 paid and 100 free gold"),
    ];
    for (rewards, word) in wrong {
        story.chapter();
        story.plays(1, 2, &[play_1(2)]);
        story.plant(Check::Reward, word);
        story.claims(1, 1, TODAY, &rewards);
    }
    story.chapter();
    story.plant(Check::Reward, "player 5 had 0 xp, got 10 and has 11");
    story.gift(|reward| reward.xp_after += 1);
    story.plant(Check::Reward, "product 2001 is given as daily_comp_2x of version 2");
    story.xp.insert(5, 11);
    story.gift(|reward| reward.items[0].product_version = 2);
    story.plant(Check::Balance, "player 5 is said to have");
    story.gift(|reward| reward.vip_points = 4);
    story.plant(Check::Reward, "100 bought gold are given");
    let bought = story.wallet().credit(parts(100, 0)).unwrap();
    story.gift(|reward| {
        reward.movement = Movement { gold: parts(100, 0), ..bought };
        reward.movement.balance.vip_points += reward.vip_points;
    });
    story.chapter();
    story.gift(|_| {});
    story.plant(Check::Purchase, "used a second time");
    story.codes -= 1;
    story.gift(|_| {});
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn missions_that_were_not_earned_are_named() {
    let mut story = Story::default();
    story.mission(1, mission(2, Cadence::Daily));
    let requires = Some(Prerequisite::Mission(MissionId(1)));
    story.mission(2, MissionTerms { requires, ..mission(1, Cadence::Once) });
    story.mission(3, MissionTerms { is_active: false, ..mission(1, Cadence::Once) });
    let once = advance("mission/2/once", 1, 1);
    let paid = rewards(100, 0, 10);
    story.chapter();
    story.plays(1, 1, &[play_1(1), once]);
    story.plant(Check::Reward, "player 1, mission 1: it is claimed for 2024-10-04 at 1 of 2");
    story.claims(1, 1, TODAY, &paid);
    story.plant(Check::Reward, "player 1, mission 2: what it requires is not complete");
    story.claims(2, 1, "once", &paid);
    story.chapter();
    story.plays(1, 1, &[play_1(1), once]);
    story.plays(2, 1, &[play_1(2)]);
    story.claims(2, 1, "once", &paid);
    story.plant(Check::Reward, "claimed at 2024-10-04 00:00:50 UTC for 2024-10-03");
    story.claims(1, 1, "2024-10-03", &paid);
    story.claims(1, 1, TODAY, &paid);
    story.plant(Check::Reward, "2024-10-04 or a later period is claimed again");
    story.claims(1, 1, TODAY, &paid);
    story.plant(Check::Reward, "mission 3: it is not on the board");
    story.claims(3, 1, "once", &paid);
    story.plant(Check::Reward, "mission 9: it is not on the board");
    story.claims(9, 1, "once", &paid);

    // What was promised is what the board says at that moment.
    let terms = MissionTerms { rewards: rewards(50, 0, 10), ..mission(1, Cadence::Daily) };
    let mission_id = MissionId(1);
    let revised = MissionEvent::MissionRevised { at: at(3), mission_id, version: 2, terms };
    story.board(&revised);
    story.chapter();
    story.plays(1, 1, &[advance("mission/1/2024-10-04", 1, 1), once]);
    story.plant(Check::Reward, "claimed as of version 1, and it is at 2");
    story.claims(1, 1, TODAY, &paid);
    story.chapter();
    story.plays(1, 1, &[advance("mission/1/2024-10-04", 1, 1), once]);
    story.claims(1, 2, TODAY, &rewards(50, 0, 10));
    story.plant(Check::Reward, "mission 1: mission_revised, and there was nothing to do");
    story.board(&revised);
    story.end().await;
}
