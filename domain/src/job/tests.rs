//! Jobs as stories.

use super::*;
use crate::testing::{at, given};

const MAKER: PlayerId = PlayerId(1);
const CHECKER: PlayerId = PlayerId(2);

fn gold(amount: u64) -> Gold {
    Gold::new(amount).unwrap()
}

fn line(player: i64, amount: u64) -> JobLine {
    JobLine { player: PlayerId(player), gold: gold(amount) }
}

fn order(expires_at: Option<DateTime<Utc>>) -> Order {
    Order { maker: MAKER, kind: JobKind::BulkGrant, resolved: None, expires_at }
}

fn request(lines: &[JobLine]) -> JobCommand {
    JobCommand::Request { at: at(0), order: order(None), lines: lines.to_vec() }
}

fn three() -> Vec<JobLine> {
    vec![line(23, 100), line(24, 200), line(25, 300)]
}

fn receipt(bits: u64) -> ReceiptCode {
    ReceiptCode::from_bits(bits)
}

fn requested(expires_at: Option<DateTime<Utc>>) -> Vec<JobEvent> {
    let (maker, kind, gold) = (MAKER, JobKind::BulkGrant, gold(600));
    let (lines, resolved) = (3, None);
    vec![
        JobEvent::JobRequested { at: at(0), maker, kind, lines, gold, resolved, expires_at },
        JobEvent::JobLinesListed { first: 1, lines: three() },
    ]
}

/// The first two lines: one is paid, the other refused.
fn paid() -> JobEvent {
    let outcomes =
        vec![LineOutcome::Paid(receipt(1)), LineOutcome::Refused(LineRefusal::UnknownUser)];
    JobEvent::JobLinesPaid { at: at(1), first: 1, outcomes, gold: gold(100) }
}

fn rest_paid() -> JobEvent {
    let outcomes = vec![LineOutcome::Paid(receipt(3))];
    JobEvent::JobLinesPaid { at: at(2), first: 3, outcomes, gold: gold(300) }
}

fn finished() -> JobEvent {
    JobEvent::JobFinished { at: at(2), paid: 2, refused: 1, gold: gold(400) }
}

fn with(more: &[JobEvent]) -> Vec<JobEvent> {
    [&requested(None)[..], more].concat()
}

fn whole() -> Vec<JobEvent> {
    with(&[paid(), rest_paid(), finished()])
}

const UNDO: JobCommand = JobCommand::Undo { at: DateTime::UNIX_EPOCH };
const UNDO_ASKED: JobEvent = JobEvent::JobUndoRequested { at: DateTime::UNIX_EPOCH };
const STOPPED: JobEvent = JobEvent::JobStopped { at: DateTime::UNIX_EPOCH };
const STOP: JobCommand = JobCommand::Stop { at: DateTime::UNIX_EPOCH };
const RESUMED: JobEvent = JobEvent::JobResumed { at: DateTime::UNIX_EPOCH };
const RESUME: JobCommand = JobCommand::Resume { at: DateTime::UNIX_EPOCH };

fn elsewhere(status: JobStatus) -> JobRefusal {
    JobRefusal::Elsewhere { status }
}

#[test]
fn a_job_is_asked_for_once_with_all_its_lines() {
    given::<Job>(&[]).when(&request(&three())).then(&requested(None));
    given::<Job>(&requested(None)).when(&request(&three())).then_refused(&JobRefusal::IdInUse);
}

#[test]
fn many_lines_stand_in_several_events() {
    let lines: Vec<JobLine> = (1..=2_500).map(|player| line(player, 1)).collect();
    let events = given::<Job>(&[]).state().decide(&request(&lines)).unwrap();
    let firsts: Vec<(u32, usize)> = events[1..]
        .iter()
        .map(|event| match event {
            JobEvent::JobLinesListed { first, lines } => (*first, lines.len()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(firsts, [(1, 1_000), (1_001, 1_000), (2_001, 500)]);
    assert_eq!(given::<Job>(&events).state().lines(), lines);
}

#[test]
fn what_cannot_be_a_job_is_refused_with_its_line() {
    let refused = |lines: &[JobLine], refusal: &JobRefusal| {
        given::<Job>(&[]).when(&request(lines)).then_refused(refusal);
    };
    refused(&[], &JobRefusal::NoLines);
    let many: Vec<JobLine> = (1..=50_001).map(|player| line(player, 1)).collect();
    refused(&many, &JobRefusal::TooManyLines);
    assert!(given::<Job>(&[]).state().decide(&request(&many[1..])).is_ok());
    let twice = JobRefusal::PlayerTwice { player: PlayerId(23), line: 3, before: 1 };
    refused(&[line(23, 1), line(24, 1), line(23, 2)], &twice);
    refused(&[line(23, 1), line(24, 0)], &JobRefusal::NothingToGive { line: 2 });
    let most = [line(23, MAX_GOLD), line(24, 1)];
    refused(&most, &JobRefusal::TotalTooLarge { most: MAX_GOLD });
    let overflow: Vec<JobLine> = (1..=20_000).map(|player| line(player, MAX_GOLD)).collect();
    refused(&overflow, &JobRefusal::TotalTooLarge { most: MAX_GOLD });
}

#[test]
fn so_much_gold_waits_for_somebody_else_in_time_and_once() {
    let approve = |second, checker| JobCommand::Approve { at: at(second), checker };
    let reject = |second, checker| JobCommand::Reject { at: at(second), checker };
    let asked = requested(Some(at(10)));
    let refused = |history: &[JobEvent], command: &JobCommand, refusal: &JobRefusal| {
        given::<Job>(history).when(command).then_refused(refusal);
    };
    assert_eq!(given::<Job>(&asked).state().due(10), None);
    refused(&asked, &approve(1, MAKER), &JobRefusal::MakerIsChecker);
    refused(&asked, &approve(1, three()[0].player), &JobRefusal::PlayerIsChecker);
    refused(&asked, &approve(10, CHECKER), &JobRefusal::Expired { expires_at: at(10) });
    refused(&asked, &reject(10, CHECKER), &JobRefusal::Expired { expires_at: at(10) });
    for early in [STOP, RESUME, UNDO] {
        refused(&asked, &early, &elsewhere(JobStatus::AwaitingApproval));
    }
    let approved = JobEvent::JobApproved { at: at(9), checker: CHECKER };
    given::<Job>(&asked).when(&approve(9, CHECKER)).then(std::slice::from_ref(&approved));
    let history = [&asked[..], &[approved]].concat();
    given::<Job>(&history).when(&approve(20, PlayerId(3))).then(&[]);
    refused(&history, &approve(9, MAKER), &JobRefusal::MakerIsChecker);
    refused(&history, &reject(9, CHECKER), &elsewhere(JobStatus::Running));
    let due = Due::Pay { first: 1, lines: three() };
    assert_eq!(given::<Job>(&history).state().due(10), Some(due));

    let rejected = JobEvent::JobRejected { at: at(1), checker: MAKER };
    given::<Job>(&asked).when(&reject(1, MAKER)).then(std::slice::from_ref(&rejected));
    let history = [&asked[..], &[rejected]].concat();
    given::<Job>(&history).when(&reject(2, CHECKER)).then(&[]);
    refused(&history, &approve(2, CHECKER), &elsewhere(JobStatus::Rejected));
    refused(&history, &UNDO, &elsewhere(JobStatus::Rejected));
    refused(&requested(None), &approve(1, CHECKER), &elsewhere(JobStatus::Running));
}

#[test]
fn lines_are_paid_in_their_order_and_each_once() {
    let pay = |first, outcomes: &[LineOutcome]| JobCommand::Pay {
        at: at(1),
        first,
        outcomes: outcomes.to_vec(),
    };
    let outcomes = [LineOutcome::Paid(receipt(1)), LineOutcome::Refused(LineRefusal::UnknownUser)];
    given::<Job>(&requested(None)).when(&pay(1, &outcomes)).then(&[paid()]);
    let history = with(&[paid()]);
    given::<Job>(&history).when(&pay(1, &outcomes)).then_refused(&JobRefusal::MovedOn);
    given::<Job>(&history).when(&JobCommand::Finish { at: at(2) }).then(&[]);
    let due = Due::Pay { first: 3, lines: vec![line(25, 300)] };
    assert_eq!(given::<Job>(&history).state().due(2), Some(due));
    let history = with(&[paid(), rest_paid()]);
    given::<Job>(&history).when(&JobCommand::Finish { at: at(2) }).then(&[finished()]);
    given::<Job>(&whole()).when(&JobCommand::Finish { at: at(3) }).then(&[]);
    assert_eq!(given::<Job>(&whole()).state().due(2), None);
}

#[test]
fn nothing_is_paid_behind_a_stop_until_it_goes_on() {
    let history = with(&[paid()]);
    given::<Job>(&history).when(&STOP).then(&[STOPPED]);
    given::<Job>(&history).when(&RESUME).then(&[]);
    let stopped = with(&[paid(), STOPPED]);
    given::<Job>(&stopped).when(&STOP).then(&[]);
    assert_eq!(given::<Job>(&stopped).state().due(2), None);
    let pay = JobCommand::Pay { at: at(1), first: 3, outcomes: vec![] };
    given::<Job>(&stopped).when(&pay).then_refused(&JobRefusal::MovedOn);
    given::<Job>(&stopped).when(&RESUME).then(&[RESUMED]);
    let resumed = with(&[paid(), STOPPED, RESUMED]);
    assert!(given::<Job>(&resumed).state().pays_next(3));
    for late in [STOP, RESUME] {
        given::<Job>(&whole()).when(&late).then_refused(&elsewhere(JobStatus::Finished));
    }
}

#[test]
fn undoing_stops_first_and_takes_back_only_what_was_paid() {
    given::<Job>(&with(&[paid()])).when(&UNDO).then(&[STOPPED, UNDO_ASKED]);
    given::<Job>(&whole()).when(&UNDO).then(&[UNDO_ASKED]);
    let history = with(&[paid(), STOPPED, UNDO_ASKED]);
    let due = Due::TakeBack {
        first: 1,
        lines: vec![(line(23, 100), Some(receipt(1))), (line(24, 200), None)],
    };
    assert_eq!(given::<Job>(&history).state().due(10), Some(due));
    for late in [STOP, RESUME] {
        given::<Job>(&history).when(&late).then_refused(&elsewhere(JobStatus::Undoing));
    }
    given::<Job>(&history).when(&UNDO).then(&[]);
    let nothing = JobEvent::JobUndone {
        at: DateTime::UNIX_EPOCH,
        lines: 0,
        taken_back: Gold::ZERO,
        left: Gold::ZERO,
    };
    given::<Job>(&requested(None)).when(&UNDO).then(&[STOPPED, UNDO_ASKED, nothing]);
}

#[test]
fn what_is_taken_back_and_what_is_left_add_up() {
    let history = [&whole()[..], &[UNDO_ASKED]].concat();
    let of_each = |taken: &[Option<u64>]| taken.iter().map(|taken| taken.map(gold)).collect();
    let take = |first, taken: &[Option<u64>]| JobCommand::TakeBack {
        at: at(3),
        first,
        taken_back: of_each(taken),
    };
    let undone = |first, taken: &[Option<u64>], left| JobEvent::JobLinesUndone {
        at: at(3),
        first,
        taken_back: of_each(taken),
        left: gold(left),
    };
    given::<Job>(&history).when(&take(1, &[Some(30), None])).then(&[undone(
        1,
        &[Some(30), None],
        70,
    )]);
    let history = [&history[..], &[undone(1, &[Some(30), None], 70)]].concat();
    given::<Job>(&history).when(&take(1, &[Some(30), None])).then_refused(&JobRefusal::MovedOn);
    given::<Job>(&history).when(&JobCommand::Finish { at: at(4) }).then(&[]);
    let history = [&history[..], &[undone(3, &[Some(300)], 0)]].concat();
    let done = JobEvent::JobUndone { at: at(4), lines: 2, taken_back: gold(330), left: gold(70) };
    let finish = JobCommand::Finish { at: at(4) };
    given::<Job>(&history).when(&finish).then(std::slice::from_ref(&done));
    let history = [&history[..], &[done]].concat();
    given::<Job>(&history).when(&UNDO).then(&[]);
    given::<Job>(&history).when(&RESUME).then_refused(&elsewhere(JobStatus::Undone));
}

#[test]
fn nothing_comes_of_a_job_that_nobody_has_asked_for() {
    let approve = JobCommand::Approve { at: at(0), checker: CHECKER };
    let reject = JobCommand::Reject { at: at(0), checker: CHECKER };
    for command in [approve, reject, STOP, RESUME, UNDO] {
        given::<Job>(&[]).when(&command).then_refused(&JobRefusal::NotFound);
    }
    assert_eq!(given::<Job>(&[]).state().due(1), None);
}
