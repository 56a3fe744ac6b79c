//! Commands of several lines, each with a key of its own, and warming up for them.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use commands::bus::{Limits, Request};
use commands::context::{Caller, Fingerprint};
use commands::log::Log;
use commands::log::memory::{Faults, MemoryDatabase, MemoryLog};
use commands::world::{Decline, Missing, World};
use commands::{Committed, Failure};
use domain::id::PlayerId;
use domain::testing::{Tally, TallyTooLow, Tallying};
use futures::future::join_all;

use crate::{Line, club, count, key, line, node, notes, request, send, sent};

#[tokio::test]
async fn a_batch_is_one_append_and_each_line_is_done_once() {
    let (database, bus) = club().await;
    let lines = [line(1, 1, 5), line(2, 2, 3), line(3, 1, -4)];
    assert_eq!(sent(&bus, &lines).await, (vec![0, 1, 2], vec![]));
    assert_eq!(notes(&database), [1, 2, 3]);
    assert_eq!((count(&bus, 1).await, count(&bus, 2).await), (1, 3));

    let more = [line(2, 2, 3), line(4, 2, 1), line(1, 1, 5)];
    assert_eq!(sent(&bus, &more).await, (vec![1], vec![0, 2]));
    assert_eq!(sent(&bus, &lines).await, (vec![], vec![0, 1, 2]));
    assert_eq!(notes(&database), [1, 2, 3, 4]);
}

#[tokio::test]
async fn another_node_that_remembers_nothing_finds_every_line_in_the_log() {
    let (database, bus) = club().await;
    let lines: Vec<Line> = (1..=9).map(|note| line(note, 1, 1)).collect();
    sent(&bus, &lines[..6]).await;
    let other = node(Arc::new(database.connect(Faults::default(), 2)), Limits::default()).await;
    // Every second key is believed to be new, until the log says otherwise.
    let (written, done) = sent(&other, &lines).await;
    assert_eq!((written, done), (vec![6, 7, 8], vec![0, 1, 2, 3, 4, 5]));
    assert_eq!(notes(&database), (1..=9).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_repeated_line_is_not_refused_by_what_its_first_time_has_done() {
    let (database, bus) = club().await;
    let lines = [line(2, 1, 3), line(4, 1, -3)];
    sent(&bus, &lines).await;
    let other = node(Arc::new(database.connect(Faults::default(), 2)), Limits::default()).await;
    // Its key is believed to be new, and there is nothing left to take: only the log knows why.
    let (told, refused) = send(&other, "again", &lines[1..]).await;
    assert_eq!((told.unwrap().done_before, refused), (vec![0], HashSet::new()));
}

#[tokio::test]
async fn the_second_line_with_a_key_counts_as_done_before() {
    let (database, bus) = club().await;
    let lines = [line(1, 1, 5), line(1, 2, 5), line(2, 1, 1), line(1, 1, 5)];
    assert_eq!(sent(&bus, &lines).await, (vec![0, 2], vec![1, 3]));
    assert_eq!(notes(&database), [1, 2]);
}

#[tokio::test]
async fn a_line_that_is_refused_leaves_its_key_free() {
    let (database, bus) = club().await;
    let lines = [line(1, 1, -1), line(2, 1, 2), line(4, 1, -9)];
    let (told, refused) = send(&bus, "batch", &lines).await;
    assert_eq!((told.unwrap().events.len(), refused), (1, HashSet::from([1, 4])));
    // The first can be had now, the third still cannot.
    assert_eq!(sent(&bus, &lines).await, (vec![0], vec![1]));
    assert_eq!(notes(&database), [2, 1]);
}

#[tokio::test]
async fn a_key_of_a_line_stands_for_the_events_of_that_line() {
    let (database, bus) = club().await;
    let lines = [line(1, 1, 5), line(2, 2, 3)];
    let twice = |world: &mut World<'_>| -> Result<(), Decline<TallyTooLow>> {
        for (index, line) in [line(1, 1, 5), line(2, 2, 3)].iter().enumerate() {
            world.begin_line(index);
            let tallying = Tallying { note: line.note, by: line.by };
            world.decide::<Tally>(PlayerId(line.tally), &tallying)?;
            world.decide::<Tally>(PlayerId(line.tally + 10), &tallying)?;
        }
        Ok(())
    };
    bus.execute_lines(request("batch", &lines), twice).await.unwrap();
    let log = database.connect(Faults::default(), 2);
    let found = log.find_key(key(2).as_str(), "system:test").await.unwrap().unwrap();
    let streams: Vec<_> = found.events.iter().map(|found| &*found.event.aggregate_id).collect();
    assert_eq!(streams, ["2", "12"]);
}

#[tokio::test]
async fn what_a_refused_line_has_written_is_taken_back() {
    let (database, bus) = club().await;
    let lines = [line(1, 1, 5), line(2, 1, 3), line(3, 1, -4)];
    let moved = |world: &mut World<'_>| -> Result<(), Decline<TallyTooLow>> {
        for (index, (note, by)) in [(1, 5), (2, 3), (3, -4)].into_iter().enumerate() {
            world.begin_line(index);
            world.decide::<Tally>(PlayerId(1), &Tallying { note, by })?;
            match world.decide::<Tally>(PlayerId(2), &Tallying { note, by: 4 - by }) {
                Ok(()) => {}
                Err(Decline::Refused(TallyTooLow)) => world.undo_line(),
                Err(missing @ Decline::Missing(_)) => return Err(missing),
            }
        }
        Ok(())
    };
    // The first goes up on one tally and would go down on the other, which shows nothing yet; without
    // the first, the third has too little on the one.
    let told = bus.execute_lines(request("batch", &lines), moved).await;
    assert!(matches!(told, Err(Failure::Refused { .. })), "{told:?}");
    assert_eq!(database.position(), 0);
    sent(&bus, &[line(4, 1, 1)]).await;
    let told = bus.execute_lines(request("batch", &lines), moved).await.unwrap();
    let written: Vec<usize> = told.events.iter().map(|(line, _)| *line).collect();
    assert_eq!((written, notes(&database)), (vec![1, 1, 2, 2], vec![4, 2, 2, 3, 3]));
    assert_eq!((count(&bus, 1).await, count(&bus, 2).await), (0, 9));
}

#[tokio::test]
async fn who_has_done_everything_before_is_not_refused() {
    let (_, bus) = club().await;
    let lines = [line(1, 1, 5), line(2, 1, 1)];
    sent(&bus, &lines).await;
    let no = |_: &mut World<'_>| Err(Decline::Refused(TallyTooLow));
    let told = bus.execute_lines(request("again", &lines), no).await.unwrap();
    assert_eq!((told.done_before, told.place.position), (vec![0, 1], 2));
    let more = [line(1, 1, 5), line(3, 1, 1)];
    let told = bus.execute_lines(request("more", &more), no).await;
    assert!(matches!(told, Err(Failure::Refused { .. })), "{told:?}");
}

#[tokio::test]
async fn an_ordinary_command_keeps_its_one_key() {
    let (database, bus) = club().await;
    let mut caller = Caller::system("test");
    caller.key = Some(key(1));
    let add = |fingerprint| {
        let request = Request::new(&caller, None).keyed(Fingerprint([fingerprint; 16]));
        bus.execute(request, |world| {
            world.decide::<Tally>(PlayerId(1), &Tallying { note: 1, by: 1 })?;
            world.decide::<Tally>(PlayerId(1), &Tallying { note: 2, by: 1 })
        })
    };
    let Committed { events, place, replayed } = add(0).await.unwrap();
    assert_eq!((events.len(), place.position, replayed), (2, 2, false));
    let again = add(0).await.unwrap();
    assert_eq!((again.events, again.place, again.replayed), (events, place, true));
    assert_eq!(add(1).await.unwrap_err(), Failure::KeyReused);
    // It is known to batches, too, and theirs to it.
    assert_eq!(sent(&bus, &[line(1, 1, 1), line(2, 1, 1)]).await, (vec![1], vec![0]));
    assert_eq!(database.position(), 3);
}

#[tokio::test(start_paused = true)]
async fn batches_with_keys_in_common_never_wait_for_each_other() {
    let database = MemoryDatabase::default();
    let slow = Faults { slow: 1_000, ..Faults::default() };
    let bus = node(Arc::new(database.connect(slow, 1)), Limits::default()).await;
    let lines: Vec<Line> = (1..=20).map(|note| line(note, 1, 1)).collect();
    let batches = (0..40).map(|turn| {
        let mut lines = lines.clone();
        lines.rotate_left(turn % 20);
        if turn % 2 == 0 {
            lines.reverse();
        }
        let bus = bus.clone();
        async move { sent(&bus, &lines).await }
    });
    let all = tokio::time::timeout(Duration::from_secs(5), join_all(batches)).await.unwrap();
    assert_eq!(all.iter().map(|(written, _)| written.len()).sum::<usize>(), 20);
    assert!(all.iter().all(|(written, done)| written.len() + done.len() == 20));
}

#[tokio::test(start_paused = true)]
async fn what_was_warmed_up_needs_no_log() {
    let (database, bus) = club().await;
    let lines: Vec<Line> =
        (1..=100).map(|number| line(number, i64::try_from(number).unwrap(), 1)).collect();
    sent(&bus, &lines).await;
    let log: Arc<MemoryLog> = Arc::new(database.connect(Faults::default(), 2));
    let other = node(log.clone(), Limits::default()).await;
    let streams: Vec<Missing> = (1..=100).map(|id| Missing::of::<Tally>(PlayerId(id))).collect();
    other.warm(&streams).await.unwrap();
    log.cut();
    for id in 1..=100 {
        assert_eq!(count(&other, id).await, 1);
    }
}
