//! A node of the command side inside the test, on a real database.

use std::sync::Arc;

use commands::Commands;
use commands::approvals::ApprovalPolicy;
use commands::bus::{Bus, Limits};
use commands::clock::SystemClock;
use commands::codes::Codes;
use commands::context::FingerprintKey;
use commands::log::postgres::PostgresLog;
use commands::payments::sandbox::{Sandbox, SandboxSettings};
use commands::shop::{PendingPurchases, ShopPolicy};

use crate::database::Database;

/// Starts one.
pub async fn start(database: &Database) -> Commands {
    let pool = database.service_pool(4).await;
    let log = Arc::new(PostgresLog::connect(&database.url(), pool.clone()).await.unwrap());
    let clock = Arc::new(SystemClock);
    let sandbox = Sandbox::start(pool, clock.clone(), SandboxSettings::default());
    Commands {
        bus: Bus::start(log.clone(), clock.clone(), Limits::default()).await.unwrap(),
        codes: Codes::new(log),
        clock,
        provider: Arc::new(sandbox.unwrap()),
        fingerprints: FingerprintKey::new(b"test"),
        policy: ShopPolicy::default(),
        approvals: ApprovalPolicy::default(),
        pending: PendingPurchases::default(),
        streak_grace_days: 0,
    }
}
