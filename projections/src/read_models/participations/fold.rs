//! What events make of participations. All that a page changes of one folds into one change.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::account::AccountEvent;
use domain::activity::{ActivityEvent, Advance, Goal};
use domain::event::ClubEvent;
use domain::id::{LiveEventId, PlayerId, ReceiptCode};
use domain::live_event::{self, LiveEventTerms};
use domain::schedule::Occurrence;
use futures::future::BoxFuture;
use sqlx::PgConnection;

use super::super::balances::amount;
use super::super::{Entry, ReadModel, table, to_json};
use super::{NAME, VERSION};
use crate::copy::CopyRows;
use crate::follower::FollowerError;

/// `needed` has a bit for each requirement, and `met` one for each that is met: the moment at which
/// they become equal is that of completion, whatever a page knows of what came before it.
///
/// Of what changes, only scores are in an index: where nothing is scored, a new version of a row
/// stays in its page, which has room.
const COLUMNS: &str = "(
    position           bigint not null,
    event_id           bigint not null,
    occurrence_at      timestamptz not null,
    player_id          bigint not null,
    occurrence_ends_at timestamptz not null,
    joined_at          timestamptz not null,
    joined_position    bigint not null,
    entry              text   not null,
    needed             bigint not null,
    met                bigint not null,
    progress_0         bigint,
    progress_1         bigint,
    progress_2         bigint,
    progress_3         bigint,
    progress_4         bigint,
    progress_5         bigint,
    progress_6         bigint,
    progress_7         bigint,
    completed_at       timestamptz,
    claimed_at         timestamptz,
    forced             bigint not null,
    receipt_code       text,
    score              bigint not null,
    scored_position    bigint,
    rewarded_place     bigint,
    place_receipt_code text
) with (fillfactor = 60)";

/// Requirements, at most.
const MOST: usize = LiveEventTerms::MOST_REQUIREMENTS;

/// Which event, which of its occurrences, who.
type Key = (LiveEventId, DateTime<Utc>, PlayerId);

/// Participations that events have changed; those among them that began.
#[derive(Debug, Default)]
pub(crate) struct Participations {
    changes: HashMap<Key, Change>,
    /// The terms under which an event was joined last, as text: most join under the same.
    entries: HashMap<LiveEventId, Arc<str>>,
}

#[derive(Debug, Default)]
struct Change {
    position: i64,
    joined: Option<Joined>,
    progress: [Option<i64>; MOST],
    met: u8,
    /// When the last of these was met.
    met_at: Option<DateTime<Utc>>,
    claimed: Option<(DateTime<Utc>, ReceiptCode, bool)>,
    /// How much, and by which event.
    score: Option<(i64, i64)>,
    place: Option<(u32, ReceiptCode)>,
}

#[derive(Debug)]
struct Joined {
    at: DateTime<Utc>,
    position: i64,
    ends_at: DateTime<Utc>,
    entry: Arc<str>,
    needed: u8,
}

/// A bit for each of so many requirements.
fn bits(requirements: usize) -> u8 {
    (0..requirements.min(MOST)).fold(0, |bits, number| bits | 1 << number)
}

impl Change {
    fn advance(&mut self, position: i64, at: DateTime<Utc>, advance: &Advance) {
        let progress = amount(advance.progress);
        match advance.goal {
            Goal::Requirement { number, .. } => {
                let Some(has) = self.progress.get_mut(usize::from(number)) else { return };
                *has = Some(progress);
                let bit = 1 << number;
                if advance.is_complete() && self.met & bit == 0 {
                    self.met |= bit;
                    self.met_at = Some(at);
                }
            }
            Goal::Score { .. } => self.score = Some((progress, position)),
            Goal::Mission { .. } => {}
        }
    }

    fn completed_at(&self, joined: &Joined) -> Option<DateTime<Utc>> {
        match joined.needed {
            0 => Some(joined.at),
            needed => self.met_at.filter(|_| self.met == needed),
        }
    }

    fn copy_out(&self, (event, occurrence_at, player): Key, rows: &mut CopyRows) {
        // What happened to somebody who never joined is no row: `verify` says it.
        let Some(joined) = &self.joined else { return };
        rows.row(26)
            .int(self.position)
            .int(event.0)
            .time(occurrence_at)
            .int(player.0)
            .time(joined.ends_at)
            .time(joined.at)
            .int(joined.position)
            .text(&joined.entry)
            .int(joined.needed.into())
            .int(self.met.into());
        for progress in self.progress {
            rows.optional_int(progress);
        }
        rows.optional_time(self.completed_at(joined))
            .optional_time(self.claimed.map(|(at, ..)| at))
            .int(self.claimed.is_some_and(|(.., forced)| forced).into())
            .optional_text(self.claimed.map(|(_, receipt, _)| receipt.to_string()).as_deref())
            .int(self.score.map_or(0, |(score, _)| score))
            .optional_int(self.score.map(|(_, position)| position))
            .optional_int(self.place.map(|(place, _)| place.into()))
            .optional_text(self.place.map(|(_, receipt)| receipt.to_string()).as_deref());
    }
}

impl Participations {
    fn changed(&mut self, position: i64, key: Key) -> &mut Change {
        let change = self.changes.entry(key).or_default();
        change.position = position;
        change
    }

    fn join(
        &mut self,
        (position, player, event): (i64, PlayerId, LiveEventId),
        at: DateTime<Utc>,
        occurrence: Occurrence,
        entry: &live_event::Entry,
    ) {
        let text = to_json(entry);
        let known = self.entries.entry(event).or_default();
        if **known != *text {
            *known = text.into();
        }
        let joined = Joined {
            at,
            position,
            ends_at: occurrence.ends_at,
            entry: Arc::clone(known),
            needed: bits(entry.requirements.len()),
        };
        self.changed(position, (event, occurrence.starts_at, player)).joined = Some(joined);
    }

    fn fold_activity(&mut self, position: i64, player: PlayerId, event: &ActivityEvent) {
        for advance in event.advanced() {
            let (Goal::Requirement { event: id, occurrence, .. }
            | Goal::Score { event: id, occurrence }) = advance.goal
            else {
                continue;
            };
            let change = self.changed(position, (id, occurrence, player));
            change.advance(position, event.at(), advance);
        }
    }

    fn fold_account(&mut self, position: i64, player: PlayerId, event: &AccountEvent) {
        match event {
            AccountEvent::EventJoined { at, event_id, occurrence, entry } => {
                self.join((position, player, *event_id), *at, *occurrence, entry);
            }
            AccountEvent::EventClaimed {
                at,
                receipt_code,
                event_id,
                occurrence_at,
                forced,
                ..
            } => {
                let change = self.changed(position, (*event_id, *occurrence_at, player));
                change.claimed = Some((*at, *receipt_code, *forced));
            }
            AccountEvent::PlaceRewarded {
                receipt_code, event_id, occurrence_at, place, ..
            } => {
                let change = self.changed(position, (*event_id, *occurrence_at, player));
                change.place = Some((*place, *receipt_code));
            }
            AccountEvent::AccountOpened { .. }
            | AccountEvent::SignUpBonusGranted { .. }
            | AccountEvent::GoldGranted { .. }
            | AccountEvent::VipPointsGranted { .. }
            | AccountEvent::GoldSpent { .. }
            | AccountEvent::PurchaseRequested { .. }
            | AccountEvent::PurchaseCompleted { .. }
            | AccountEvent::PurchaseFailed { .. }
            | AccountEvent::PurchaseVoided { .. }
            | AccountEvent::LateCaptureRefunded { .. }
            | AccountEvent::RefundRequested { .. }
            | AccountEvent::PurchaseRefunded { .. }
            | AccountEvent::RefundFailed { .. }
            | AccountEvent::PurchaseChargedBack { .. }
            | AccountEvent::PurchasesBlocked { .. }
            | AccountEvent::BenefitPurchased { .. }
            | AccountEvent::ItemUsed { .. }
            | AccountEvent::ItemExpired { .. }
            | AccountEvent::ItemRefunded { .. }
            | AccountEvent::SpendLimitSet { .. }
            | AccountEvent::CoolingOffStarted { .. }
            | AccountEvent::AccountClosed { .. }
            | AccountEvent::SelfExcluded { .. }
            | AccountEvent::StreakClaimed { .. }
            | AccountEvent::VipClaimed { .. }
            | AccountEvent::MissionClaimed { .. }
            | AccountEvent::RewardGifted { .. }
            | AccountEvent::GrantTakenBack { .. } => {}
        }
    }
}

/// The columns of changes to rows that are there.
#[derive(Default)]
struct Columns {
    occurrences: Vec<DateTime<Utc>>,
    numbers: [Vec<i64>; 4],
    progress: [Vec<Option<i64>>; MOST],
    others: [Vec<Option<i64>>; 4],
    times: [Vec<Option<DateTime<Utc>>>; 2],
    receipts: [Vec<Option<String>>; 2],
}

impl Columns {
    fn push(&mut self, (event, occurrence_at, player): Key, change: &Change) {
        let Change { claimed, score, place, .. } = change;
        self.occurrences.push(occurrence_at);
        push(&mut self.numbers, [change.position, event.0, player.0, change.met.into()]);
        push(&mut self.progress, change.progress);
        let forced = claimed.map(|(.., forced)| forced.into());
        let (score, scored) = score.unzip();
        push(&mut self.others, [forced, score, scored, place.map(|(place, _)| place.into())]);
        push(&mut self.times, [change.met_at, claimed.map(|(at, ..)| at)]);
        let receipts = [claimed.map(|(_, receipt, _)| receipt), place.map(|(_, receipt)| receipt)];
        push(&mut self.receipts, receipts.map(|receipt| receipt.map(|code| code.to_string())));
    }

    async fn update(self, connection: &mut PgConnection, table: &str) -> Result<(), FollowerError> {
        let progress: String = (0..MOST)
            .map(|n| format!("progress_{n} = coalesce(it.progress_{n}, has.progress_{n}), "))
            .collect();
        let sql = format!(
            "update {table} has
                set position = it.position, met = has.met | it.met, {progress}
                    completed_at = coalesce(has.completed_at, case
                        when (has.met | it.met) = has.needed then it.met_at end),
                    claimed_at = coalesce(it.claimed_at, has.claimed_at),
                    forced = coalesce(it.forced, has.forced),
                    receipt_code = coalesce(it.receipt_code, has.receipt_code),
                    score = coalesce(it.score, has.score),
                    scored_position = coalesce(it.scored_position, has.scored_position),
                    rewarded_place = coalesce(it.place, has.rewarded_place),
                    place_receipt_code = coalesce(it.place_receipt_code, has.place_receipt_code)
               from unnest($1::timestamptz[], $2::bigint[], $3::bigint[], $4::bigint[],
                           $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[],
                           $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[],
                           $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[],
                           $18::timestamptz[], $19::timestamptz[], $20::text[], $21::text[])
                 as it (occurrence_at, position, event_id, player_id, met, progress_0, progress_1,
                        progress_2, progress_3, progress_4, progress_5, progress_6, progress_7,
                        forced, score, scored_position, place, met_at, claimed_at, receipt_code,
                        place_receipt_code)
              where has.event_id = it.event_id and has.occurrence_at = it.occurrence_at
                and has.player_id = it.player_id"
        );
        let query = sqlx::query(&sql).bind(self.occurrences);
        let query = self.numbers.into_iter().fold(query, |query, column| query.bind(column));
        let query = self.progress.into_iter().fold(query, |query, column| query.bind(column));
        let query = self.others.into_iter().fold(query, |query, column| query.bind(column));
        let query = self.times.into_iter().fold(query, |query, column| query.bind(column));
        let query = self.receipts.into_iter().fold(query, |query, column| query.bind(column));
        query.execute(connection).await?;
        Ok(())
    }
}

fn push<T, const N: usize>(columns: &mut [Vec<T>; N], values: [T; N]) {
    columns.iter_mut().zip(values).for_each(|(column, value)| column.push(value));
}

impl ReadModel for Participations {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> i32 {
        VERSION
    }

    fn columns(&self) -> &'static str {
        COLUMNS
    }

    fn indexes(&self, table: &str) -> Vec<String> {
        vec![
            format!("alter table {table} add primary key (event_id, occurrence_at, player_id)"),
            format!("create index on {table} (player_id, event_id, occurrence_at)"),
            format!("create index on {table} (event_id, joined_position)"),
            format!(
                "create index on {table}
                    (event_id, occurrence_at, score desc, scored_position, player_id)
                  where score > 0"
            ),
        ]
    }

    fn fold(&mut self, entry: &Entry<'_>) {
        match &entry.event {
            ClubEvent::Activity(player, event) => {
                self.fold_activity(entry.position, *player, event);
            }
            ClubEvent::Account(player, event) => self.fold_account(entry.position, *player, event),
            ClubEvent::Product(..)
            | ClubEvent::Package(..)
            | ClubEvent::Promo(..)
            | ClubEvent::Identity(..)
            | ClubEvent::Role(..)
            | ClubEvent::Audit(..)
            | ClubEvent::Mission(..)
            | ClubEvent::LiveEvent(..)
            | ClubEvent::Approval(..)
            | ClubEvent::Job(..)
            | ClubEvent::Invite(..)
            | ClubEvent::Campaign(..)
            | ClubEvent::Announcement(..) => {}
        }
    }

    fn upsert<'a>(
        &'a mut self,
        connection: &'a mut PgConnection,
        generation: i32,
    ) -> BoxFuture<'a, Result<(), FollowerError>> {
        Box::pin(async move {
            let table = table(NAME, generation);
            let (mut rows, mut columns) = (CopyRows::default(), Columns::default());
            for (key, change) in self.changes.drain() {
                match change.joined {
                    Some(_) => change.copy_out(key, &mut rows),
                    None => columns.push(key, &change),
                }
            }
            rows.copy_into(connection, &table).await?;
            if columns.occurrences.is_empty() {
                return Ok(());
            }
            columns.update(connection, &table).await
        })
    }

    fn copy_out(&mut self, rows: &mut CopyRows) {
        for (key, change) in self.changes.drain() {
            change.copy_out(key, rows);
        }
    }
}
