//! PostgreSQL's binary COPY format, written and read by hand: the fastest way in and out.
//!
//! Integers are big-endian, times are microseconds since 2000-01-01, texts are their bytes.

use bytes::{BufMut, Bytes, BytesMut};
use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use sqlx::PgConnection;

/// What every binary COPY begins with: signature, no flags, no extension.
pub(crate) const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What it ends with.
pub(crate) const TRAILER: &[u8] = &[0xff, 0xff];

const NULL: i32 = -1;
/// 2000-01-01 in Unix microseconds.
const EPOCH_MICROS: i64 = 946_684_800_000_000;
/// 2000-01-01 as chrono counts days.
const EPOCH_DAY: i32 = 730_120;

/// Rows on their way into a table.
#[derive(Debug, Default)]
pub(crate) struct CopyRows(BytesMut);

impl CopyRows {
    /// Begins a row of so many columns, which must follow.
    pub(crate) fn row(&mut self, columns: i16) -> &mut Self {
        self.0.put_i16(columns);
        self
    }

    /// A `bigint`.
    pub(crate) fn int(&mut self, value: i64) -> &mut Self {
        self.0.put_i32(8);
        self.0.put_i64(value);
        self
    }

    /// A `bigint` or null.
    pub(crate) fn optional_int(&mut self, value: Option<i64>) -> &mut Self {
        match value {
            Some(value) => self.int(value),
            None => self.null(),
        }
    }

    /// A `text`.
    pub(crate) fn text(&mut self, value: &str) -> &mut Self {
        // A text of 2 GB does not come out of a PostgreSQL log.
        self.0.put_i32(i32::try_from(value.len()).unwrap_or(0));
        self.0.put_slice(value.as_bytes());
        self
    }

    /// A `text` or null.
    pub(crate) fn optional_text(&mut self, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.text(value),
            None => self.null(),
        }
    }

    /// A `date`.
    pub(crate) fn date(&mut self, value: NaiveDate) -> &mut Self {
        self.0.put_i32(4);
        self.0.put_i32(value.num_days_from_ce().saturating_sub(EPOCH_DAY));
        self
    }

    /// A `date` or null.
    pub(crate) fn optional_date(&mut self, value: Option<NaiveDate>) -> &mut Self {
        match value {
            Some(value) => self.date(value),
            None => self.null(),
        }
    }

    /// A `timestamptz`.
    pub(crate) fn time(&mut self, value: DateTime<Utc>) -> &mut Self {
        self.int(value.timestamp_micros().saturating_sub(EPOCH_MICROS))
    }

    /// A `timestamptz` or null.
    pub(crate) fn optional_time(&mut self, value: Option<DateTime<Utc>>) -> &mut Self {
        match value {
            Some(value) => self.time(value),
            None => self.null(),
        }
    }

    /// How many bytes are waiting.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes the bytes out.
    pub(crate) fn take(&mut self) -> Bytes {
        self.0.split().freeze()
    }

    /// Moves the rows of another over to the end of this one's.
    pub(crate) fn append(&mut self, other: &mut Self) {
        if self.0.is_empty() {
            std::mem::swap(&mut self.0, &mut other.0);
        } else {
            self.0.extend_from_slice(&other.0);
            other.0.clear();
        }
    }

    /// Adds the rows to a table, in the caller's transaction, and is empty then. Half the price of
    /// an insert from arrays.
    pub(crate) async fn copy_into(
        &mut self,
        connection: &mut PgConnection,
        table: &str,
    ) -> Result<(), sqlx::Error> {
        if self.0.is_empty() {
            return Ok(());
        }
        let statement = format!("copy {table} from stdin (format binary)");
        let mut copy = connection.copy_in_raw(&statement).await?;
        for bytes in [HEADER, &self.take()[..], TRAILER] {
            copy.send(bytes).await?;
        }
        copy.finish().await?;
        Ok(())
    }

    fn null(&mut self) -> &mut Self {
        self.0.put_i32(NULL);
        self
    }
}

/// The bytes are not a row as it was asked for: the connection, not the log, is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a row from COPY does not have the expected form")]
pub struct MalformedRow;

/// One row that came out, read column by column.
#[derive(Debug, Clone)]
pub(crate) struct CopiedRow<'a>(&'a [u8]);

impl<'a> CopiedRow<'a> {
    /// The row in one message of a COPY; `None` if the message is only the trailer.
    pub(crate) fn new(message: &'a [u8]) -> Result<Option<Self>, MalformedRow> {
        // The first message carries the header in front of its row (or of the trailer).
        let message = message.strip_prefix(HEADER).unwrap_or(message);
        let (count, columns) = message.split_at_checked(2).ok_or(MalformedRow)?;
        Ok((count != TRAILER).then_some(Self(columns)))
    }

    /// A column that is not null.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], MalformedRow> {
        let (length, rest) = self.0.split_first_chunk::<4>().ok_or(MalformedRow)?;
        let length = usize::try_from(i32::from_be_bytes(*length)).map_err(|_| MalformedRow)?;
        let (column, rest) = rest.split_at_checked(length).ok_or(MalformedRow)?;
        self.0 = rest;
        Ok(column)
    }

    /// A `bigint`.
    pub(crate) fn int(&mut self) -> Result<i64, MalformedRow> {
        Ok(i64::from_be_bytes(self.bytes()?.try_into().map_err(|_| MalformedRow)?))
    }

    /// A `text` or `json`.
    pub(crate) fn text(&mut self) -> Result<&'a str, MalformedRow> {
        std::str::from_utf8(self.bytes()?).map_err(|_| MalformedRow)
    }

    /// A `timestamptz`.
    pub(crate) fn time(&mut self) -> Result<DateTime<Utc>, MalformedRow> {
        let micros = self.int()?.saturating_add(EPOCH_MICROS);
        DateTime::UNIX_EPOCH.checked_add_signed(TimeDelta::microseconds(micros)).ok_or(MalformedRow)
    }

    /// The columns as they are, for comparing them with another row's.
    pub(crate) fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

/// The rows in bytes that [`CopyRows`] has made.
#[derive(Debug)]
pub(crate) struct RowsOf<'a>(pub &'a [u8]);

impl<'a> Iterator for RowsOf<'a> {
    type Item = CopiedRow<'a>;

    fn next(&mut self) -> Option<CopiedRow<'a>> {
        let (columns, rest) = self.0.split_first_chunk::<2>()?;
        let mut length = 0;
        for _ in 0..i16::from_be_bytes(*columns) {
            let column = rest.get(length..)?.first_chunk::<4>()?;
            // A null has the length -1.
            length += 4 + usize::try_from(i32::from_be_bytes(*column)).unwrap_or(0);
        }
        let (row, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(CopiedRow(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let at = DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap();
        let mut rows = CopyRows::default();
        rows.row(3).int(-7).text("골드").time(at);
        let bytes = rows.take();
        for message in [bytes.to_vec(), [HEADER, &bytes[..]].concat()] {
            let mut row = CopiedRow::new(&message).unwrap().unwrap();
            assert_eq!(row.int(), Ok(-7));
            assert_eq!(row.text(), Ok("골드"));
            assert_eq!(row.time(), Ok(at));
            assert_eq!(row.int(), Err(MalformedRow));
        }
        assert!(CopiedRow::new(TRAILER).unwrap().is_none());
    }

    #[test]
    fn rows_are_told_apart() {
        let mut rows = CopyRows::default();
        rows.row(2).int(1).optional_text(None);
        rows.row(2).int(2).text("two");
        let bytes = rows.take();
        let firsts: Vec<i64> = RowsOf(&bytes).map(|mut row| row.int().unwrap()).collect();
        assert_eq!(firsts, [1, 2]);
    }
}
