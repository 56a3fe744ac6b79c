//! The baseline: cqrs-es and postgres-es as their documentation tells, without any query, on one
//! small aggregate. It loads a stream, decides and inserts; a conflict is tried again.

use std::sync::Arc;

use anyhow::{Result, bail};
use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, AggregateError, DomainEvent};
use postgres_es::{PostgresCqrs, postgres_cqrs};
use rand::Rng;
use serde::{Deserialize, Serialize};
use sqlx::Executor;
use sqlx::postgres::PgPoolOptions;

use crate::cpu::CpuMeter;
use crate::database::Database;
use crate::load::{Load, Plan, callers, closed_loop, on_all_cores};

/// The table that its documentation gives (`db/init.sql`).
const TABLE: &str = "
    create table events
    (
        aggregate_type text                         not null,
        aggregate_id   text                         not null,
        sequence       bigint check (sequence >= 0) not null,
        event_type     text                         not null,
        event_version  text                         not null,
        payload        json                         not null,
        metadata       json                         not null,
        primary key (aggregate_type, aggregate_id, sequence)
    )";

/// Of 10 (its default), 16, 24, 32 and 64 connections, 24 and 32 gave the best figures.
const CONNECTIONS: u32 = 32;

/// Accounts that the grants are spread over.
const ACCOUNTS: usize = 1_000;

/// An account that knows its balance.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Account {
    gold: u64,
}

/// Give gold.
struct Grant {
    gold: u64,
}

/// Gold was given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum AccountEvent {
    GoldGranted { at: String, receipt_code: String, gold: u64, balance: u64 },
}

/// A grant that makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(&'static str);

impl DomainEvent for AccountEvent {
    fn event_type(&self) -> String {
        "gold_granted".to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

impl Aggregate for Account {
    const TYPE: &'static str = "account";
    type Command = Grant;
    type Event = AccountEvent;
    type Error = Refused;
    type Services = ();

    async fn handle(
        &mut self,
        Grant { gold }: Grant,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), Refused> {
        let balance = self.gold.checked_add(gold).ok_or(Refused("too much gold"))?;
        let event = AccountEvent::GoldGranted {
            at: chrono::Utc::now().to_rfc3339(),
            receipt_code: "0f3a9c1b22d4".to_owned(),
            gold,
            balance,
        };
        sink.write(event, self).await;
        Ok(())
    }

    fn apply(&mut self, event: AccountEvent) {
        let AccountEvent::GoldGranted { balance, .. } = event;
        self.gold = balance;
    }
}

/// Makes its table.
pub async fn prepare(database: &Database) -> Result<()> {
    database.connect().await?.execute(TABLE).await?;
    Ok(())
}

/// Grants for one repeat. The table is emptied first: the framework reads whole streams, so what
/// an earlier repeat has left would slow it down.
pub async fn grant(
    database: &Database,
    in_flight: usize,
    plan: Plan,
    servers: &CpuMeter,
) -> Result<Load> {
    database.connect().await?.execute("truncate events").await?;
    crate::database::checkpoint(&database.url).await?;
    let (url, servers) = (database.url.clone(), servers.clone());
    on_all_cores(move || async move {
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .min_connections(CONNECTIONS)
            .connect(&url)
            .await?;
        let framework = Arc::new(postgres_cqrs::<Account>(pool.clone(), Vec::new(), ()));
        let clients = callers(in_flight, move |_| {
            let framework = Arc::clone(&framework);
            async move { grant_once(&framework).await }
        });
        let load = closed_loop(clients, plan, &servers).await;
        pool.close().await;
        load
    })
    .await
}

/// One grant of one gold to some account.
async fn grant_once(framework: &PostgresCqrs<Account>) -> Result<()> {
    let account = rand::rng().random_range(0..ACCOUNTS).to_string();
    loop {
        match framework.execute(&account, Grant { gold: 1 }).await {
            Ok(()) => return Ok(()),
            // Counted as one operation however often it takes.
            Err(AggregateError::AggregateConflict) => {}
            Err(error) => bail!("{error}"),
        }
    }
}
