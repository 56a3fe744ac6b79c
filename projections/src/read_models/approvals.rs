//! Requests that take two members of the staff, grants and jobs alike, and how each has ended. That the time
//! of one is over is nobody's event: it shows by the moment at which it is looked at.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::approval::{ApprovalEvent, Ending};
use domain::event::ClubEvent;
use domain::id::{ApprovalId, JobId, PlayerId, ReceiptCode};
use domain::job::{JobEvent, JobKind};
use domain::money::Gold;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};

use super::balances::amount;
use super::{At, Entry, ReadError, ReadModel, bring_new, named, number, read_at, table};
use crate::copy::CopyRows;
use crate::follower::FollowerError;
use crate::position::bound_to_sql;

/// The view that readers use, and the beginning of its tables' names.
pub const NAME: &str = "approvals";
/// Raise it with any change of what this file makes of an event.
pub const VERSION: i32 = 2;

const COLUMNS: &str = "(
    position           bigint not null,
    requested_position bigint not null,
    kind               text   not null,
    id                 text   not null,
    maker_id           bigint not null,
    lines              bigint not null,
    gold               bigint not null,
    player_id          bigint,
    receipt_code       text,
    requested_at       timestamptz not null,
    expires_at         timestamptz not null,
    ending             text,
    checker_id         bigint,
    ended_at           timestamptz
) with (fillfactor = 50)";

/// A request with the reasons for it and against it, which stand beside the log. `$1` is now.
const SHOWN: &str = "select approval.*, asked.text as reason, said.text as rejection,
        coalesce(ending, case when expires_at > $1 then 'open' else 'expired' end) as status
   from read.approvals approval
   left join event_texts asked on asked.position = approval.requested_position
   left join event_texts said
     on said.position = approval.position and approval.ending = 'rejected'";

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalStatus {
    /// Somebody can still agree.
    Open,
    /// Somebody agreed, and the gold was given.
    Approved,
    /// Somebody said no.
    Rejected,
    /// Nobody did either in time.
    Expired,
}

impl ApprovalStatus {
    /// As clients write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
        }
    }
}

/// What is asked for, with the id that it is decided by. Ids are unique among those of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum ApprovalOf {
    /// A grant for one player.
    Grant(ApprovalId),
    /// A job, whose lines are paid once somebody agrees.
    Job(JobId),
}

impl ApprovalOf {
    /// The stored name of its kind.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Grant(_) => "grant",
            Self::Job(_) => JobKind::BulkGrant.name(),
        }
    }

    /// Its id, as text.
    #[must_use]
    pub fn id(self) -> String {
        match self {
            Self::Grant(id) => id.to_string(),
            Self::Job(id) => id.to_string(),
        }
    }
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApprovalRow {
    /// What is asked for.
    pub of: ApprovalOf,
    /// Who asked.
    pub maker: PlayerId,
    /// Who agreed, or said no.
    pub checker: Option<PlayerId>,
    /// For how many players.
    pub lines: u64,
    /// How much, for all of them.
    pub gold: u64,
    /// Who has the gold of a grant, or would have had it.
    pub player: Option<PlayerId>,
    /// The receipt of a grant; it means something once the request is approved.
    pub receipt_code: Option<ReceiptCode>,
    /// Why, unless it was erased.
    pub reason: Option<String>,
    /// Why not, if somebody said no, unless it was erased.
    pub rejection: Option<String>,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// The first moment at which nobody can agree any more.
    pub expires_at: DateTime<Utc>,
    /// When somebody agreed or said no.
    pub ended_at: Option<DateTime<Utc>>,
    /// Where it stands.
    pub status: ApprovalStatus,
    /// The event that asked for it: the cursor of pages.
    pub requested_position: u64,
}

/// Requests as they stand `now`, newest first: those with this status (all, if `None`), made before the
/// position `before` (all, if `None`), `limit` at most. The next page is before the last one's
/// `requested_position`.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn page(
    pool: &PgPool,
    now: DateTime<Utc>,
    status: Option<ApprovalStatus>,
    before: Option<u64>,
    limit: u32,
) -> Result<At<Vec<ApprovalRow>>, ReadError> {
    let rows = format!(
        "select * from ({SHOWN}) shown
          where requested_position < $2 and ($3::text is null or status = $3)
          order by requested_position desc limit $4"
    );
    let (before, limit) = (bound_to_sql(before), i64::from(limit));
    let status = status.map(ApprovalStatus::name);
    // What is not asked for falls away when the statement is planned, which is done each time.
    read_at(
        pool,
        &rows,
        |query| query.persistent(false).bind(now).bind(before).bind(status).bind(limit),
        approval,
    )
    .await
}

/// The request for a grant with this id, as it stands `now`.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn by_id(
    pool: &PgPool,
    now: DateTime<Utc>,
    id: ApprovalId,
) -> Result<At<Option<ApprovalRow>>, ReadError> {
    let rows = format!("{SHOWN} where approval.kind = 'grant' and approval.id = $2");
    let At { position, mut rows } =
        read_at(pool, &rows, |query| query.bind(now).bind(id.to_string()), approval).await?;
    Ok(At { position, rows: rows.pop() })
}

fn approval(row: &PgRow) -> Result<ApprovalRow, ReadError> {
    let number_of = |column| row.try_get::<Option<i64>, _>(column);
    let is_grant = row.try_get::<&str, _>("kind")? == "grant";
    Ok(ApprovalRow {
        of: match is_grant {
            true => ApprovalOf::Grant(named(row, "id")?),
            false => ApprovalOf::Job(named(row, "id")?),
        },
        maker: PlayerId(row.try_get("maker_id")?),
        checker: number_of("checker_id")?.map(PlayerId),
        lines: number(row, "lines")?,
        gold: number(row, "gold")?,
        player: number_of("player_id")?.map(PlayerId),
        receipt_code: is_grant.then(|| named(row, "receipt_code")).transpose()?,
        reason: row.try_get("reason")?,
        rejection: row.try_get("rejection")?,
        requested_at: row.try_get("requested_at")?,
        expires_at: row.try_get("expires_at")?,
        ended_at: row.try_get("ended_at")?,
        status: named(row, "status")?,
        requested_position: number(row, "requested_position")?,
    })
}

/// Requests that events have made or ended.
#[derive(Debug, Default)]
pub(crate) struct Approvals(BTreeMap<ApprovalOf, Change>);

#[derive(Debug, Default)]
struct Change {
    requested: Option<Requested>,
    ended: Option<Ended>,
}

#[derive(Debug)]
struct Requested {
    position: i64,
    at: DateTime<Utc>,
    maker: PlayerId,
    lines: u32,
    gold: Gold,
    /// Whom a grant is for, and the receipt that it will have.
    grant: Option<(PlayerId, ReceiptCode)>,
    expires_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy)]
struct Ended {
    position: i64,
    at: DateTime<Utc>,
    ending: Ending,
    checker: PlayerId,
}

impl Change {
    fn take(&mut self, position: i64, event: &ApprovalEvent) {
        let ended = |at, ending, checker| Some(Ended { position, at, ending, checker });
        match *event {
            ApprovalEvent::GrantRequested { at, maker, player, gold, receipt_code, expires_at } => {
                self.requested = Some(Requested {
                    position,
                    at,
                    maker,
                    lines: 1,
                    gold,
                    grant: Some((player, receipt_code)),
                    expires_at,
                });
            }
            ApprovalEvent::GrantApproved { at, checker } => {
                self.ended = ended(at, Ending::Approved, checker);
            }
            ApprovalEvent::GrantRejected { at, checker } => {
                self.ended = ended(at, Ending::Rejected, checker);
            }
        }
    }

    /// Of a job that somebody has to agree to; others are not here.
    fn take_job(&mut self, position: i64, event: &JobEvent) {
        let ended = |at, ending, checker| Some(Ended { position, at, ending, checker });
        match *event {
            JobEvent::JobRequested {
                at, maker, lines, gold, expires_at: Some(expires_at), ..
            } => {
                self.requested =
                    Some(Requested { position, at, maker, lines, gold, grant: None, expires_at });
            }
            JobEvent::JobApproved { at, checker } => {
                self.ended = ended(at, Ending::Approved, checker);
            }
            JobEvent::JobRejected { at, checker } => {
                self.ended = ended(at, Ending::Rejected, checker);
            }
            _ => {}
        }
    }

    fn copy_out(&self, of: ApprovalOf, rows: &mut CopyRows) {
        // What happened to a request that nobody made is no row: `verify` says it.
        let Some(requested) = &self.requested else { return };
        let ended = self.ended;
        rows.row(14)
            .int(ended.map_or(requested.position, |ended| ended.position))
            .int(requested.position)
            .text(of.kind())
            .text(&of.id())
            .int(requested.maker.0)
            .int(i64::from(requested.lines))
            .int(amount(requested.gold.amount()))
            .optional_int(requested.grant.map(|(player, _)| player.0))
            .optional_text(requested.grant.map(|(_, code)| code.to_string()).as_deref())
            .time(requested.at)
            .time(requested.expires_at)
            .optional_text(ended.map(|ended| ended.ending.name()))
            .optional_int(ended.map(|ended| ended.checker.0))
            .optional_time(ended.map(|ended| ended.at));
    }
}

/// Ends requests whose rows are there.
async fn end(
    ended: BTreeMap<ApprovalOf, Change>,
    connection: &mut PgConnection,
    table: &str,
) -> Result<(), FollowerError> {
    let sql = format!(
        "update {table} set position = $3, ending = $4, checker_id = $5, ended_at = $6
          where kind = $1 and id = $2"
    );
    for (of, change) in ended {
        let Some(Ended { position, at, ending, checker }) = change.ended else { continue };
        let query = sqlx::query(&sql).bind(of.kind()).bind(of.id()).bind(position);
        let query = query.bind(ending.name()).bind(checker.0).bind(at);
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

impl ReadModel for Approvals {
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
            format!("alter table {table} add primary key (kind, id)"),
            format!("create index on {table} (requested_position)"),
        ]
    }

    fn fold(&mut self, entry: &Entry<'_>) {
        match &entry.event {
            ClubEvent::Approval(id, event) => {
                self.0.entry(ApprovalOf::Grant(*id)).or_default().take(entry.position, event);
            }
            ClubEvent::Job(id, event) => {
                self.0.entry(ApprovalOf::Job(*id)).or_default().take_job(entry.position, event);
            }
            _ => {}
        }
    }

    fn upsert<'a>(
        &'a mut self,
        connection: &'a mut PgConnection,
        generation: i32,
    ) -> BoxFuture<'a, Result<(), FollowerError>> {
        Box::pin(async move {
            let table = table(NAME, generation);
            let is_new = |change: &Change| change.requested.is_some();
            let new = (is_new, Change::copy_out);
            let ended = bring_new(&mut self.0, new, connection, &table).await?;
            end(ended, connection, &table).await
        })
    }

    fn copy_out(&mut self, rows: &mut CopyRows) {
        let changed = std::mem::take(&mut self.0);
        changed.iter().for_each(|(of, change)| change.copy_out(*of, rows));
    }
}
