//! How far long work is, on stderr.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use projections::rebuild::Progress;

const EVERY: Duration = Duration::from_millis(200);

/// Whether and how progress is shown.
#[derive(Debug, Clone, Copy)]
pub struct Show {
    is_shown: bool,
    is_terminal: bool,
}

impl Show {
    /// On a terminal always, elsewhere when asked.
    pub fn new(is_asked: bool) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        Self { is_shown: is_asked || is_terminal, is_terminal }
    }

    /// Tells about `what` as it goes on: on a terminal in one line that is written over.
    pub fn of(self, what: &'static str) -> impl Fn(Progress) + Send + 'static {
        let started = Instant::now();
        let told = Mutex::new(started);
        move |Progress { done, total }| {
            let Ok(mut told) = told.lock() else { return };
            let is_due = told.elapsed() >= EVERY || done == total;
            if !self.is_shown || !is_due {
                return;
            }
            *told = Instant::now();
            let percent = done * 100 / total.max(1);
            let millis = started.elapsed().as_millis().max(1);
            let rate = u128::from(done) * 1_000 / millis;
            let line = format!("{what}: {done} of {total} events ({percent} %), {rate} a second");
            let (start, end) = match self.is_terminal {
                true => ("\r\x1b[K", if done == total { "\n" } else { "" }),
                false => ("", "\n"),
            };
            let mut stderr = std::io::stderr().lock();
            let _ = write!(stderr, "{start}{line}{end}").and_then(|()| stderr.flush());
        }
    }
}
