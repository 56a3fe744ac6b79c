//! Leaderboards.

use domain::account::AccountEvent;
use domain::id::LiveEventId;
use domain::live_event::{Leaderboard, LiveEventEvent, LiveEventTerms, Tier};

use super::events::terms;
use super::rewards::{advance, rewards};
use super::*;

const SCORE: &str = "score/1/2024-10-04T00:00:10Z";

fn tiers() -> Vec<Tier> {
    let tier = |last_place, amount| Tier { last_place, rewards: rewards(amount, 0, 0) };
    vec![tier(1, 300), tier(3, 200)]
}

impl Story {
    fn contest(&mut self) -> LiveEventTerms {
        let board = Leaderboard { counter: "win_count".parse().unwrap(), tiers: tiers() };
        let terms = LiveEventTerms { leaderboard: Some(board), ..terms() };
        self.opens(&terms);
        terms
    }

    fn wins(&mut self, second: i64, amount: u64, score: u64) {
        self.acts(second, "win_count", amount, &[advance(SCORE, score, 0)]);
    }

    fn freezes(&mut self, tiers: Vec<Tier>) {
        let (at, occurrence_at) = (at(101), at(10));
        self.live(&LiveEventEvent::LeaderboardFrozen { at, occurrence_at, tiers });
    }

    fn placed(&mut self, player: i64, place: u32, score: u64, amount: u64) {
        self.player = player;
        let (receipt_code, reward) = (self.code(), self.pay(&rewards(amount, 0, 0)));
        self.account(&AccountEvent::PlaceRewarded {
            at: at(110),
            receipt_code,
            event_id: LiveEventId(1),
            occurrence_at: at(10),
            place,
            score,
            reward,
        });
    }

    /// Five players: the fourth has most, then come the third and the first, who was there later.
    fn five(&mut self) {
        let terms = self.contest();
        for (second, score) in [(30, 5), (31, 2), (42, 7), (40, 9), (41, 1)] {
            self.chapter();
            self.joins(20, &terms, 1);
            self.wins(second, 1, 1);
            if score > 1 {
                self.wins(second, score - 1, score);
            }
        }
        self.player = 1;
        self.wins(35, 2, 7);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn places_go_by_score_and_then_by_who_reached_it_first() {
    let mut story = Story::default();
    story.five();
    story.freezes(tiers());
    story.player = 5;
    story.acts(99, "win_count", 50, &[]);
    story.placed(4, 1, 9, 300);
    story.placed(3, 2, 7, 200);
    story.placed(1, 3, 7, 200);
    let (at, occurrence_at) = (at(120), at(10));
    story.live(&LiveEventEvent::PlacesRewarded { at, occurrence_at, places: 3 });
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn places_that_are_rewarded_wrongly_are_named() {
    let mut story = Story::default();
    story.five();
    story.plant(
        Check::Reward,
        "place 1 of event 1 of 2024-10-04 00:00:10 UTC: its scores are not frozen",
    );
    story.placed(4, 1, 9, 300);
    story.plant(Check::Reward, "leaderboard_frozen, and something else follows");
    story.freezes(tiers()[..1].to_vec());
    story.end().await;

    let mut story = Story::default();
    story.five();
    story.freezes(tiers());
    story.player = 5;
    story.plant(Check::Progress, "player 5 is said to be at 51 with score/1");
    story.wins(99, 50, 51);
    story.placed(4, 1, 9, 300);
    story.plant(Check::Reward, "it was rewarded before");
    story.placed(4, 1, 9, 300);
    story.plant(Check::Reward, "player 1, place 2 of event 1 of 2024-10-04 00:00:10 UTC: player 3 has it with a score of 7");
    story.placed(1, 2, 7, 200);
    story.plant(Check::Reward, "player 3 has it with a score of 7");
    story.placed(3, 2, 8, 200);
    story.plant(Check::Reward, "300 free gold, 0 vip points, 0 xp are paid");
    story.placed(3, 2, 7, 300);
    story.plant(Check::Reward, "this place pays nothing");
    story.placed(2, 4, 2, 100);
    story.end().await;
}
