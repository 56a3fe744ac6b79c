//! Every movement of gold, by player: the account statement.
//!
//! It tells gold and debt side by side. A refund of gold that was spent takes what is there (`gold`)
//! and makes the rest a debt (`debt_change`, above zero); what is earned later repays the debt first
//! (`debt_change` below zero) and only the rest comes into the wallet, so a line may have no gold.

use chrono::{DateTime, Utc};
use domain::event::ClubEvent;
use domain::id::PlayerId;
use futures::future::BoxFuture;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};

use super::balances::amount;
use super::books::sides;
use super::{At, Entry, ReadError, ReadModel, number, read_at, table};
use crate::copy::CopyRows;
use crate::follower::FollowerError;
use crate::position::bound_to_sql;

/// The view that readers use, and the beginning of its tables' names.
pub const NAME: &str = "statement";
/// Raise it with any change of what this file makes of an event.
pub const VERSION: i32 = 2;

const COLUMNS: &str = "(
    position        bigint not null,
    player_id       bigint not null,
    at              timestamptz not null,
    kind            text   not null,
    reference       text   not null,
    counter_account text   not null,
    gold_paid       bigint not null,
    gold_free       bigint not null,
    balance_paid    bigint not null,
    balance_free    bigint not null,
    debt_change     bigint not null,
    debt_after      bigint not null,
    actor           text   not null
)";

/// One line of a player's statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatementLine {
    /// The event's number.
    pub position: u64,
    /// When.
    pub at: DateTime<Utc>,
    /// Which kind of movement.
    pub kind: String,
    /// Receipt, or what it was for.
    pub reference: String,
    /// The other side.
    pub counter_account: String,
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
    let rows = "select * from read.statement
                 where player_id = $1 and position < $2 and ($3::text is null or kind = $3)
                 order by player_id desc, position desc limit $4";
    let before = bound_to_sql(before);
    read_at(
        pool,
        rows,
        |query| {
            query.bind(player.0).bind(before).bind(kind.map(str::to_owned)).bind(i64::from(limit))
        },
        line,
    )
    .await
}

fn line(row: &PgRow) -> Result<StatementLine, ReadError> {
    let gold_paid: i64 = row.try_get("gold_paid")?;
    let gold_free: i64 = row.try_get("gold_free")?;
    let (balance_paid, balance_free) = (number(row, "balance_paid")?, number(row, "balance_free")?);
    Ok(StatementLine {
        position: number(row, "position")?,
        at: row.try_get("at")?,
        kind: row.try_get("kind")?,
        reference: row.try_get("reference")?,
        counter_account: row.try_get("counter_account")?,
        gold: gold_paid.saturating_add(gold_free),
        gold_paid,
        gold_free,
        balance_after: balance_paid.saturating_add(balance_free),
        balance_paid,
        balance_free,
        debt_change: row.try_get("debt_change")?,
        debt_after: number(row, "debt_after")?,
        actor: row.try_get("actor")?,
    })
}

/// Lines in the form in which they are copied into the table: nothing about them changes later.
#[derive(Debug, Default)]
pub(crate) struct Statement(CopyRows);

impl ReadModel for Statement {
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
        vec![format!("alter table {table} add primary key (player_id, position)")]
    }

    fn fold(&mut self, entry: &Entry<'_>) {
        let (ClubEvent::Account(player, _), Some(ledger)) = (&entry.event, &entry.ledger) else {
            return;
        };
        let (moved, debt) = sides(ledger);
        let debt = debt.negated();
        let balance = ledger.movement.balance;
        self.0
            .row(13)
            .int(entry.position)
            .int(player.0)
            .time(ledger.at)
            .text(ledger.kind)
            .text(&ledger.reference)
            .text(ledger.counter_account.name())
            .int(moved.paid)
            .int(moved.free)
            .int(amount(balance.paid))
            .int(amount(balance.free))
            .int(debt.paid.saturating_add(debt.free))
            .int(amount(balance.debt))
            .text(entry.actor());
    }

    fn upsert<'a>(
        &'a mut self,
        connection: &'a mut PgConnection,
        generation: i32,
    ) -> BoxFuture<'a, Result<(), FollowerError>> {
        Box::pin(async move { Ok(self.0.copy_into(connection, &table(NAME, generation)).await?) })
    }

    fn copy_out(&mut self, rows: &mut CopyRows) {
        rows.append(&mut self.0);
    }

    fn only_grows(&self) -> bool {
        true
    }
}
