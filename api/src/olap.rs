//! Analytics: how ClickHouse is, as this node sees it, and the role `club olap`.

mod command;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use projections::sinks::clickhouse::{self, ClickHouse, ClickHouseError, Completeness};
use sqlx::PgPool;
use tokio::sync::watch;
use tokio::time::Instant;

pub use command::{Arguments, COULD_NOT_TELL, run};

use crate::config::OlapConfig;
use crate::error::{ApiError, Reason};

/// How often everything in ClickHouse is counted. It reads a column of the whole table.
const ROUND: Duration = Duration::from_secs(30);
/// The same while it is away.
const ROUND_AWAY: Duration = Duration::from_secs(2);

/// ClickHouse, if there is one, and how it was found last.
#[derive(Clone)]
pub struct Olap {
    clickhouse: Option<ClickHouse>,
    seen: Arc<Mutex<Seen>>,
}

/// What the last look has found.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// What is in, as it was counted last, and when that was.
    pub counted: Option<(Completeness, Instant)>,
    /// Why it could not be asked, if it could not.
    pub away: Option<String>,
}

impl Olap {
    /// Not asked yet.
    #[must_use]
    pub fn new(config: &OlapConfig) -> Self {
        let clickhouse = config.clickhouse().map(ClickHouse::new);
        Self { clickhouse, seen: Arc::default() }
    }

    /// ClickHouse, if there is one.
    #[must_use]
    pub fn clickhouse(&self) -> Option<&ClickHouse> {
        self.clickhouse.as_ref()
    }

    /// ClickHouse, for somebody who asks for figures.
    ///
    /// # Errors
    /// If there is none.
    pub fn insist(&self) -> Result<&ClickHouse, ApiError> {
        let detail = "there is no ClickHouse here: set CLICKHOUSE_URL, or start with ANALYTICS=1";
        self.clickhouse().ok_or_else(|| ApiError::new(Reason::AnalyticsOff, detail))
    }

    /// How it was found last.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts what is in, again and again, until it is told to end.
    pub async fn keep_counting(self, pool: PgPool, mut ending: watch::Receiver<bool>) {
        let Some(clickhouse) = &self.clickhouse else { return };
        loop {
            let found = clickhouse::completeness(clickhouse, &pool).await;
            let pause = if found.is_ok() { ROUND } else { ROUND_AWAY };
            {
                let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                match found {
                    Ok(found) => {
                        tell(&found);
                        *seen = Seen { counted: Some((found, Instant::now())), away: None };
                    }
                    Err(error) => seen.away = Some(error.to_string()),
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = ending.wait_for(|end| *end) => return,
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn tell(found: &Completeness) {
    metrics::gauge!("club_olap_place").set(found.place as f64);
    metrics::gauge!("club_olap_distinct_positions").set(found.distinct as f64);
    metrics::gauge!("club_olap_rows").set(found.rows as f64);
    metrics::gauge!("club_olap_set_aside").set(found.set_aside as f64);
    metrics::gauge!("club_olap_complete").set(if found.is_complete() { 1.0 } else { 0.0 });
}

impl From<ClickHouseError> for ApiError {
    fn from(error: ClickHouseError) -> Self {
        let detail = match &error {
            ClickHouseError::Away(_) => {
                "ClickHouse cannot be reached: the club goes on without figures"
            }
            ClickHouseError::TooSlow => "ClickHouse did not answer in time: ask for fewer days",
            ClickHouseError::Refused { .. } => {
                "ClickHouse cannot answer this now: its tables may not be there yet"
            }
        };
        Self::new(Reason::AnalyticsUnavailable, detail).because(error)
    }
}
