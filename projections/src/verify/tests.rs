//! Whatever was changed, verification says where.

use domain::stored::Cursor;
use sqlx::PgPool;

use super::{Check, ReadModels, Report, verify};
use crate::rebuild::{IfDifferent, rebuild};
use crate::testing::{Writer, another_history, big_database, database, tamper};

mod planted;

async fn verified(pool: &PgPool) -> Report {
    verify(pool, &[], |_| {}).await.unwrap()
}

/// A log of about 1,500 events with read models at its head.
async fn log(seed: u64) -> (PgPool, Writer) {
    let pool = database().await;
    let mut writer = Writer::new(&pool, seed).await;
    for _ in 0..3 {
        writer.write(500).await;
    }
    rebuild(&pool, IfDifferent::Stop, |_| {}).await.unwrap();
    (pool, writer)
}

fn found(report: &Report) -> Vec<(u64, Check)> {
    report.findings.iter().map(|finding| (finding.position, finding.check)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lawful_log_is_clean() {
    for seed in 1..6 {
        let (pool, writer) = log(seed).await;
        let report = verified(&pool).await;
        assert_eq!(found(&report), []);
        assert!(report.is_clean());
        assert_eq!((report.head, report.events), (writer.head.position, writer.head.position));
        assert_eq!(report.read_models, ReadModels::Compared { position: writer.head.position });
        assert_eq!(report.cursor, writer.head.cursor().to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_log_is_clean() {
    let pool = database().await;
    let report = verified(&pool).await;
    assert!(report.is_clean() && report.events == 0);
    assert!(matches!(report.read_models, ReadModels::NotCompared { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_event_is_named() {
    let (pool, _) = log(10).await;
    let changes = [
        "payload = replace(payload::text, '\"at\":', '\"at\": ')::json",
        "metadata = replace(metadata::text, 'actor_id', 'actor_no')::json",
        "hash = sha256(hash)",
        "recorded_at = recorded_at + interval '1 microsecond'",
        "event_version = '2'",
        "aggregate_id = '4711'",
    ];
    for (change, position) in changes.iter().zip([200, 300, 400, 500, 600, 700]) {
        let before = found(&verified(&pool).await);
        tamper(&pool, &format!("update events set {change} where position = {position}")).await;
        let report = verified(&pool).await;
        let new: Vec<_> = found(&report).into_iter().filter(|f| !before.contains(f)).collect();
        assert!(new.contains(&(position, Check::Chain)), "{change}: {new:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_balance_is_named_even_with_its_read_models() {
    let (pool, _) = log(11).await;
    // What an account has done last is what read models show of it.
    let last = "select max(position) from events last
         where event_type = 'gold_granted' and not exists (select from events later
               where later.aggregate_type = 'account' and later.aggregate_id = last.aggregate_id
                 and later.sequence > last.sequence)";
    let position: i64 = sqlx::query_scalar(last).fetch_one(&pool).await.unwrap();
    let forge = format!(
        r#"update events set payload = regexp_replace(payload::text,
             '"balance":\{{"paid":(\d+),"free":\d+', '"balance":{{"paid":\1,"free":999999')::json
            where position = {position}"#
    );
    tamper(&pool, &forge).await;
    let report = verified(&pool).await;
    let position = u64::try_from(position).unwrap();
    for check in [Check::Chain, Check::Balance, Check::ReadModel] {
        assert!(found(&report).contains(&(position, check)), "{check:?} of {:?}", found(&report));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_event_is_named_in_the_middle_and_at_the_end() {
    let (pool, _) = log(12).await;
    tamper(&pool, "delete from events where position between 100 and 102").await;
    let report = verified(&pool).await;
    assert!(found(&report).contains(&(100, Check::Gapless)), "{:?}", found(&report));

    let (pool, writer) = log(13).await;
    let cursor: Cursor = writer.head.cursor();
    tamper(&pool, &format!("delete from events where position > {}", writer.head.position - 5))
        .await;
    let report = verify(&pool, &[cursor], |_| {}).await.unwrap();
    let places =
        found(&report).into_iter().filter(|found| *found == (cursor.position, Check::Place));
    assert_eq!(places.count(), 2, "the read models' place and the remembered one");
    assert_eq!(report.head, writer.head.position - 5);
    assert!(matches!(report.read_models, ReadModels::NotCompared { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remembered_place_of_another_history_is_named() {
    let (pool, writer) = log(14).await;
    let ours = writer.head.cursor();
    assert!(verify(&pool, &[ours], |_| {}).await.unwrap().is_clean());
    let other = another_history(7).cursor();
    let report = verify(&pool, &[ours, other], |_| {}).await.unwrap();
    assert_eq!(found(&report), [(7, Check::Place)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_cannot_have_happened_are_named() {
    let (pool, mut writer) = log(15).await;
    let mut batch = writer.write(1).await.into_iter().map(|r| r.event).collect::<Vec<_>>();
    let head = writer.head.position;
    // The same event once more, as a forger with write access and the right hash would append it.
    let mut again = batch.remove(0);
    again.sequence += 7;
    writer.append(vec![again]).await;
    let report = verified(&pool).await;
    assert!(found(&report).contains(&(head + 1, Check::Sequence)), "{:?}", found(&report));
    assert!(!found(&report).iter().any(|(_, check)| *check == Check::Chain));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_model_that_lies_is_named() {
    let (pool, _) = log(16).await;
    let lies = [
        ("balances", "update read.balances set gold_free = gold_free + 1 where player_id = 3"),
        (
            "audit",
            "update read.audit set actor = 'admin:9' where first = (select max(first) from read.audit)",
        ),
        ("purchases", "delete from read.purchases where player_id = 5"),
        ("books", "update read.books set gold_paid = gold_paid + 1 where account = 'sales'"),
        ("catalog", "update read.catalog set price_gold = 1 where kind = 'benefit'"),
        ("packages", "update read.packages set sold = sold - 1 where code = 'COMMON'"),
        ("promos", "update read.promos set used = used + 1 where code = 'TEN'"),
        ("invites", "update read.invites set uses = uses + 1 where code = 'HALL-0'"),
        ("items", "update read.items set status = 'purchased' where status = 'used'"),
        ("streaks", "update read.streaks set day = day - 1 where streak_count = 1"),
        ("levels", "update read.levels set xp = xp + 1 where player_id = 6"),
        ("standings", "delete from read.standings"),
        ("approvals", "update read.approvals set gold = gold + 1"),
    ];
    for (model, lie) in lies {
        rebuild(&pool, IfDifferent::Promote, |_| {}).await.unwrap();
        sqlx::query(lie).execute(&pool).await.unwrap();
        let report = verified(&pool).await;
        assert!(!report.is_clean(), "{lie}");
        for finding in &report.findings {
            assert_eq!(finding.check, Check::ReadModel);
            assert!(finding.message.starts_with(&format!("read.{model} ")), "{finding:?}");
            assert!(finding.position > 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: run it in release"]
async fn a_million_events() {
    use std::time::Instant;

    use crate::scan;
    let pool = big_database(1_000_000, 10_000).await;
    for _ in 0..3 {
        let copied = crate::testing::plain_copy(&pool).await;
        let started = Instant::now();
        let (out, mut chunks) = scan::chunks();
        let reading = tokio::spawn({
            let pool = pool.clone();
            async move {
                let mut connection = pool.acquire().await.unwrap();
                scan::copy_out(&mut connection, &scan::events_statement(0, 2_000_000), &[out]).await
            }
        });
        while chunks.recv().await.is_some() {}
        reading.await.unwrap().unwrap();
        let scanned = started.elapsed().as_secs_f64();
        let started = Instant::now();
        let report = verified(&pool).await;
        let verified = started.elapsed().as_secs_f64();
        assert!(report.is_clean(), "{:?}", report.findings.first());
        println!(
            "copy {:.0}/s, scan {:.0}/s, verify {:.0}/s ({:.2} of copy), {:?}",
            report.events as f64 / copied,
            report.events as f64 / scanned,
            report.events as f64 / verified,
            copied / verified,
            report.read_models
        );
    }
}
