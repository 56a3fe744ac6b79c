//! From the log to new tables: COPY out of the log on one task, decoding and folding on another,
//! COPY into the tables on a third. All tables of the generation appear in one transaction.

use std::time::Instant;

use bytes::Bytes;
use domain::stored::Place;
use sqlx::{Connection, PgConnection, PgPool};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{Progress, RebuildError};
use crate::checkpoint::{self, Checkpoint};
use crate::copy::{CopyRows, HEADER, TRAILER};
use crate::feed::{self, FeedError};
use crate::lease::{Link, run};
use crate::position::to_sql;
use crate::read_models::{self, Entry, ReadModel};
use crate::scan::{self, Chunk, EventReader};

/// Rows of a model on their way into its table, about this many bytes at once.
const PIECE_BYTES: usize = 1 << 20;
/// Pieces that the folding may be ahead of the copying.
const PIECES_AHEAD: usize = 4;
/// Progress is told every so many events, about.
const TELL_EVERY: u64 = 20_000;

/// Which model, and rows for its table.
type Piece = (usize, Bytes);

/// Makes the tables of a generation as the log up to its checkpoint's place tells, and enters the
/// checkpoint as building. Answers how many milliseconds the indexes took.
pub(super) async fn fold(
    pool: &PgPool,
    link: &mut Link,
    checkpoint: Checkpoint,
    progress: impl Fn(Progress) + Send + 'static,
) -> Result<u64, RebuildError> {
    let head = checkpoint.place;
    let start = feed::genesis(link).await?;
    let mut source = Link::open(pool).await?;
    run(&mut source, scan::SCAN_SESSION).await?;
    let statement = scan::events_statement(0, to_sql(head.position).map_err(FeedError::from)?);
    let (chunks_out, chunks_in) = scan::chunks();
    let (pieces_out, pieces_in) = mpsc::channel(PIECES_AHEAD);

    let reading =
        tokio::spawn(async move { scan::copy_out(&mut source, &statement, &[chunks_out]).await });
    let folding = tokio::task::spawn_blocking(move || {
        Folding::new(start, head, pieces_out, progress).run(chunks_in)
    });
    let copied = copy_in(link, checkpoint, pieces_in, folding).await;
    // If the reading failed, whatever else has failed for want of events.
    reading.await.map_err(|_| RebuildError::Cancelled)??;
    copied
}

/// The folding thread's work.
struct Folding<P> {
    models: Vec<Box<dyn ReadModel>>,
    waiting: Vec<CopyRows>,
    last: Place,
    head: Place,
    told: u64,
    pieces: mpsc::Sender<Piece>,
    progress: P,
}

impl<P: Fn(Progress)> Folding<P> {
    fn new(start: Place, head: Place, pieces: mpsc::Sender<Piece>, progress: P) -> Self {
        let models = read_models::all();
        let waiting = models.iter().map(|_| CopyRows::default()).collect();
        Self { models, waiting, last: start, head, told: 0, pieces, progress }
    }

    fn run(mut self, mut chunks: mpsc::Receiver<Chunk>) -> Result<(), RebuildError> {
        let mut reader = EventReader::new();
        while let Some(chunk) = chunks.blocking_recv() {
            for message in chunk.iter() {
                self.fold(&mut reader, message)?;
            }
            if !self.send(|model| model.only_grows(), PIECE_BYTES) {
                return Ok(());
            }
            self.tell(TELL_EVERY);
        }
        if self.last != self.head {
            return Err(RebuildError::Gap(self.last.position + 1));
        }
        self.tell(0);
        self.send(|_| true, 0);
        Ok(())
    }

    fn fold(&mut self, reader: &mut EventReader, message: &[u8]) -> Result<(), RebuildError> {
        let after = self.last.position;
        let event = reader.read(message).map_err(|source| RebuildError::Row { after, source })?;
        let Some(recorded) = event else { return Ok(()) };
        if recorded.place.position != after + 1 {
            return Err(RebuildError::Gap(after + 1));
        }
        self.last = recorded.place;
        let entry = Entry::read(recorded)?;
        for model in &mut self.models {
            model.fold(&entry);
        }
        Ok(())
    }

    /// Hands over rows of the models chosen where more than so many bytes wait; answers whether
    /// there is anybody to take them.
    fn send(&mut self, which: impl Fn(&dyn ReadModel) -> bool, more_than: usize) -> bool {
        let with_rows = self.models.iter_mut().zip(&mut self.waiting).enumerate();
        for (index, (model, rows)) in with_rows.filter(|(_, (model, _))| which(&***model)) {
            model.copy_out(rows);
            if rows.len() > more_than && self.pieces.blocking_send((index, rows.take())).is_err() {
                return false;
            }
        }
        true
    }

    fn tell(&mut self, every: u64) {
        if self.last.position >= self.told + every {
            self.told = self.last.position;
            (self.progress)(Progress { done: self.told, total: self.head.position });
        }
    }
}

/// Makes the tables, fills them with the pieces as they come, and commits if the folding says that
/// these were all.
async fn copy_in(
    link: &mut Link,
    checkpoint: Checkpoint,
    mut pieces: mpsc::Receiver<Piece>,
    folding: JoinHandle<Result<(), RebuildError>>,
) -> Result<u64, RebuildError> {
    let models = read_models::all();
    let tables: Vec<String> = models
        .iter()
        .map(|model| read_models::table(model.name(), checkpoint.generation))
        .collect();
    run(link, "set maintenance_work_mem = '256MB'").await?;
    let mut transaction = link.begin().await?;
    for (model, table) in models.iter().zip(&tables) {
        let create = format!("create table {table} {}", model.columns());
        run(&mut transaction, &create).await?;
    }
    let mut next = pieces.recv().await;
    while let Some((index, piece)) = next {
        let Some(table) = tables.get(index) else { return Err(RebuildError::Cancelled) };
        next = copy_pieces(&mut transaction, table, (index, piece), &mut pieces).await?;
    }
    folding.await.map_err(|_| RebuildError::Cancelled)??;
    let started = Instant::now();
    for (model, table) in models.iter().zip(&tables) {
        for index in model.indexes(table) {
            run(&mut transaction, &index).await?;
        }
    }
    let index_ms = super::ms(started);
    checkpoint::insert(&mut transaction, read_models::NAME, &checkpoint, "building").await?;
    transaction.commit().await?;
    Ok(index_ms)
}

/// One COPY, for as long as pieces for its table come; answers the first piece for another one.
async fn copy_pieces(
    connection: &mut PgConnection,
    table: &str,
    first: Piece,
    pieces: &mut mpsc::Receiver<Piece>,
) -> Result<Option<Piece>, RebuildError> {
    // Frozen: nobody can have seen the table yet, so its rows need no second visit.
    let statement = format!("copy {table} from stdin (format binary, freeze)");
    let mut copy = connection.copy_in_raw(&statement).await?;
    copy.send(HEADER).await?;
    let index = first.0;
    let mut next = Some(first);
    while let Some((_, piece)) = next.take_if(|(other, _)| *other == index) {
        copy.send(piece).await?;
        next = pieces.recv().await;
    }
    copy.send(TRAILER).await?;
    copy.finish().await?;
    Ok(next)
}
