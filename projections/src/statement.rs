//! Every movement of gold, by player: the account statement.
//!
//! It needs no table: an account's stream, read from its end, is its statement, and each movement carries
//! the balance after it. It is shown up to where the read models are, so that all screens agree.
//!
//! It tells gold and debt side by side. A refund of gold that was spent takes what is there (`gold`)
//! and makes the rest a debt (`debt_change`, above zero); what is earned later repays the debt first
//! (`debt_change` below zero) and only the rest comes into the wallet, so a line may have no gold.

use chrono::{DateTime, Utc};
use domain::account::{Account, LedgerEntry, MOVEMENTS};
use domain::aggregate::Aggregate;
use domain::id::PlayerId;
use domain::money::Wallet;
use serde::Serialize;
use sqlx::PgPool;
use sqlx::postgres::PgRow;

use crate::feed::{COLUMNS, recorded};
use crate::follower::FollowerError;
use crate::position::bound_to_sql;
use crate::read_models::books::sides;
use crate::read_models::{At, Entry, ReadError, read_at};

/// One line of a player's statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatementLine {
    /// The event's number.
    pub position: u64,
    /// When.
    pub at: DateTime<Utc>,
    /// Which kind of movement.
    pub kind: &'static str,
    /// Receipt, or what it was for.
    pub reference: String,
    /// The other side.
    pub counter_account: &'static str,
    /// By how much the balance changed: positive into the wallet, negative out of it.
    pub gold: i64,
    /// How much of that was bought gold.
    pub gold_paid: i64,
    /// How much of that was given gold.
    pub gold_free: i64,
    /// Gold after it.
    pub balance_after: u64,
    /// Bought gold after it.
    pub balance_paid: u64,
    /// Given gold after it.
    pub balance_free: u64,
    /// By how much the debt changed: positive is owed, negative was repaid.
    pub debt_change: i64,
    /// Gold owed after it.
    pub debt_after: u64,
    /// Who did it, as `kind:id`.
    pub actor: String,
}

/// A player's lines, newest first: those before the position `before` (all, if `None`), of one
/// kind (all, if `None`), `limit` at most. The next page is before the last line's position.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn page(
    pool: &PgPool,
    player: PlayerId,
    before: Option<u64>,
    kind: Option<&str>,
    limit: u32,
) -> Result<At<Vec<StatementLine>>, ReadError> {
    let is_asked_for = |name: &str| kind.is_none_or(|kind| kind == name);
    let movements = MOVEMENTS.iter().filter(|(kind, _)| is_asked_for(kind));
    let types: Vec<&'static str> = movements.map(|(_, event_type)| *event_type).collect();
    let mut at_once = limit;
    let At { position, rows: mut events } = read(pool, player, before, &types, at_once).await?;
    let mut lines = Vec::new();
    loop {
        let end = events.last().map(|(position, _)| *position);
        let is_last = events.len() < length(at_once);
        // Rewards of other things than gold are no lines.
        lines.extend(events.into_iter().filter_map(|(_, line)| line));
        if is_last || lines.len() >= length(limit) {
            lines.truncate(length(limit));
            return Ok(At { position, rows: lines });
        }
        at_once = limit.max(PASSED_OVER);
        events = read(pool, player, end, &types, at_once).await?.rows;
    }
}

/// Events that are read at once where some of those before were no lines: there may be many more.
const PASSED_OVER: u32 = 1_000;

fn length(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// The newest events of these types in an account's stream before a position, with the lines that they
/// are.
async fn read(
    pool: &PgPool,
    player: PlayerId,
    before: Option<u64>,
    types: &[&'static str],
    limit: u32,
) -> Result<At<Vec<(u64, Option<StatementLine>)>>, ReadError> {
    // A cursor is a line: its number in the stream is where the index is entered.
    let rows = format!(
        "select {COLUMNS} from events
          where aggregate_type = $1 and aggregate_id = $2 and event_type = any($3)
            and position <= followers.position and position < $4
            and sequence < coalesce((select cursor.sequence from events cursor
                 where cursor.position = $4 and cursor.aggregate_type = $1
                   and cursor.aggregate_id = $2), 9223372036854775807)
          order by sequence desc limit $5"
    );
    let (before, limit) = (bound_to_sql(before), i64::from(limit));
    read_at(
        pool,
        &rows,
        |query| {
            let query = query.bind(Account::TYPE).bind(player.to_string()).bind(types.to_vec());
            query.bind(before).bind(limit)
        },
        line,
    )
    .await
}

fn line(row: &PgRow) -> Result<(u64, Option<StatementLine>), ReadError> {
    let recorded = recorded(row).map_err(FollowerError::from)?;
    let entry = Entry::read(&recorded)?;
    let position = recorded.place.position;
    Ok((position, entry.ledger.as_ref().map(|ledger| shown(position, ledger, entry.actor()))))
}

fn shown(position: u64, ledger: &LedgerEntry, actor: &str) -> StatementLine {
    let (moved, debt) = sides(ledger);
    let debt = debt.negated();
    let Wallet { paid, free, debt: owed, .. } = ledger.movement.balance;
    StatementLine {
        position,
        at: ledger.at,
        kind: ledger.kind,
        reference: ledger.reference.clone(),
        counter_account: ledger.counter_account.name(),
        gold: moved.paid.saturating_add(moved.free),
        gold_paid: moved.paid,
        gold_free: moved.free,
        balance_after: paid.saturating_add(free),
        balance_paid: paid,
        balance_free: free,
        debt_change: debt.paid.saturating_add(debt.free),
        debt_after: owed,
        actor: actor.to_owned(),
    }
}
