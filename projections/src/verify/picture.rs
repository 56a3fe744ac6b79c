//! Whether tables show what the log tells, row by row, without keeping either: a number for each
//! position, made of the rows that this event changed last.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use futures::TryStreamExt;
use sqlx::PgConnection;

use super::{Check, Findings, VerifyError};
use crate::checkpoint::Checkpoint;
use crate::copy::{CopiedRow, CopyRows, MalformedRow, RowsOf};
use crate::feed::FeedError;
use crate::position::from_sql;
use crate::read_models::{self, Entry, ReadModel};

/// One table.
enum Picture {
    /// Where nearly every event has a row.
    Dense(Vec<u64>),
    /// Where few have.
    Sparse(HashMap<usize, u64>),
}

impl Picture {
    fn of(model: &dyn ReadModel) -> Self {
        if model.only_grows() { Self::Dense(Vec::new()) } else { Self::Sparse(HashMap::new()) }
    }

    fn add(&mut self, mut row: CopiedRow<'_>) -> Result<(), MalformedRow> {
        let mut hasher = DefaultHasher::new();
        row.as_bytes().hash(&mut hasher);
        let position = usize::try_from(row.int()?).map_err(|_| MalformedRow)?;
        let sum = match self {
            Self::Dense(sums) => {
                if position >= sums.len() {
                    sums.resize(position + 1, 0);
                }
                sums.get_mut(position).ok_or(MalformedRow)?
            }
            Self::Sparse(sums) => sums.entry(position).or_default(),
        };
        *sum = sum.wrapping_add(hasher.finish());
        Ok(())
    }

    fn at(&self, position: usize) -> u64 {
        match self {
            Self::Dense(sums) => sums.get(position).copied().unwrap_or(0),
            Self::Sparse(sums) => sums.get(&position).copied().unwrap_or(0),
        }
    }

    fn positions(&self) -> Box<dyn Iterator<Item = usize> + '_> {
        match self {
            Self::Dense(sums) => Box::new(0..sums.len()),
            Self::Sparse(sums) => Box::new(sums.keys().copied()),
        }
    }

    fn differences(&self, other: &Self) -> BTreeSet<usize> {
        let positions = self.positions().chain(other.positions());
        positions.filter(|position| self.at(*position) != other.at(*position)).collect()
    }
}

/// All tables of a generation, in the order of the list of read models.
pub(super) struct Pictures {
    tables: Vec<Picture>,
    /// Rows that say they come from events after the generation's place. Kept apart: how far out
    /// they are must not cost memory.
    beyond: Vec<(&'static str, u64)>,
}

impl Pictures {
    fn blank() -> Self {
        let tables = read_models::all().iter().map(|model| Picture::of(&**model)).collect();
        Self { tables, beyond: Vec::new() }
    }

    /// Finds where these tables differ from what the log tells.
    pub(super) fn differences(&self, told: &Self, findings: &mut Findings) {
        for (name, position) in &self.beyond {
            let message =
                format!("read.{name} has a row of an event that it has not taken: rebuild");
            findings.add(*position, Check::ReadModel, message);
        }
        let tables = self.tables.iter().zip(&told.tables);
        for (model, (shown, told)) in read_models::all().iter().zip(tables) {
            for position in shown.differences(told) {
                let name = model.name();
                let message = format!(
                    "read.{name} shows something else than the log for what this event changed: \
                     rebuild"
                );
                findings.add(position as u64, Check::ReadModel, message);
            }
        }
    }
}

/// Reads the tables of a generation.
pub(super) async fn of_tables(
    connection: &mut PgConnection,
    live: &Checkpoint,
) -> Result<Pictures, VerifyError> {
    let mut pictures = Pictures::blank();
    for (model, picture) in read_models::all().iter().zip(&mut pictures.tables) {
        let table = read_models::table(model.name(), live.generation);
        let statement = format!("copy {table} to stdout (format binary)");
        let mut rows = connection.copy_out_raw(&statement).await?;
        while let Some(message) = rows.try_next().await? {
            let Some(row) = CopiedRow::new(&message)? else { continue };
            let position = from_sql(row.clone().int()?).map_err(FeedError::from)?;
            if position > live.place.position {
                pictures.beyond.push((model.name(), position));
                continue;
            }
            picture.add(row)?;
        }
    }
    Ok(pictures)
}

/// The same from the log.
pub(super) struct Picturing {
    models: Vec<Box<dyn ReadModel>>,
    pictures: Pictures,
    until: u64,
    rows: CopyRows,
}

impl Picturing {
    pub(super) fn new(until: u64) -> Self {
        let (models, rows) = (read_models::all(), CopyRows::default());
        Self { models, pictures: Pictures::blank(), until, rows }
    }

    pub(super) fn fold(&mut self, position: u64, entry: &Entry<'_>) {
        if position <= self.until {
            for model in &mut self.models {
                model.fold(entry);
            }
        }
    }

    pub(super) fn draw_what_only_grows(&mut self) {
        self.draw(|model| model.only_grows());
    }

    pub(super) fn finish(mut self) -> Pictures {
        self.draw(|_| true);
        self.pictures
    }

    fn draw(&mut self, which: impl Fn(&dyn ReadModel) -> bool) {
        let pictured = self.models.iter_mut().zip(&mut self.pictures.tables);
        for (model, picture) in pictured.filter(|(model, _)| which(&***model)) {
            model.copy_out(&mut self.rows);
            for row in RowsOf(&self.rows.take()) {
                // These are our own bytes: they have their form.
                let _ = picture.add(row);
            }
        }
    }
}
