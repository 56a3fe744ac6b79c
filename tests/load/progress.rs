//! What is shown while it runs: one line on standard error, written anew.

use std::cell::RefCell;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between two looks: a file gets lines, so fewer of them.
const ON_A_TERMINAL: Duration = Duration::from_millis(100);
const IN_A_FILE: Duration = Duration::from_secs(5);

/// See the module.
pub struct Progress {
    is_on: bool,
    is_terminal: bool,
    last: RefCell<(String, Option<Instant>)>,
}

impl Progress {
    /// Shown, or not.
    pub fn new(is_on: bool) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        Self { is_on, is_terminal, last: RefCell::default() }
    }

    /// So many of so many.
    pub fn show(&self, what: &str, done: usize, all: usize) {
        let mut last = self.last.borrow_mut();
        let every = if self.is_terminal { ON_A_TERMINAL } else { IN_A_FILE };
        let is_due = last.0 != what || last.1.is_none_or(|at| at.elapsed() >= every);
        if !self.is_on || !(is_due || done == all) {
            return;
        }
        let begin = if self.is_terminal { "\r\x1b[K" } else { "" };
        let end = if self.is_terminal { "" } else { "\n" };
        let mut out = std::io::stderr().lock();
        // Whoever does not look misses nothing.
        let _ = write!(out, "{begin}{what}: {done} of {all}{end}").and_then(|()| out.flush());
        *last = (what.to_owned(), Some(Instant::now()));
    }

    /// The line is not needed any more.
    pub fn end(&self) {
        if self.is_on && self.is_terminal {
            eprintln!();
        }
    }
}
