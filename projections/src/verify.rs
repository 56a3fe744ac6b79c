//! Proving that nobody changed the log and that every number follows from it.
//!
//! Everything is read in one snapshot: the log once, by COPY, for two checks that run side by side
//! ([`chain`]: is this what was written; [`meaning`]: does it make sense), and the tables of the
//! read models beside it ([`picture`]: do they show what the log tells).

use std::sync::Arc;

use domain::aggregate::Aggregate;
use domain::mission::{MissionBoard, TheBoard};
use domain::stored::{Cursor, Hash, Place};
use serde::Serialize;
use sqlx::{PgConnection, PgPool};
use tokio::task::JoinHandle;

use crate::checkpoint::{self, Checkpoint};
use crate::copy::MalformedRow;
use crate::feed::{self, FeedError};
use crate::follower::FollowerError;
use crate::lease::{Link, run};
use crate::position::{from_sql, to_sql};
use crate::read_models;
use crate::scan::{self, RowError};

mod approvals;
mod chain;
mod closing;
mod daily;
mod holds;
mod invites;
mod items;
mod jobs;
mod meaning;
mod picture;
mod play;
mod purchases;
mod wallet;

pub use crate::rebuild::Progress;

/// Findings that are told in full; the others are counted.
pub const FINDINGS_TOLD: usize = 1_000;

/// What was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// Positions are 1, 2, 3 … up to the head.
    Gapless,
    /// Each hash follows from the event and the hash before it.
    Chain,
    /// No event was recorded before the one in front of it.
    Time,
    /// A stream's own numbers are 1, 2, 3 ….
    Sequence,
    /// Every event can be read.
    Decode,
    /// Each carried balance follows from the one before it, and a debt is repaid before anything else.
    Balance,
    /// A purchase ends at most once, after its request, with the gold it was requested for.
    Purchase,
    /// Only what was paid is given back, once, and gold goes with it in proportion.
    Refund,
    /// An item is used, expires or is taken back once, after it was bought.
    Item,
    /// Never more of a package is held and sold than there is, and each hold ends as its purchase.
    Stock,
    /// The same of a promotion's uses.
    Promo,
    /// A daily reward is claimed once a day, pays what the formula says, and streaks have no gap.
    Daily,
    /// What is done brings closer exactly what it has to, and past play counts once.
    Progress,
    /// What is claimed was earned, once, by somebody who may, and pays what was promised then.
    Reward,
    /// Whoever joins an event with so many seats takes one of them, and there are no more.
    Seats,
    /// An invite lets in as many as it may, while it may, and each of them has an account.
    Invite,
    /// Gold that takes two of the staff is given where another one agreed, in time and once.
    Approval,
    /// Gold for many is given as the job tells, each line once, and what was left is taken back once.
    Job,
    /// Nothing is left in an account that was closed, and nothing is done with it afterwards.
    Closed,
    /// Both sides of all movements add up to zero.
    Books,
    /// A place that somebody remembers is in the log.
    Place,
    /// A read model shows what the log tells.
    ReadModel,
}

/// Something that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The event where it shows.
    pub position: u64,
    /// Which rule it breaks.
    pub check: Check,
    /// What is wrong.
    pub message: String,
}

/// How the read models were compared with the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadModels {
    /// All of them, at this position.
    Compared {
        /// Their place.
        position: u64,
    },
    /// Not at all.
    NotCompared {
        /// Why.
        reason: &'static str,
    },
}

/// What a verification has seen and found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The last event of the log when the verification began.
    pub head: u64,
    /// Its place, as a cursor: whoever keeps it can later prove that this history is still there.
    pub cursor: String,
    /// How many events were read: all of them, from the first to the head.
    pub events: u64,
    /// How many streams and players they are of.
    pub streams: u64,
    /// How the read models were compared.
    pub read_models: ReadModels,
    /// How many findings there are.
    pub finding_count: u64,
    /// The first [`FINDINGS_TOLD`] of them, by position.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether everything is as it must be.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.finding_count == 0
    }
}

/// Why nothing can be said about the log as a whole.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The database did not answer, or not as a log of ours.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// A follower's place could not be read.
    #[error(transparent)]
    Follower(#[from] FollowerError),
    /// A row that is none.
    #[error("the event after position {after} cannot be read: {source}")]
    Row {
        /// The last one that could be.
        after: u64,
        /// What is wrong with it.
        source: RowError,
    },
    /// A row of a table that is none.
    #[error(transparent)]
    Malformed(#[from] MalformedRow),
    /// The log ended before its head.
    #[error("only the events up to position {seen} of {head} could be seen")]
    Incomplete {
        /// The last one seen.
        seen: u64,
        /// The last one that there was at the beginning.
        head: u64,
    },
    /// A task of this process ended without a result.
    #[error("a part of the verification was cancelled")]
    Cancelled,
}

impl From<sqlx::Error> for VerifyError {
    fn from(error: sqlx::Error) -> Self {
        Self::Feed(error.into())
    }
}

/// Findings as they are made: the first ones in full, all of them counted.
#[derive(Debug, Default)]
struct Findings {
    told: Vec<Finding>,
    count: u64,
}

impl Findings {
    fn add(&mut self, position: u64, check: Check, message: impl Into<String>) {
        self.count += 1;
        if self.told.len() < FINDINGS_TOLD {
            self.told.push(Finding { position, check, message: message.into() });
        }
    }

    fn append(&mut self, other: Self) {
        self.count += other.count;
        self.told.extend(other.told);
    }
}

/// What an event is, after it was looked at: as it must be, or which rule it breaks and how.
type Verdict = Result<(), (Check, String)>;

/// Reads all of the log and checks it, and the live read models with it. `remembered` are places
/// that must be in this log: an auditor's notes, a signed head. `progress` is told now and then,
/// from another thread.
///
/// # Errors
/// If not every event up to the head could be read: then nothing is proven either way.
pub async fn verify(
    pool: &PgPool,
    remembered: &[Cursor],
    progress: impl Fn(Progress) + Send + 'static,
) -> Result<Report, VerifyError> {
    let mut snapshot = Link::open(pool).await?;
    run(&mut snapshot, scan::SCAN_SESSION).await?;
    run(&mut snapshot, "begin isolation level repeatable read read only").await?;
    let head = feed::head(&mut snapshot).await?;
    let genesis = feed::genesis(&mut snapshot).await?;
    let mut findings = Findings::default();
    check_places(&mut snapshot, &mut findings, &head, remembered).await?;
    let live = checkpoint::live(&mut snapshot, read_models::NAME).await?;
    let comparable = comparable(&mut snapshot, live).await?;
    let shown = read_pictures(pool, &mut snapshot, comparable.ok()).await?;

    // What is done before a mission is there may count for it: such missions are known from the start.
    let board =
        feed::stream(pool, MissionBoard::TYPE, &TheBoard.to_string(), head.position).await?;
    let past_play = play::past_play::asked(&board);
    let until = comparable.ok().map(|live| live.place.position);
    let (chain_out, mut chain_in) = scan::chunks();
    let (meaning_out, mut meaning_in) = scan::chunks();
    let chain = tokio::task::spawn_blocking(move || {
        let mut check = chain::Chain::new(genesis, head, progress);
        while let Some(chunk) = chain_in.blocking_recv() {
            check.take(&chunk)?;
        }
        Ok::<_, VerifyError>(check.end())
    });
    let meaning = tokio::task::spawn_blocking(move || {
        let mut check = meaning::Meaning::new(until, past_play);
        while let Some(chunk) = meaning_in.blocking_recv() {
            check.take(&chunk)?;
        }
        Ok::<_, VerifyError>(check.end())
    });
    let statement = scan::events_statement(0, to_sql(head.position).map_err(FeedError::from)?);
    scan::copy_out(&mut snapshot, &statement, &[chain_out, meaning_out]).await?;
    let (seen, chain_findings) = joined(chain).await?;
    let (told, meaning_findings, streams) = joined(meaning).await?;
    if seen.position != head.position {
        return Err(VerifyError::Incomplete { seen: seen.position, head: head.position });
    }
    findings.append(chain_findings);
    findings.append(meaning_findings);
    if let (Some(shown), Some(told)) = (shown, told) {
        joined(shown).await?.differences(&told, &mut findings);
    }
    run(&mut snapshot, "commit").await?;
    findings.told.sort();
    let read_models = match comparable {
        Ok(live) => ReadModels::Compared { position: live.place.position },
        Err(reason) => ReadModels::NotCompared { reason },
    };
    let (finding_count, findings) = (findings.count, findings.told);
    let (cursor, events) = (head.cursor().to_string(), seen.events);
    let head = head.position;
    Ok(Report { head, cursor, events, streams, read_models, finding_count, findings })
}

async fn joined<T>(task: JoinHandle<Result<T, VerifyError>>) -> Result<T, VerifyError> {
    task.await.map_err(|_| VerifyError::Cancelled)?
}

/// Every place that somebody remembers must be in the log: what is gone from its end shows only
/// here.
async fn check_places(
    snapshot: &mut PgConnection,
    findings: &mut Findings,
    head: &Place,
    remembered: &[Cursor],
) -> Result<(), VerifyError> {
    let followers: Vec<(String, i32, i64, Vec<u8>)> =
        sqlx::query_as("select name, generation, position, hash from read.followers")
            .fetch_all(&mut *snapshot)
            .await?;
    for (name, generation, position, hash) in followers {
        let place = feed::stored_place(position, &hash)?;
        if feed::hash_at(snapshot, place.position).await? != Some(place.hash) {
            let message = format!(
                "the follower {name}, generation {generation}, has taken an event that is not in \
                 the log, which ends at position {}",
                head.position
            );
            findings.add(place.position, Check::Place, message);
        }
    }
    for cursor in remembered {
        let hash: Option<Hash> = feed::hash_at(snapshot, cursor.position).await?;
        if !hash.is_some_and(|hash| cursor.is_at(&hash)) {
            let message = format!("the remembered place {cursor} is not in the log");
            findings.add(cursor.position, Check::Place, message);
        }
    }
    let text: Option<i64> =
        sqlx::query_scalar("select max(position) from event_texts").fetch_one(snapshot).await?;
    let text = from_sql(text.unwrap_or(0)).map_err(FeedError::from)?;
    if text > head.position {
        findings.add(text, Check::Place, "there is a text for an event that is not in the log");
    }
    Ok(())
}

/// The live generation, if it can be compared; or why not.
async fn comparable(
    snapshot: &mut PgConnection,
    live: Option<Checkpoint>,
) -> Result<Result<Checkpoint, &'static str>, VerifyError> {
    let Some(live) = live else { return Ok(Err("there is no live generation")) };
    if live.version != read_models::version() {
        return Ok(Err("the live generation was made by another version of the program"));
    }
    let hash = feed::hash_at(snapshot, live.place.position).await?;
    Ok(if hash == Some(live.place.hash) {
        Ok(live)
    } else {
        Err("the live generation's place has gone from the log: rebuild")
    })
}

/// Reads the tables of the live generation, in the same snapshot but beside the log.
async fn read_pictures(
    pool: &PgPool,
    snapshot: &mut PgConnection,
    live: Option<Checkpoint>,
) -> Result<Option<JoinHandle<Result<picture::Pictures, VerifyError>>>, VerifyError> {
    let Some(live) = live else { return Ok(None) };
    let name: String =
        sqlx::query_scalar("select pg_export_snapshot()").fetch_one(snapshot).await?;
    let mut beside = Link::open(pool).await?;
    let same = format!(
        "begin isolation level repeatable read read only; set transaction snapshot '{name}'"
    );
    run(&mut beside, &same).await?;
    Ok(Some(tokio::spawn(async move { picture::of_tables(&mut beside, &live).await })))
}

/// What a chunk of COPY is to those who check: shared, never changed.
type Rows = Arc<Vec<bytes::Bytes>>;

#[cfg(test)]
mod tests;
