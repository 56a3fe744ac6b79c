//! The connection to ClickHouse, and what its errors mean.

use std::future::Future;
use std::time::Duration;

use clickhouse::{Client, Compression, RowOwned, RowRead};

/// How long a question or a small statement may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long ClickHouse may take to take up a part of a range, and to bring a whole one in.
pub(super) const INSERT_PATIENCE: Duration = Duration::from_secs(60);

/// Where ClickHouse is.
#[derive(Clone)]
pub struct ClickHouseConfig {
    /// Its HTTP interface, `http://host:8123`.
    pub url: String,
    /// The database that is the club's; made if it is not there.
    pub database: String,
    /// Who comes; the server's default user unless given.
    pub user: Option<String>,
    /// That user's password.
    pub password: Option<String>,
    /// For so many days payload and metadata are kept as they stand in the log; for good unless given.
    pub raw_days: Option<u32>,
}

/// ClickHouse, as the club's user.
#[derive(Clone)]
pub struct ClickHouse {
    client: Client,
    server: Client,
    pub(super) config: ClickHouseConfig,
}

/// Why ClickHouse did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClickHouseError {
    /// It could not be reached, or broke off.
    #[error("clickhouse is away: {0}")]
    Away(String),
    /// It took too long.
    #[error("clickhouse did not answer in time")]
    TooSlow,
    /// It refused.
    #[error("clickhouse refuses: {text}")]
    Refused {
        /// Its number for that, if it gave one.
        code: Option<u32>,
        /// What it says.
        text: String,
    },
}

/// What is wrong with the rows themselves: another try with the same rows ends the same way. Everything else
/// (no memory, no space, no such table, no rights) is about the server, and is tried again.
const ABOUT_THE_ROWS: [u32; 14] = [
    6,   // CANNOT_PARSE_TEXT
    26,  // CANNOT_PARSE_QUOTED_STRING
    27,  // CANNOT_PARSE_INPUT_ASSERTION_FAILED
    33,  // CANNOT_READ_ALL_DATA
    38,  // CANNOT_PARSE_DATE
    41,  // CANNOT_PARSE_DATETIME
    69,  // ARGUMENT_OUT_OF_BOUND
    72,  // CANNOT_PARSE_NUMBER
    117, // INCORRECT_DATA
    131, // TOO_LARGE_STRING_SIZE
    321, // VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
    349, // CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
    395, // FUNCTION_THROW_IF_VALUE_IS_NON_ZERO
    469, // VIOLATED_CONSTRAINT
];

impl ClickHouseError {
    /// Whether the database or a table of it is not there, or not any more.
    pub(super) fn is_about_the_tables(&self) -> bool {
        // UNKNOWN_TABLE, UNKNOWN_DATABASE
        matches!(self, Self::Refused { code: Some(60 | 81), .. })
    }

    /// Whether the rows are to blame, and not the server.
    pub(super) fn is_about_the_rows(&self) -> bool {
        matches!(self, Self::Refused { code: Some(code), .. } if ABOUT_THE_ROWS.contains(code))
    }
}

impl From<clickhouse::error::Error> for ClickHouseError {
    fn from(error: clickhouse::error::Error) -> Self {
        use clickhouse::error::Error;
        match error {
            Error::Network(error) => Self::Away(error.to_string()),
            Error::TimedOut => Self::TooSlow,
            Error::BadResponse(text) => {
                // `Code: 469. DB::Exception: …`
                let code = text.split("Code: ").nth(1).and_then(|rest| rest.split('.').next());
                Self::Refused { code: code.and_then(|code| code.parse().ok()), text }
            }
            other => Self::Refused { code: None, text: other.to_string() },
        }
    }
}

impl ClickHouse {
    /// Connects with the first question.
    #[must_use]
    pub fn new(config: ClickHouseConfig) -> Self {
        let mut server = Client::default()
            .with_url(&config.url)
            .with_compression(Compression::None)
            .with_setting("async_insert", "0");
        if let Some(user) = &config.user {
            server = server.with_user(user);
        }
        if let Some(password) = &config.password {
            server = server.with_password(password);
        }
        Self { client: server.clone().with_database(&config.database), server, config }
    }

    /// For inserts.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// A question to the club's database.
    pub fn ask(&self, sql: &str) -> Question {
        Question(self.client.query(sql))
    }

    /// A question to the server, whether the database is there or not.
    pub(super) fn ask_server(&self, sql: &str) -> Question {
        Question(self.server.query(sql))
    }
}

/// A question on its way, with a bound of time.
#[must_use]
pub struct Question(clickhouse::query::Query);

impl Question {
    /// A value for the next `?`.
    pub fn bind(self, value: impl clickhouse::sql::Bind) -> Self {
        Self(self.0.bind(value))
    }

    /// All rows.
    ///
    /// # Errors
    /// If ClickHouse does not answer as it should.
    pub async fn rows<T: RowOwned + RowRead>(self) -> Result<Vec<T>, ClickHouseError> {
        timely(self.0.fetch_all()).await
    }

    /// The one row that there is.
    ///
    /// # Errors
    /// If ClickHouse does not answer as it should.
    pub async fn row<T: RowOwned + RowRead>(self) -> Result<T, ClickHouseError> {
        timely(self.0.fetch_one()).await
    }

    /// A statement without an answer.
    ///
    /// # Errors
    /// If ClickHouse does not do it.
    pub async fn done(self) -> Result<(), ClickHouseError> {
        timely(self.0.execute()).await
    }
}

async fn timely<T>(
    answer: impl Future<Output = Result<T, clickhouse::error::Error>>,
) -> Result<T, ClickHouseError> {
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(ClickHouseError::TooSlow),
    }
}
