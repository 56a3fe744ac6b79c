//! What the system allows a process: each connection is an open file.

use anyhow::{Context, Result, ensure};

/// Beside the connections: standard streams, requests, the runtime's own.
const BESIDE: u64 = 300;

/// Raises this process's limit as far as it may; children inherit it.
///
/// # Errors
/// If so many connections do not fit.
pub fn open_files(connections: usize) -> Result<()> {
    let needed = connections as u64 + BESIDE;
    let allowed = rlimit::increase_nofile_limit(u64::MAX).context("the limit of open files")?;
    ensure!(
        allowed >= needed,
        "{connections} connections need {needed} open files, and this process may have {allowed}: \
         raise the hard limit (`ulimit -Hn {needed}` as root, nofile in /etc/security/limits.conf, \
         --ulimit nofile={needed} of docker), here and for the server, or ask for fewer"
    );
    Ok(())
}
