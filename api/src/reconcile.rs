//! The role `reconcile`: compares everything that the payment provider has on its books with
//! everything that the log says of purchases, and tells each difference.
//!
//! Both sides are read while the club goes on, so a difference counts only if a second look finds it
//! again.

mod differences;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use clap::{Args, ValueEnum};
use commands::clock::SystemClock;
use commands::payments::ProviderRecord;
use commands::shop::ShopPolicy;
use commands::{Caller, Commands};
use projections::purchases_in_log::{self, LoggedPurchase};
use serde::Serialize;
use sqlx::PgPool;
use tokio::sync::watch;

use crate::app;
use crate::columns::columns;
use crate::config::Config;
use crate::database;
use differences::{Difference, differences};

/// Not everything could be looked at, so nothing is proven either way.
pub const COULD_NOT_SEE: u8 = 2;
/// There are differences.
const DIFFERENCES: u8 = 1;
/// Connections of this process.
const CONNECTIONS: u32 = 4;
/// What is on its way has arrived by then.
const SECOND_LOOK: Duration = Duration::from_secs(1);
const CLOSE_PATIENCE: Duration = Duration::from_secs(10);

const EXAMPLES: &str = "\
Examples:
  club reconcile                          a table of all differences
  club reconcile --since 2026-11-01       … of purchases requested since then
  club reconcile --format json            … for programs
  club reconcile --repair                 settle each purchase that differs, then look again

A difference is one of: unknown to the log, unknown to the provider, state, amount, refunded,
charged back, taken and not given back. Purchases under way are none before their deadline.

Exit codes: 0 no differences, 1 differences, 2 could not look at everything.";

/// What to compare.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// How the report is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Ask the provider about each purchase that differs, bring the log in line, and look again
    #[arg(long)]
    repair: bool,
    /// Only purchases requested since this day (UTC) or moment; charges that the log does not know
    /// are always told
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    since: Option<DateTime<Utc>>,
}

/// How the report is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table for people.
    Text,
    /// One JSON object.
    Json,
}

/// A day or a moment.
fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(day.and_time(NaiveTime::MIN).and_utc());
    }
    let wrong = |_| "expected such as 2026-11-01 or 2026-11-01T15:00:00Z".to_owned();
    DateTime::parse_from_rfc3339(text).map(|moment| moment.with_timezone(&Utc)).map_err(wrong)
}

/// What was found.
#[derive(Debug, Serialize)]
struct Report {
    /// Who takes the payments.
    provider: &'static str,
    /// Charges on the provider's books.
    charges: usize,
    /// Purchases in the log.
    purchases: usize,
    /// The log's position.
    position: u64,
    /// Since when purchases were looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<DateTime<Utc>>,
    /// What differs, after all repairs.
    differences: Vec<Difference>,
    /// What was done about what differed before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    repairs: Vec<Repair>,
}

/// One purchase that the provider was asked about again.
#[derive(Debug, Serialize)]
struct Repair {
    receipt_code: String,
    /// `settled`, or why not.
    outcome: String,
}

/// Compares, repairs if wished, and prints the report.
///
/// # Errors
/// If not everything could be looked at.
pub async fn run(config: &Config, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    database::insist_on_migrations(&config.database).await?;
    let pool = database::service_pool(&config.database, CONNECTIONS).await?;
    // Nobody sends messages to this process.
    let (_, nowhere) = watch::channel(None);
    let commands = app::start_commands(config, &pool, Arc::new(SystemClock), nowhere).await?;
    let comparison = Comparison { commands: &commands, pool: &pool, since: arguments.since };
    let mut report = comparison.report().await?;
    if arguments.repair && !report.differences.is_empty() {
        let repairs = repair(&commands, &report.differences).await?;
        report = Report { repairs, ..comparison.report().await? };
    }
    let closed = tokio::time::timeout(CLOSE_PATIENCE, commands.bus.close()).await;
    closed.context("the log did not take everything in time: look again")?;
    report.print(arguments.format);
    let code = if report.differences.is_empty() { 0 } else { DIFFERENCES };
    Ok(ExitCode::from(code))
}

struct Comparison<'a> {
    commands: &'a Commands,
    pool: &'a PgPool,
    since: Option<DateTime<Utc>>,
}

impl Comparison<'_> {
    /// What both of two looks find.
    async fn report(&self) -> anyhow::Result<Report> {
        let mut report = self.look().await?;
        if !report.differences.is_empty() {
            tokio::time::sleep(SECOND_LOOK).await;
            let first = std::mem::replace(&mut report, self.look().await?).differences;
            report.differences.retain(|one| first.iter().any(|other| one.is_same(other)));
        }
        Ok(report)
    }

    async fn look(&self) -> anyhow::Result<Report> {
        let records = all_records(self.commands).await?;
        let logged = purchases_in_log::read(self.pool).await;
        let logged = logged.context("the log could not be read to its end")?;
        let (now, policy) = (self.commands.clock.now(), self.commands.policy);
        let differences = differences(
            &records,
            &logged.by_charge,
            |purchase| self.since.is_none_or(|since| purchase.requested_at >= since),
            |purchase| now >= deadline(purchase, &policy),
        );
        Ok(Report {
            provider: self.commands.provider.name(),
            charges: records.len(),
            purchases: logged.by_charge.len(),
            position: logged.position,
            since: self.since,
            differences,
            repairs: vec![],
        })
    }
}

fn deadline(purchase: &LoggedPurchase, policy: &ShopPolicy) -> DateTime<Utc> {
    let patience = if purchase.holds_stock { policy.pending_with_stock } else { policy.pending };
    purchase.requested_at + patience
}

/// Every page of the provider's books.
async fn all_records(commands: &Commands) -> anyhow::Result<Vec<ProviderRecord>> {
    let mut all: Vec<ProviderRecord> = vec![];
    loop {
        let page = commands.provider.records(all.last()).await;
        let page = page.context("the provider's books could not be read to their end")?;
        let Some(last) = page.last() else { return Ok(all) };
        if all.last().is_some_and(|before| before.cursor == last.cursor) {
            bail!("the provider's list does not go on after {}", last.cursor);
        }
        all.extend(page);
    }
}

/// Settles each purchase that differs, once.
async fn repair(commands: &Commands, found: &[Difference]) -> anyhow::Result<Vec<Repair>> {
    let mut purchases: Vec<_> = found.iter().filter_map(Difference::purchase).collect();
    purchases.dedup();
    let mut repairs = Vec::new();
    for (player, receipt, position) in purchases {
        let purchase = commands.purchase_at(player, receipt, position).await?;
        let purchase = purchase.context("a purchase was not found where it begins")?;
        let settled = commands.settle(&Caller::system("reconcile"), &purchase).await;
        let outcome = settled.map_or_else(|failure| failure.to_string(), |_| "settled".into());
        repairs.push(Repair { receipt_code: receipt.to_string(), outcome });
    }
    Ok(repairs)
}

impl Report {
    /// A reader that has gone (`| head`) does not change the exit code.
    fn print(&self, format: Format) {
        let text = match format {
            Format::Json => serde_json::to_string(self).unwrap_or_default(),
            Format::Text => self.text(),
        };
        let _ = writeln!(std::io::stdout(), "{text}");
    }

    fn text(&self) -> String {
        let mut lines: Vec<String> = self
            .repairs
            .iter()
            .map(|Repair { receipt_code, outcome }| format!("repair {receipt_code}: {outcome}"))
            .collect();
        lines.extend(table(&self.differences));
        let verdict = match self.differences.len() {
            0 => "no differences".to_owned(),
            1 => "1 difference".to_owned(),
            count => format!("{count} differences"),
        };
        lines.push(format!(
            "{verdict}: {} charges of {} compared with {} purchases of the log at position {}",
            self.charges, self.provider, self.purchases, self.position
        ));
        lines.join("\n")
    }
}

fn table(found: &[Difference]) -> Vec<String> {
    let dash = || "-".to_owned();
    let row = |one: &Difference| {
        let user = one.user_id.map_or_else(dash, |user| user.to_string());
        let receipt = one.receipt_code.clone().unwrap_or_else(dash);
        let (log, provider) = (one.log.clone(), one.provider.clone());
        [one.kind.name().to_owned(), receipt, one.charge_id.clone(), user, log, provider]
    };
    let heads = ["DIFFERENCE", "RECEIPT", "CHARGE", "USER", "LOG", "PROVIDER"];
    columns(heads, found.iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_day_or_a_moment() {
        let midnight = moment("2026-11-01").unwrap();
        assert_eq!(moment("2026-11-01T00:00:00Z"), Ok(midnight));
        assert!(moment("yesterday").is_err());
    }

    #[test]
    fn a_table_is_as_wide_as_what_is_in_it() {
        let difference = Difference {
            kind: differences::Kind::UnknownToLog,
            charge_id: "00000000000000000b".to_owned(),
            receipt_code: None,
            user_id: None,
            position: None,
            log: "unknown".to_owned(),
            provider: "captured, 2.99 USD".to_owned(),
        };
        let lines = table(&[difference]);
        assert_eq!(lines[0].find("RECEIPT"), lines[1].find("-  "));
        assert!(lines[1].ends_with("unknown  captured, 2.99 USD"), "{}", lines[1]);
    }
}
