//! The books: what all wallets hold together, what players owe, and where it came from or went to.
//! Every movement has two sides, so the sum over all accounts is zero at any position.

use std::collections::HashMap;

use domain::account::{CounterAccount, LedgerEntry};
use domain::money::{Direction, GoldParts};
use futures::future::BoxFuture;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};

use super::balances::amount;
use super::{At, Entry, ReadError, ReadModel, read_at, table};
use crate::copy::CopyRows;
use crate::follower::FollowerError;

/// The view that readers use, and the beginning of its tables' names.
pub const NAME: &str = "books";
/// Raise it with any change of what this file makes of an event.
pub const VERSION: i32 = 2;

const COLUMNS: &str = "(
    position  bigint not null,
    account   text   not null,
    gold_paid bigint not null,
    gold_free bigint not null
) with (fillfactor = 10)";

/// The account of what all players have; the others are [`DEBTS`] and the [`CounterAccount`]s.
pub const WALLETS: &str = "wallets";
/// The account of what all players owe after refunds of gold that was spent: never above zero. A
/// debt begins as bought gold and may be repaid with given gold, so only both kinds together are
/// what is owed.
pub const DEBTS: &str = "debts";

/// What stands in one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Book {
    /// Its name: `wallets`, `debts`, or a counter account's.
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

/// A signed amount of gold, by origin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Kinds {
    /// Bought with real money.
    pub paid: i64,
    /// Given.
    pub free: i64,
}

impl Kinds {
    /// Both together.
    #[must_use]
    pub fn total(self) -> i64 {
        self.paid.saturating_add(self.free)
    }
}

/// What was sold and given, and what has become of it: of each kind,
/// `outstanding - owed = sold + given - spent - refunded`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Prepaid {
    /// Gold that players have and have not spent. Its `paid` part is what the club owes a service
    /// for: money received in advance.
    pub outstanding: Kinds,
    /// Gold that players owe, see [`DEBTS`]: only the total means something.
    pub owed: Kinds,
    /// Gold sold for real money.
    pub sold: Kinds,
    /// Gold given: promotions and grants.
    pub given: Kinds,
    /// Gold spent, less what was returned for items taken back.
    pub spent: Kinds,
    /// Gold taken back because its money was given back, what became a debt included.
    pub refunded: Kinds,
}

/// Prepaid gold: the books of all time, in the words of a report, at one position.
///
/// # Errors
/// `NotBuilt` before the first generation is promoted; else if the database does not answer.
pub async fn prepaid(pool: &PgPool) -> Result<At<Prepaid>, ReadError> {
    let At { position, rows } = totals(pool).await?;
    Ok(At { position, rows: Prepaid::of(&rows) })
}

impl Prepaid {
    fn of(books: &[Book]) -> Self {
        let sum = |accounts: &[&str]| {
            let wanted = books.iter().filter(|book| accounts.contains(&book.account.as_str()));
            wanted.fold(Sum::default(), |sum, Book { gold_paid, gold_free, .. }| {
                sum.plus(Sum { paid: *gold_paid, free: *gold_free })
            })
        };
        let kinds = |Sum { paid, free }: Sum| Kinds { paid, free };
        let [promotion, issuance] = [CounterAccount::Promotion, CounterAccount::Issuance];
        Self {
            outstanding: kinds(sum(&[WALLETS])),
            owed: kinds(sum(&[DEBTS]).negated()),
            sold: kinds(sum(&[CounterAccount::Sales.name()]).negated()),
            given: kinds(sum(&[promotion.name(), issuance.name()]).negated()),
            spent: kinds(sum(&[CounterAccount::Sink.name()])),
            refunded: kinds(sum(&[CounterAccount::Refund.name()])),
        }
    }
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

/// What a movement is in the books, seen from the player: of the wallet, and of the debt. The counter
/// account has the other side of both.
pub(crate) fn sides(entry: &LedgerEntry) -> (Sum, Sum) {
    let LedgerEntry { direction, movement, .. } = entry;
    (Sum::signed(*direction, movement.gold), Sum::signed(*direction, movement.debt))
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
        let (gold, debt) = sides(ledger);
        self.add(WALLETS, entry.position, gold);
        if debt != Sum::default() {
            self.add(DEBTS, entry.position, debt);
        }
        self.add(ledger.counter_account.name(), entry.position, gold.plus(debt).negated());
    }

    fn upsert<'a>(
        &'a mut self,
        connection: &'a mut PgConnection,
        generation: i32,
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
            let table = table(NAME, generation);
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

    #[test]
    fn a_report_adds_up_by_kind() {
        let book = |account: &str, gold_paid, gold_free| {
            let account = account.to_owned();
            Book { account, gold_paid, gold_free }
        };
        // 500 bought, 300 of them refunded when 100 were left: 200 owed, 50 of them repaid by grants.
        let prepaid = Prepaid::of(&[
            book(WALLETS, 0, 0),
            book(DEBTS, -200, 50),
            book("issuance", 0, -50),
            book("refund", 300, 0),
            book("sales", -500, 0),
            book("sink", 400, 0),
        ]);
        assert_eq!(prepaid.sold, Kinds { paid: 500, free: 0 });
        assert_eq!(prepaid.owed.total(), 150);
        let Prepaid { outstanding, owed, sold, given, spent, refunded } = prepaid;
        let rest = |kind: fn(Kinds) -> i64| {
            kind(sold) + kind(given) - kind(spent) - kind(refunded) - kind(outstanding) + kind(owed)
        };
        assert_eq!((rest(|kinds| kinds.paid), rest(|kinds| kinds.free)), (0, 0));
    }
}
