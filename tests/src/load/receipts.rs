//! What was asked for and what was received, put together by position.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::time::sleep;

use super::figures::{ActiveFigures, Quantiles};
use crate::live::Counts;

/// How long after the last answer something may still be on its way.
const PATIENCE: Duration = Duration::from_secs(10);

/// An event that was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub position: u64,
    pub asked: Instant,
    pub answered: Instant,
    pub is_measured: bool,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Receipts(Arc<Mutex<Books>>);

#[derive(Debug, Default)]
struct Books {
    asked: Vec<Asked>,
    /// By position: when first, and how often.
    received: HashMap<u64, (Instant, u64)>,
    counts: HashMap<usize, Counts>,
}

impl Receipts {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn asked(&self, asked: Asked) {
        self.books().asked.push(asked);
    }

    /// A balance at a position, on the one screen that is told of it.
    pub fn received(&self, position: u64) {
        let now = Instant::now();
        self.books().received.entry(position).or_insert((now, 0)).1 += 1;
    }

    /// What a screen has counted until now.
    pub fn counted(&self, screen: usize, counts: Counts) {
        self.books().counts.insert(screen, counts);
    }

    /// Waits until everything that was asked for has been received, or nothing more is to be expected.
    pub async fn complete(&self) {
        let latest = Instant::now() + PATIENCE;
        while self.missing() > 0 && Instant::now() < latest {
            sleep(Duration::from_millis(10)).await;
        }
    }

    fn missing(&self) -> usize {
        let books = self.books();
        let missing = |asked: &&Asked| !books.received.contains_key(&asked.position);
        books.asked.iter().filter(missing).count()
    }

    pub fn figures(&self, players: usize, window: Duration) -> Result<ActiveFigures> {
        let lost = self.missing() as u64;
        let books = self.books();
        let measured: Vec<(&Asked, Instant)> = books
            .asked
            .iter()
            .filter(|asked| asked.is_measured)
            .filter_map(|asked| Some((asked, books.received.get(&asked.position)?.0)))
            .collect();
        let micros = |from: Instant, to: Instant| {
            u64::try_from(to.saturating_duration_since(from).as_micros()).unwrap_or(u64::MAX)
        };
        let events = measured.len() as u64;
        let from_request =
            Quantiles::of(measured.iter().map(|(asked, to)| micros(asked.asked, *to)))?;
        let from_answer =
            Quantiles::of(measured.iter().map(|(asked, to)| micros(asked.answered, *to)))?;
        let twice = books.received.values().map(|(_, times)| times - 1).sum::<u64>();
        let counts = books.counts.values().fold(Counts::default(), |sum, it| sum.plus(*it));
        let (rate, repeated) = (events as f64 / window.as_secs_f64(), twice + counts.repeats);
        let (cuts, gaps) = (counts.cuts, counts.gaps);
        Ok(ActiveFigures {
            players,
            events,
            rate,
            from_request,
            from_answer,
            lost,
            repeated,
            cuts,
            gaps,
        })
    }
}
