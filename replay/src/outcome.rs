//! What a command answers: text for people, JSON for programs, and an exit code.

use std::io::Write;
use std::process::ExitCode;

use clap::ValueEnum;
use serde_json::Value;

/// Nothing to complain about.
pub const CLEAN: u8 = 0;
/// Something is not as it must be.
pub const FINDINGS: u8 = 1;
/// What was asked for cannot be asked, or is not there; clap's code too.
pub const USAGE: u8 = 2;
/// Nothing is proven either way.
pub const COULD_NOT_SEE: u8 = 3;

/// How answers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

/// An answer.
#[derive(Debug)]
pub struct Outcome {
    /// For people.
    pub text: String,
    /// For programs.
    pub json: Value,
    /// The exit code.
    pub code: u8,
}

impl Outcome {
    /// Prints it to stdout. A reader that has gone (`| head`) does not change the exit code.
    pub fn print(&self, format: Format) -> ExitCode {
        let answer = match format {
            Format::Text => self.text.trim_end().to_owned(),
            Format::Json => self.json.to_string(),
        };
        let _ = writeln!(std::io::stdout(), "{answer}");
        ExitCode::from(self.code)
    }
}
