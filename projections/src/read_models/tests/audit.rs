//! The audit log shows what the staff did, whatever of it is asked for.

use std::collections::BTreeSet;

use domain::account::{Account, AccountCommand};
use domain::aggregate::Aggregate;
use domain::audit::{Audit, AuditEvent};
use domain::event::Actor;
use domain::id::{PlayerId, ReceiptCode};
use domain::job::Job;
use domain::money::Gold;
use domain::stored::{Recorded, StoredEvent};
use domain::testing::at;
use serde_json::Value;
use sqlx::PgPool;

use super::{MANY, followed};
use crate::feed;
use crate::read_models::audit::{self, AuditRow, Wanted};
use crate::rebuild::{IfDifferent, rebuild};
use crate::testing::{Writer, database, metadata, stored};

/// What the log says of a line: position, actor, action, family, target.
type Told = (u64, String, String, String, String);

async fn lines(pool: &PgPool, wanted: &Wanted, length: u32) -> Vec<AuditRow> {
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let page = audit::page(pool, wanted, before, length).await.unwrap().rows;
        before = page.last().map(|line| line.position);
        all.extend(page);
        if before.is_none() {
            return all;
        }
    }
}

fn shown(lines: Vec<AuditRow>) -> Vec<Told> {
    let told = |line: AuditRow| (line.position, line.actor, line.action, line.family, line.target);
    lines.into_iter().map(told).collect()
}

fn told(recorded: &Recorded) -> Option<Told> {
    let StoredEvent { aggregate_type: family, event_type: action, metadata, .. } = &recorded.event;
    let said: Value = serde_json::from_str(metadata).unwrap();
    let is_note = *family == Audit::TYPE;
    let is_list = *family == Job::TYPE && action == "job_lines_listed";
    if !is_note && (said["actor_kind"] != "admin" || is_list) {
        return None;
    }
    let target = match is_note.then(|| recorded.event.decode::<AuditEvent>().unwrap()) {
        Some(AuditEvent::AttemptRefused { path, .. }) => path,
        Some(
            AuditEvent::PersonalDataSeen { player, .. } | AuditEvent::MailResent { player, .. },
        ) => player.to_string(),
        None => recorded.event.aggregate_id.to_string(),
    };
    let part = |name: &str| said[name].as_str().unwrap().to_owned();
    let actor = format!("{}:{}", part("actor_kind"), part("actor_id"));
    Some((recorded.place.position, actor, action.to_string(), family.to_string(), target))
}

/// Each different value of a column.
fn each(lines: &[Told], column: fn(&Told) -> &String) -> BTreeSet<String> {
    lines.iter().map(|line| column(line).clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_the_events_of_the_staff_whatever_is_asked_for() {
    let (pool, _) = followed(31, 4_000).await;
    let mut connection = pool.acquire().await.unwrap();
    let start = feed::genesis(&mut connection).await.unwrap();
    let log = feed::page(&mut connection, &start, 10_000).await.unwrap();
    let all: Vec<Told> = log.iter().rev().filter_map(told).collect();
    assert!(all.len() > 500 && all.len() < log.len() / 2, "{}", all.len());
    assert_eq!(shown(lines(&pool, &Wanted::default(), 7).await), all);

    let only = |which: &dyn Fn(&Told) -> bool| -> Vec<Told> {
        all.iter().filter(|line| which(line)).cloned().collect()
    };
    for actor in each(&all, |line| &line.1) {
        let wanted = Wanted { actor: Some(actor.clone()), ..Wanted::default() };
        assert_eq!(shown(lines(&pool, &wanted, 50).await), only(&|line| line.1 == actor));
    }
    for action in each(&all, |line| &line.2) {
        let wanted = Wanted { action: Some(action.clone()), ..Wanted::default() };
        assert_eq!(shown(lines(&pool, &wanted, 50).await), only(&|line| line.2 == action));
    }
    for target in each(&all, |line| &line.4) {
        let wanted = Wanted { target: Some(target.clone()), ..Wanted::default() };
        assert_eq!(shown(lines(&pool, &wanted, 50).await), only(&|line| line.4 == target));
        let wanted = Wanted { actor: Some("admin:1".into()), ..wanted };
        let both = only(&|line| line.4 == target && line.1 == "admin:1");
        assert_eq!(shown(lines(&pool, &wanted, 50).await), both);
        let wanted = Wanted { action: Some("gold_granted".into()), ..wanted };
        let three =
            only(&|line| line.4 == target && line.1 == "admin:1" && line.2 == "gold_granted");
        assert_eq!(shown(lines(&pool, &wanted, 50).await), three);
    }
    let (early, late) = (&log[log.len() / 3], &log[log.len() / 2]);
    let wanted = Wanted {
        since: Some(early.recorded_at),
        until: Some(late.recorded_at),
        ..Wanted::default()
    };
    let between = |position: u64| {
        let at = log[usize::try_from(position).unwrap() - 1].recorded_at;
        early.recorded_at <= at && at < late.recorded_at
    };
    let some = shown(lines(&pool, &wanted, 50).await);
    assert!(!some.is_empty());
    assert_eq!(some, only(&|line| between(line.0)));
}

/// So many grants to one account by one of the staff.
fn grants(count: u64) -> Vec<StoredEvent> {
    let (mut account, mut events) = (Account::default(), Vec::new());
    let open = AccountCommand::Open { at: at(0), bonus: Gold::new(1_000).unwrap() };
    let give = |number| AccountCommand::GrantGold {
        at: at(0),
        receipt_code: ReceiptCode::from_bits(number),
        gold: Gold::new(1).unwrap(),
    };
    for command in std::iter::once(open).chain((0..count).map(give)) {
        for event in account.decide(&command).unwrap() {
            account.evolve(&event);
            let mut event = stored(Account::TYPE, "7", events.len() as u64 + 1, &event);
            event.metadata = metadata(Actor::Admin(PlayerId(1)), Some(PlayerId(7))).into();
            events.push(event);
        }
    }
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn giving_to_many_is_a_few_rows_and_all_the_lines() {
    let pool = database().await;
    let mut writer = Writer::new(&pool, 1).await;
    let events = grants(3_500);
    for part in events.chunks(701) {
        writer.append(part.to_vec()).await;
    }
    rebuild(&pool, IfDifferent::Stop, |_| {}).await.unwrap();
    let rows: Vec<(i64, i64, String)> =
        sqlx::query_as("select first, position, action from read.audit order by first")
            .fetch_all(&pool)
            .await
            .unwrap();
    let given = rows.iter().filter(|row| row.2 == "gold_granted");
    let ends: Vec<(i64, i64)> = given.map(|row| (row.0, row.1)).collect();
    assert_eq!(ends, [(3, 999), (1_000, 1_999), (2_000, 2_999), (3_000, 3_502)], "{rows:?}");
    let given = Wanted { action: Some("gold_granted".into()), ..Wanted::default() };
    for wanted in [given.clone(), Wanted { target: Some("7".into()), ..given }] {
        let lines = lines(&pool, &wanted, 900).await;
        let positions: Vec<u64> = lines.iter().map(|line| line.position).collect();
        assert_eq!(positions, (3..=3_502).rev().collect::<Vec<u64>>());
    }
    assert_eq!(lines(&pool, &Wanted::default(), MANY).await.len(), 3_502);
}
