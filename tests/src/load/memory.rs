//! How much memory a process has, and which process listens on a port: from /proc, on Linux.

use std::fs;

use anyhow::{Context, Result, bail};

/// Resident memory of a process, in bytes.
///
/// # Errors
/// If there is no such process on this machine.
pub fn resident(process: u32) -> Result<u64> {
    let file = format!("/proc/{process}/status");
    let status = fs::read_to_string(&file).with_context(|| format!("{file} cannot be read"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    Ok(kilobytes.with_context(|| format!("no VmRSS in {file}"))? * 1_024)
}

/// The process that listens on a port of this machine. It must be one of the same user's.
///
/// # Errors
/// If there is none, or none that may be looked at.
pub fn listener(port: u16) -> Result<u32> {
    let sockets = ["/proc/net/tcp", "/proc/net/tcp6"].map(|file| listening(file, port));
    let wanted: Vec<String> =
        sockets.into_iter().flatten().map(|inode| format!("socket:[{inode}]")).collect();
    for entry in fs::read_dir("/proc").context("/proc cannot be read")? {
        let Ok(process) = entry?.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(files) = fs::read_dir(format!("/proc/{process}/fd")) else { continue };
        let links = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
        if links.into_iter().any(|link| wanted.iter().any(|it| link.as_os_str() == it.as_str())) {
            return Ok(process);
        }
    }
    bail!("no process of this user listens on port {port}; name it with --server-pid")
}

/// Inodes of the sockets that listen on a port.
fn listening(file: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let Ok(table) = fs::read_to_string(file) else { return vec![] };
    let of_port = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, local) = fields.get(1)?.rsplit_once(':')?;
        let is_it = u16::from_str_radix(local, 16).ok()? == port && fields.get(3) == Some(&LISTEN);
        is_it.then(|| fields.get(9).map(|inode| (*inode).to_owned()))?
    };
    table.lines().skip(1).filter_map(of_port).collect()
}
