//! What play brings closer.

use domain::activity::{Activity, ActivityEvent, Advance};
use domain::id::MissionId;
use domain::mission::{Cadence, MissionEvent, MissionTerms};

use super::rewards::{advance, mission};
use super::*;

const DAY: i64 = 86_400;

fn daily(progress: u64) -> Advance {
    advance("mission/1/2024-10-04", progress, 3)
}

fn once(progress: u64) -> Advance {
    advance("mission/2/once", progress, 5)
}

fn two_missions() -> Story {
    let mut story = Story::default();
    story.mission(1, mission(3, Cadence::Daily));
    story.mission(2, mission(5, Cadence::Once));
    story
}

#[tokio::test(flavor = "multi_thread")]
async fn play_that_is_late_or_goes_on_is_no_finding() {
    let mut story = two_missions();
    story.chapter();
    story.plays(1, 2, &[daily(2), once(2)]);
    story.acts(2, "win_count", 1, &[]);
    story.plays(3, 2, &[daily(3), once(4)]);
    story.plays(4, 2, &[once(5)]);
    story.plays(5, 2, &[]);
    let tomorrow = advance("mission/1/2024-10-05", 1, 3);
    story.plays(DAY, 1, &[tomorrow]);
    // Told late: its day is over.
    story.plays(DAY - 1, 1, &[]);
    story.acts(DAY, "login", 1, &[]);
    story.acts(2 * DAY, "login", 1, &[]);
    // Less is asked for than was reached.
    let terms = mission(1, Cadence::Daily);
    let mission_id = MissionId(1);
    story.board(&MissionEvent::MissionRevised { at: at(6), mission_id, version: 2, terms });
    story.plays(DAY + 1, 1, &[advance("mission/1/2024-10-05", 1, 1)]);
    story.end().await;
}

impl Story {
    /// The club counts what stands at a position.
    fn counts(&mut self, seen_at: u64, amount: u64) {
        let counted = ActivityEvent::ActionRecorded {
            at: at(1),
            action_id: format!("deeds/{seen_at}"),
            action: "spend_gold".parse().unwrap(),
            amount,
            deed: Some(seen_at),
            advanced: vec![],
        };
        self.tell::<Activity>(self.player, &counted);
    }

    fn spends(&mut self, amount: u64) -> u64 {
        self.spend(amount);
        self.events.len() as u64
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deed_that_is_counted_twice_or_left_out_is_named() {
    let mut story = two_missions();
    story.chapter();
    let (first, second) = (story.spends(5), story.spends(7));
    story.counts(first, 5);
    story.counts(second, 7);
    story.plant(Check::Progress, "what comes next is nothing");
    story.counts(second, 7);

    story.chapter();
    let (first, second) = (story.spends(5), story.spends(7));
    story.plant(Check::Progress, "what comes next is 5 spend_gold");
    story.counts(first, 6);
    story.counts(second, 7);
    let (_, second) = (story.spends(1), story.spends(2));
    story.plant(Check::Progress, "what comes next is 1 spend_gold");
    story.counts(second, 2);
    // What was seen last may still be counted.
    story.spends(3);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_that_nobody_made_is_named() {
    let mut story = two_missions();
    story.chapter();
    story.plant(
        Check::Progress,
        "player 1 is said to be at 3 of 3 with mission/1/2024-10-04, and at 1 of 3",
    );
    story.plays(1, 1, &[daily(3), once(1)]);
    story.plant(
        Check::Progress,
        "at 3 of 3 with mission/1/2024-10-04, and this brings it no closer",
    );
    story.plays(2, 1, &[daily(3), once(2)]);
    story.plant(
        Check::Progress,
        "player 1 is at 3 of 5 with mission/2/once by this, and nobody says so",
    );
    story.plays(3, 1, &[]);
    story.plant(Check::Progress, "mission/7/once, and this brings it no closer");
    story.plays(4, 1, &[once(3), advance("mission/7/once", 1, 1)]);
    story.plant(Check::Progress, "twice at once");
    story.plays(5, 1, &[once(4), once(4)]);

    story.chapter();
    story.acts(1, "login", 1, &[]);
    story.plant(Check::Progress, "the login of player 2 on 2024-10-04");
    story.acts(2, "login", 1, &[]);

    story.player += 1;
    story.plant(Check::Progress, "player 3 does something and has no account");
    story.plays(1, 1, &[daily(1), once(1)]);
    story.end().await;
}

impl Story {
    fn counts_past(&mut self, amount: u64, advanced: Advance) {
        let at = at(20);
        let counted = ActivityEvent::PastPlayCounted { at, amount, advanced };
        self.tell::<Activity>(self.player, &counted);
    }

    /// Mission 1, for which everything after the third event counts that has been done.
    fn late_mission(&mut self) {
        self.board(&MissionEvent::MissionDefined {
            at: at(10),
            mission_id: MissionId(1),
            terms: MissionTerms { starts_at: Some(at(2)), ..mission(9, Cadence::Once) },
            counts_after: Some(3),
        });
    }
}

fn of_9(progress: u64) -> Advance {
    advance("mission/1/once", progress, 9)
}

#[tokio::test(flavor = "multi_thread")]
async fn past_play_that_is_not_in_the_log_is_named() {
    let mut story = Story::default();
    story.chapter();
    story.plays(5, 1, &[]);
    story.plays(6, 2, &[]);
    story.plays(1, 40, &[]);
    story.acts(7, "win_count", 1, &[]);
    story.chapter();
    story.plays(6, 4, &[]);
    story.chapter();
    story.plays(7, 3, &[]);
    story.late_mission();
    story.plays(11, 1, &[of_9(1)]);
    story.counts_past(3, of_9(4));
    story.plant(Check::Progress, "the past play of player 3 is counted for mission 1 again");
    story.counts_past(3, of_9(7));
    story.player = 1;
    story.counts_past(2, of_9(2));
    story.player = 2;
    story.plant(Check::Progress, "player 2 is counted for mission 1 as 5, and the log has 4");
    story.counts_past(5, of_9(5));

    story.player = 3;
    story.chapter();
    story.plant(
        Check::Progress,
        "past play of player 4 is counted for mission 2, for which it does not",
    );
    story.counts_past(0, advance("mission/2/once", 0, 1));
    story.board(&MissionEvent::PastPlayAdded { at: at(30), mission_id: MissionId(1), players: 3 });
    story.plant(Check::Progress, "or all was counted");
    story.counts_past(0, of_9(0));
    story.plant(Check::Reward, "mission 1: past_play_added, and there was nothing to do");
    story.board(&MissionEvent::PastPlayAdded { at: at(30), mission_id: MissionId(1), players: 3 });
    story.end().await;
}
