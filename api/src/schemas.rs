//! The command `schemas`: what published events look like, for those who consume them.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use domain::schema;
use domain::schema::compatibility::{advice, broken};
use serde_json::Value;

/// What is to be done.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Writes them into files, one for each event and version. A file that consumers rely on is never
    /// changed in a way that breaks them.
    #[arg(long)]
    write: bool,
    /// Where the files are.
    #[arg(long, value_name = "DIR", default_value = "docs/events")]
    folder: PathBuf,
}

/// Prints all schemas as one object, or writes them.
///
/// # Errors
/// If a file cannot be written, or must not become what the code says.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let schemas = schema::all();
    if !arguments.write {
        writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&schemas)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut refused = Vec::new();
    for (file, schema) in &schemas {
        let path = arguments.folder.join(file);
        let found = match std::fs::read_to_string(&path) {
            Ok(text) => broken(&serde_json::from_str(&text).context(file.clone())?, schema),
            Err(_) => vec![],
        };
        match found.is_empty() {
            true => write(&path, schema)
                .with_context(|| format!("{} is not written", path.display()))?,
            false => refused.push(advice(file, &found)),
        }
    }
    if !refused.is_empty() {
        bail!("{}", refused.join("\n"));
    }
    Ok(ExitCode::SUCCESS)
}

fn write(path: &PathBuf, schema: &Value) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    Ok(std::fs::write(path, format!("{}\n", serde_json::to_string_pretty(schema)?))?)
}
