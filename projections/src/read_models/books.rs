//! The books: what all wallets hold together, and where it came from or went to. Every movement
//! has two sides, so the sum over all accounts is zero at any position.

use std::collections::HashMap;

use domain::account::{CounterAccount, Direction};
use domain::money::GoldParts;
use futures::future::BoxFuture;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};

use super::balances::amount;
use super::{At, Entry, ReadError, ReadModel, read_at};
use crate::copy::CopyRows;
use crate::follower::FollowerError;

/// The view that readers use, and the beginning of its tables' names.
pub const NAME: &str = "books";
/// Raise it with any change of what this file makes of an event.
pub const VERSION: i32 = 1;

const COLUMNS: &str = "(
    position  bigint not null,
    account   text   not null,
    gold_paid bigint not null,
    gold_free bigint not null
) with (fillfactor = 10)";

/// The account of all players together; the others are the [`CounterAccount`]s.
pub const WALLETS: &str = "wallets";

/// What stands in one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Book {
    /// Its name: `wallets`, or a counter account's.
    pub account: String,
    /// Bought gold: positive where it is, negative where it came from.
    pub gold_paid: i64,
    /// Given gold, in the same way.
    pub gold_free: i64,
}

/// Every account that has had a movement, by name. Each column's sum is zero.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn totals(pool: &PgPool) -> Result<At<Vec<Book>>, ReadError> {
    let rows = "select account, gold_paid, gold_free from read.books order by account";
    let book = |row: &PgRow| {
        Ok(Book {
            account: row.try_get("account")?,
            gold_paid: row.try_get("gold_paid")?,
            gold_free: row.try_get("gold_free")?,
        })
    };
    read_at(pool, rows, |query| query, book).await
}

/// Sums by account.
#[derive(Debug, Default)]
pub(crate) struct Books(HashMap<&'static str, (i64, Sum)>);

/// A signed amount of both kinds.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sum {
    pub paid: i64,
    pub free: i64,
}

impl Sum {
    /// The amount as the wallet sees it.
    pub(crate) fn signed(direction: Direction, gold: GoldParts) -> Self {
        let sum = Self { paid: amount(gold.paid), free: amount(gold.free) };
        match direction {
            Direction::Credit => sum,
            Direction::Debit => sum.negated(),
        }
    }

    /// The other side.
    pub(crate) fn negated(self) -> Self {
        Self { paid: self.paid.saturating_neg(), free: self.free.saturating_neg() }
    }

    /// Both together.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            paid: self.paid.saturating_add(other.paid),
            free: self.free.saturating_add(other.free),
        }
    }
}

impl Books {
    fn add(&mut self, account: &'static str, position: i64, moved: Sum) {
        let (last, sum) = self.0.entry(account).or_default();
        *last = position;
        *sum = sum.plus(moved);
    }
}

impl ReadModel for Books {
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
        vec![format!("alter table {table} add primary key (account)")]
    }

    fn fold(&mut self, entry: &Entry<'_>) {
        let Some(ledger) = &entry.ledger else { return };
        let moved = Sum::signed(ledger.direction, ledger.movement.gold);
        self.add(WALLETS, entry.position, moved);
        self.add(CounterAccount::name(ledger.counter_account), entry.position, moved.negated());
    }

    fn upsert<'a>(
        &'a mut self,
        connection: &'a mut PgConnection,
        table: &'a str,
    ) -> BoxFuture<'a, Result<(), FollowerError>> {
        Box::pin(async move {
            if self.0.is_empty() {
                return Ok(());
            }
            let mut accounts = Vec::new();
            let mut numbers: [Vec<i64>; 3] = Default::default();
            for (account, (position, sum)) in self.0.drain() {
                accounts.push(account);
                for (column, value) in numbers.iter_mut().zip([position, sum.paid, sum.free]) {
                    column.push(value);
                }
            }
            let sql = format!(
                "insert into {table} as book (account, position, gold_paid, gold_free)
                 select * from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[])
                 on conflict (account) do update set
                    position = excluded.position,
                    gold_paid = book.gold_paid + excluded.gold_paid,
                    gold_free = book.gold_free + excluded.gold_free"
            );
            let query = sqlx::query(&sql).bind(accounts);
            let query = numbers.into_iter().fold(query, |query, column| query.bind(column));
            query.execute(connection).await?;
            Ok(())
        })
    }

    fn copy_out(&mut self, rows: &mut CopyRows) {
        for (account, (position, sum)) in self.0.drain() {
            rows.row(4).int(position).text(account).int(sum.paid).int(sum.free);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_the_wallet_is_negative() {
        let gold = GoldParts { paid: 3, free: 4 };
        assert_eq!(Sum::signed(Direction::Debit, gold), Sum { paid: -3, free: -4 });
        assert_eq!(Sum::signed(Direction::Credit, gold), Sum { paid: 3, free: 4 });
    }
}
