use super::*;
use crate::testing::{at, given};
use proptest::prelude::*;

fn mission(id: i64, period: &str) -> Goal {
    Goal::Mission { mission: MissionId(id), period: period.parse().unwrap() }
}

fn open(goal: Goal, target: u64) -> OpenGoal {
    OpenGoal { goal, target: Some(target) }
}

fn advance(goal: Goal, progress: u64, target: u64) -> Advance {
    Advance { goal, progress, target: Some(target) }
}

fn record(amount: u64, goals: &[OpenGoal]) -> ActivityCommand {
    let (action_id, action) = ("a-1".to_owned(), "play_count".parse().unwrap());
    ActivityCommand::Record { at: at(1), action_id, action, amount, goals: goals.to_vec() }
}

fn recorded(amount: u64, advanced: &[Advance]) -> ActivityEvent {
    let (action_id, action) = ("a-1".to_owned(), "play_count".parse().unwrap());
    let advanced = advanced.to_vec();
    ActivityEvent::ActionRecorded { at: at(1), action_id, action, amount, deed: None, advanced }
}

#[test]
fn an_action_carries_the_progress_that_it_makes() {
    let goals = [open(mission(1, "2026-11-25"), 1), open(mission(2, "2026-11-25"), 5)];
    given::<Activity>(&[])
        .when(&record(1, &goals))
        .then(&[recorded(1, &[advance(goals[0].goal, 1, 1), advance(goals[1].goal, 1, 5)])]);
}

#[test]
fn after_completion_further_play_changes_nothing() {
    let goal = mission(1, "2026-11-25");
    let history = [recorded(9, &[advance(goal, 5, 5)])];
    given::<Activity>(&history).when(&record(1, &[open(goal, 5)])).then(&[recorded(1, &[])]);
    // Not even if more is asked for meanwhile.
    given::<Activity>(&history).when(&record(1, &[open(goal, 50)])).then(&[recorded(1, &[])]);
}

#[test]
fn a_new_period_starts_at_zero_and_an_old_one_stays_over() {
    let (old, new) = (mission(1, "2026-11-25"), mission(1, "2026-11-26"));
    let history = [recorded(3, &[advance(old, 3, 5)])];
    let begun = recorded(1, &[advance(new, 1, 5)]);
    given::<Activity>(&history)
        .when(&record(1, &[open(new, 5)]))
        .then(std::slice::from_ref(&begun));
    let [first] = history;
    // Reported late, and done before midnight.
    given::<Activity>(&[first, begun]).when(&record(1, &[open(old, 5)])).then(&[recorded(1, &[])]);
}

#[test]
fn an_event_needs_all_that_it_takes_and_each_occurrence_starts_anew() {
    let event = LiveEventId(2);
    let goal = |second, number| Goal::Requirement { event, occurrence: at(second), number };
    let score = |second| Goal::Score { event, occurrence: at(second) };
    let history = [
        recorded(1, &[advance(goal(0, 0), 1, 1)]),
        recorded(7, &[Advance { goal: score(0), progress: 7, target: None }]),
    ];
    let activity = given::<Activity>(&history).state();
    assert!(activity.meets(event, at(0), 1) && !activity.meets(event, at(0), 2));
    assert!(activity.meets(event, at(0), 0), "nothing but joining");
    assert_eq!((activity.score(event, at(0)), activity.score(event, at(9))), (7, 0));
    let more = Advance { goal: score(0), progress: 9, target: None };
    given::<Activity>(&history)
        .when(&record(2, &[OpenGoal { goal: score(0), target: None }]))
        .then(&[recorded(2, &[more])]);
    let next = [recorded(1, &[advance(goal(9, 1), 1, 4)])];
    let activity = given::<Activity>(&[&history[..], &next].concat()).state();
    assert_eq!(activity.requirement(event, at(0), 0), (0, false));
    assert_eq!(activity.requirement(event, at(9), 1), (1, false));
}

#[test]
fn being_there_counts_once_a_day() {
    let login =
        |text: &str| ActivityCommand::RecordLogin { at: text.parse().unwrap(), goals: vec![] };
    let event = |text: &str, day: &str| ActivityEvent::ActionRecorded {
        at: text.parse().unwrap(),
        action_id: format!("login/{day}"),
        action: LOGIN.parse().unwrap(),
        amount: 1,
        deed: None,
        advanced: vec![],
    };
    let first = event("2026-12-31T23:59:59.999999Z", "2026-12-31");
    given::<Activity>(&[])
        .when(&login("2026-12-31T23:59:59.999999Z"))
        .then(std::slice::from_ref(&first));
    given::<Activity>(std::slice::from_ref(&first)).when(&login("2026-12-31T00:00:00Z")).then(&[]);
    let next = event("2027-01-01T00:00:00Z", "2027-01-01");
    given::<Activity>(&[first]).when(&login("2027-01-01T00:00:00Z")).then(&[next]);
}

#[test]
fn a_deed_is_counted_once_whoever_asks_how_often() {
    let goal = open(mission(4, "once"), 10);
    let deed = Deed { at: at(1), action: "spend_gold".parse().unwrap(), amount: 3 };
    let count = |position| ActivityCommand::CountDeed { position, deed, goals: vec![goal] };
    let counted = |position, progress| ActivityEvent::ActionRecorded {
        at: at(1),
        action_id: format!("deeds/{position}"),
        action: deed.action,
        amount: 3,
        deed: Some(position),
        advanced: vec![advance(goal.goal, progress, 10)],
    };
    given::<Activity>(&[]).when(&count(7)).then(&[counted(7, 3)]);
    let history = [counted(7, 3), recorded(1, &[])];
    given::<Activity>(&history).when(&count(7)).then(&[]);
    given::<Activity>(&history).when(&count(5)).then(&[]);
    given::<Activity>(&history).when(&count(9)).then(&[counted(9, 6)]);
}

#[test]
fn past_play_adds_up_with_what_was_played_since() {
    let goal = mission(4, "once");
    let history = [recorded(2, &[advance(goal, 2, 10)])];
    let count = |amount| ActivityCommand::CountPastPlay { at: at(2), goal: open(goal, 10), amount };
    let counted = |progress| ActivityEvent::PastPlayCounted {
        at: at(2),
        amount: 5,
        advanced: advance(goal, progress, 10),
    };
    given::<Activity>(&history).when(&count(5)).then(&[counted(7)]);
    let complete = [recorded(10, &[advance(goal, 10, 10)])];
    given::<Activity>(&complete).when(&count(5)).then(&[]);
}

proptest! {
    /// In whatever order past and present play come, the sum is the same, up to the target.
    #[test]
    fn progress_is_the_sum_up_to_the_target(amounts in prop::collection::vec((1_u64..20, any::<bool>()), 0..30)) {
        let goal = mission(1, "once");
        let mut activity = Activity::default();
        for (amount, is_past) in &amounts {
            let command = if *is_past {
                ActivityCommand::CountPastPlay { at: at(1), goal: open(goal, 100), amount: *amount }
            } else {
                record(*amount, &[open(goal, 100)])
            };
            for event in activity.decide(&command).unwrap() {
                activity.evolve(&event);
            }
        }
        let sum: u64 = amounts.iter().map(|(amount, _)| amount).sum();
        let expected = (sum.min(100), sum >= 100);
        prop_assert_eq!(activity.mission(MissionId(1), MissionPeriod::Once), expected);
    }

    #[test]
    fn a_state_survives_being_stored(events in prop::collection::vec((1_i64..4, 1_u64..9), 0..20)) {
        let mut activity = Activity::default();
        for (id, amount) in events {
            let period = if id == 1 { "once" } else { "2026-11-25" };
            let score = Goal::Score { event: LiveEventId(id), occurrence: at(0) };
            let number = u8::try_from(id).unwrap();
            let part = Goal::Requirement { event: LiveEventId(id), occurrence: at(0), number };
            let goals = [
                open(mission(id, period), 5),
                OpenGoal { goal: score, target: None },
                open(part, 3),
            ];
            for event in activity.decide(&record(amount, &goals)).unwrap() {
                activity.evolve(&event);
            }
        }
        let stored = serde_json::to_string(&activity).unwrap();
        prop_assert_eq!(serde_json::from_str::<Activity>(&stored).unwrap(), activity);
    }
}
