//! Against a real ClickHouse engine at `CLICKHOUSE_TEST_URL`.

mod bringing;
mod cases;
mod figures;

use std::sync::atomic::{AtomicU32, Ordering};

use super::{ClickHouse, ClickHouseConfig};

/// A database that is not there yet.
fn clickhouse() -> ClickHouse {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let url = std::env::var("CLICKHOUSE_TEST_URL");
    let url = url.unwrap_or_else(|_| panic!("set CLICKHOUSE_TEST_URL: ops/clickhouse with -- …"));
    let number = NUMBER.fetch_add(1, Ordering::SeqCst);
    let database = format!("proj_{}_{number}", std::process::id());
    ClickHouse::new(ClickHouseConfig { url, database, user: None, password: None, raw_days: None })
}
