//! Daily rewards.

use chrono::{DateTime, Utc};

use super::*;

fn days(count: i64) -> DateTime<Utc> {
    at(count * 86_400)
}

impl Story {
    /// A day of a streak, so many days into the story.
    fn streak(&mut self, on: i64, streak_count: u32, gold: GoldParts, xp: u64) {
        let (at, movement) = (days(on), self.credit(gold));
        let day = at.date_naive();
        let all = self.xp.entry(self.player).or_default();
        *all += xp;
        let xp_after = *all;
        self.account(&AccountEvent::StreakClaimed {
            at,
            day,
            streak_count,
            grace_days: 0,
            xp,
            xp_after,
            movement,
        });
    }

    fn vip(&mut self, on: i64, vip_points: u64) {
        let (at, before) = (days(on), self.wallet());
        let balance = Wallet { vip_points: before.vip_points + vip_points, ..before };
        self.wallets.insert(self.player, balance);
        let day = at.date_naive();
        self.account(&AccountEvent::VipClaimed { at, day, vip_points, balance });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn daily_rewards_that_cannot_have_been_paid_are_named() {
    let mut story = Story::default();
    story.chapter();
    story.streak(0, 1, parts(0, 1_000), 50);
    story.streak(1, 2, parts(0, 1_200), 75);
    story.plant(Check::Daily, "again");
    story.streak(1, 2, parts(0, 1_200), 75);
    story.streak(3, 1, parts(0, 1_000), 50);
    story.plant(Check::Daily, "and it is day 2");
    story.streak(4, 3, parts(0, 1_400), 100);
    story.plant(Check::Daily, "and it is day 1");
    story.streak(9, 4, parts(0, 1_600), 125);
    story.chapter();
    story.plant(Check::Daily, "0 paid and 1001 free");
    story.streak(0, 1, parts(0, 1_001), 50);
    story.plant(Check::Daily, "1200 paid and 0 free");
    story.streak(1, 2, parts(1_200, 0), 75);
    story.plant(Check::Daily, "76 xp");
    story.streak(2, 3, parts(0, 1_400), 76);
    story.chapter();
    story.vip(0, 50);
    story.vip(2, 50);
    story.plant(Check::Daily, "again");
    story.vip(2, 50);
    story.plant(Check::Daily, "51");
    story.vip(3, 51);
    story.chapter();
    let (at, day) = (days(0), days(1).date_naive());
    let balance = Wallet { vip_points: 50, ..story.wallet() };
    story.wallets.insert(story.player, balance);
    story.plant(Check::Daily, "another day");
    story.account(&AccountEvent::VipClaimed { at, day, vip_points: 50, balance });
    story.end().await;
}
