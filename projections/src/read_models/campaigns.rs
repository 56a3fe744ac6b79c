//! Mail campaigns: what each says, to whom, and where it stands.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::campaign::{CampaignCounts, CampaignEvent, CampaignStatus, CampaignTerms};
use domain::event::ClubEvent;
use domain::id::CampaignId;
use futures::future::BoxFuture;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};

use super::balances::amount;
use super::{
    At, Entry, ReadError, ReadModel, bring_new, json, named, number, optional_json,
    optional_number, read_at, table, to_json,
};
use crate::copy::CopyRows;
use crate::follower::FollowerError;

/// The view that readers use, and the beginning of its tables' names.
pub const NAME: &str = "campaigns";
/// Raise it with any change of what this file makes of an event.
pub const VERSION: i32 = 1;

const COLUMNS: &str = "(
    position       bigint      not null,
    campaign_id    bigint      not null,
    drawn_position bigint      not null,
    drawn_at       timestamptz not null,
    terms          text        not null,
    status         text        not null,
    starts_at      timestamptz,
    expected       bigint,
    finished_at    timestamptz,
    counts         text
) with (fillfactor = 50)";

/// A campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CampaignRow {
    /// Its number.
    pub campaign_id: CampaignId,
    /// When it was drawn up.
    pub drawn_at: DateTime<Utc>,
    /// What it says, and to whom.
    pub terms: CampaignTerms,
    /// Where it stands.
    pub status: CampaignStatus,
    /// From when on it is sent, once it was started.
    pub starts_at: Option<DateTime<Utc>>,
    /// How many would have got it when it was started.
    pub expected: Option<u64>,
    /// When nothing of it was left.
    pub finished_at: Option<DateTime<Utc>>,
    /// What became of it, once it is finished.
    pub counts: Option<CampaignCounts>,
    /// The event that drew it up: the cursor of pages.
    pub drawn_position: u64,
}

/// Campaigns, newest first, drawn up before the position `before` (all, if `None`), `limit` at most. The
/// next page is before the last one's `drawn_position`.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn page(
    pool: &PgPool,
    before: Option<u64>,
    limit: u32,
) -> Result<At<Vec<CampaignRow>>, ReadError> {
    let rows = "select * from read.campaigns where drawn_position < $1
                 order by drawn_position desc limit $2";
    let before = crate::position::bound_to_sql(before);
    read_at(pool, rows, |query| query.bind(before).bind(i64::from(limit)), campaign).await
}

/// The campaign with this number.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn by_id(pool: &PgPool, id: CampaignId) -> Result<At<Option<CampaignRow>>, ReadError> {
    let rows = "select * from read.campaigns where campaign_id = $1";
    let At { position, mut rows } = read_at(pool, rows, |query| query.bind(id.0), campaign).await?;
    Ok(At { position, rows: rows.pop() })
}

/// Campaigns that are to be sent at a moment, the oldest first.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn running(pool: &PgPool, at: DateTime<Utc>) -> Result<Vec<CampaignId>, ReadError> {
    let rows = "select campaign_id from read.campaigns
                 where status = 'started' and starts_at <= $1 order by campaign_id";
    let of_row = |row: &PgRow| Ok(CampaignId(row.try_get("campaign_id")?));
    Ok(read_at(pool, rows, |query| query.bind(at), of_row).await?.rows)
}

fn campaign(row: &PgRow) -> Result<CampaignRow, ReadError> {
    Ok(CampaignRow {
        campaign_id: CampaignId(row.try_get("campaign_id")?),
        drawn_at: row.try_get("drawn_at")?,
        terms: json(row, "terms")?,
        status: named(row, "status")?,
        starts_at: row.try_get("starts_at")?,
        expected: optional_number(row, "expected")?,
        finished_at: row.try_get("finished_at")?,
        counts: optional_json(row, "counts")?,
        drawn_position: number(row, "drawn_position")?,
    })
}

/// Campaigns that events have changed.
#[derive(Debug, Default)]
pub(crate) struct Campaigns(BTreeMap<CampaignId, Change>);

#[derive(Debug, Default)]
struct Change {
    position: i64,
    drawn_up: Option<(i64, DateTime<Utc>, CampaignTerms)>,
    status: Option<CampaignStatus>,
    started: Option<(DateTime<Utc>, u64)>,
    finished: Option<(DateTime<Utc>, CampaignCounts)>,
}

impl Change {
    fn take(&mut self, position: i64, event: &CampaignEvent) {
        match event {
            CampaignEvent::CampaignDrawnUp { at, terms } => {
                self.drawn_up = Some((position, *at, terms.clone()));
            }
            CampaignEvent::CampaignStarted { starts_at, expected, .. } => {
                self.status = Some(CampaignStatus::Started);
                self.started = Some((*starts_at, *expected));
            }
            CampaignEvent::CampaignTested { .. } => {}
            CampaignEvent::CampaignStopped { .. } => self.status = Some(CampaignStatus::Stopped),
            CampaignEvent::CampaignResumed { .. } => self.status = Some(CampaignStatus::Started),
            CampaignEvent::CampaignFinished { at, counts } => {
                self.status = Some(CampaignStatus::Finished);
                self.finished = Some((*at, *counts));
            }
        }
        self.position = position;
    }

    fn copy_out(&self, id: CampaignId, rows: &mut CopyRows) {
        // What happened to a campaign that nobody drew up is no row.
        let Some((drawn, drawn_at, terms)) = &self.drawn_up else { return };
        rows.row(10)
            .int(self.position)
            .int(id.0)
            .int(*drawn)
            .time(*drawn_at)
            .text(&to_json(terms))
            .text(self.status.unwrap_or_default().name())
            .optional_time(self.started.map(|(starts_at, _)| starts_at))
            .optional_int(self.started.map(|(_, expected)| amount(expected)))
            .optional_time(self.finished.map(|(at, _)| at))
            .optional_text(self.finished.map(|(_, counts)| to_json(&counts)).as_deref());
    }
}

/// One at a time: the staff does not do this often.
async fn update(
    id: CampaignId,
    change: &Change,
    connection: &mut PgConnection,
    table: &str,
) -> Result<(), FollowerError> {
    let sql = format!(
        "update {table} campaign
            set position = $2, status = coalesce($3, status), starts_at = coalesce($4, starts_at),
                expected = coalesce($5, expected), finished_at = coalesce($6, finished_at),
                counts = coalesce($7, counts)
          where campaign_id = $1"
    );
    sqlx::query(&sql)
        .bind(id.0)
        .bind(change.position)
        .bind(change.status.map(CampaignStatus::name))
        .bind(change.started.map(|(starts_at, _)| starts_at))
        .bind(change.started.map(|(_, expected)| amount(expected)))
        .bind(change.finished.map(|(at, _)| at))
        .bind(change.finished.map(|(_, counts)| to_json(&counts)))
        .execute(connection)
        .await?;
    Ok(())
}

impl ReadModel for Campaigns {
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
            format!("alter table {table} add primary key (campaign_id)"),
            format!("create unique index on {table} (drawn_position)"),
            format!("create index on {table} (starts_at) where status = 'started'"),
        ]
    }

    fn fold(&mut self, entry: &Entry<'_>) {
        let ClubEvent::Campaign(id, event) = &entry.event else { return };
        self.0.entry(*id).or_default().take(entry.position, event);
    }

    fn upsert<'a>(
        &'a mut self,
        connection: &'a mut PgConnection,
        generation: i32,
    ) -> BoxFuture<'a, Result<(), FollowerError>> {
        Box::pin(async move {
            let table = table(NAME, generation);
            let is_new = |change: &Change| change.drawn_up.is_some();
            let new = (is_new, Change::copy_out);
            let changes = bring_new(&mut self.0, new, connection, &table).await?;
            for (id, change) in &changes {
                update(*id, change, connection, &table).await?;
            }
            Ok(())
        })
    }

    fn copy_out(&mut self, rows: &mut CopyRows) {
        let changed = std::mem::take(&mut self.0);
        changed.iter().for_each(|(id, change)| change.copy_out(*id, rows));
    }
}
