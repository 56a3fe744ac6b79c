//! Processor time of process trees, read from /proc: what an operation costs the servers.

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// The kernel reports in ticks of USER_HZ, which Linux has fixed at 100 a second.
const TICK: Duration = Duration::from_millis(10);

/// Reads the time of some processes and everything below them.
#[derive(Debug, Clone)]
pub struct CpuMeter {
    roots: Vec<u32>,
}

/// What /proc says about one process.
struct Process {
    parent: u32,
    own: u32,
    /// Of children that have ended: a connection's backend must not vanish from the sum.
    ended_children: u32,
}

impl CpuMeter {
    /// A meter for these processes and all their descendants.
    pub fn new(roots: impl Into<Vec<u32>>) -> Self {
        Self { roots: roots.into() }
    }

    /// The same meter with one tree more.
    pub fn and(&self, root: u32) -> Self {
        let mut roots = self.roots.clone();
        roots.push(root);
        Self { roots }
    }

    /// Processor time used until now. Only differences mean something.
    pub fn read(&self) -> Result<Duration> {
        let processes = processes()?;
        let ticks = processes
            .keys()
            .filter(|&&id| self.contains(id, &processes))
            .map(|id| processes[id].own + processes[id].ended_children)
            .sum::<u32>();
        Ok(TICK * ticks)
    }

    /// Whether a process is one of the roots or below one.
    fn contains(&self, id: u32, processes: &HashMap<u32, Process>) -> bool {
        let mut at = id;
        loop {
            if self.roots.contains(&at) {
                return true;
            }
            match processes.get(&at) {
                Some(process) if process.parent != 0 => at = process.parent,
                _ => return false,
            }
        }
    }
}

/// Processor time of this process's children that have ended and been waited for.
pub fn of_ended_children() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let process = parse(&stat).context("unexpected /proc/self/stat")?;
    Ok(TICK * process.ended_children)
}

/// Watches how busy everybody else is: a figure taken beside a compiler is none.
#[derive(Debug)]
pub struct Others {
    ours: CpuMeter,
    ours_before: Duration,
    machine_before: Duration,
    since: Instant,
}

impl Others {
    /// Begins to watch all but these.
    pub fn watch(ours: CpuMeter) -> Result<Self> {
        let (ours_before, machine_before) = (ours.read()?, of_the_machine()?);
        Ok(Self { ours, ours_before, machine_before, since: Instant::now() })
    }

    /// How many cores they have kept busy since.
    pub fn cores(&self) -> Result<f64> {
        let machine = of_the_machine()?.saturating_sub(self.machine_before);
        let ours = self.ours.read()?.saturating_sub(self.ours_before);
        Ok(machine.saturating_sub(ours).as_secs_f64() / self.since.elapsed().as_secs_f64())
    }
}

/// Processor time that the whole machine has used, what a hypervisor took away included.
fn of_the_machine() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().context("unexpected /proc/stat")?;
    let fields = line.split_ascii_whitespace().skip(1).map(|field| field.parse().unwrap_or(0));
    // user nice system (idle iowait) irq softirq steal; guests are in user already.
    let ticks = fields.take(8).enumerate().filter(|(n, _)| ![3, 4].contains(n)).map(|(_, t)| t);
    Ok(TICK * ticks.sum::<u32>())
}

/// The parent of a process: the postmaster, if it is a PostgreSQL backend.
pub fn parent_of(id: u32) -> Result<u32> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))
        .with_context(|| format!("process {id} is not on this machine"))?;
    Ok(parse(&stat).context("unexpected /proc/<pid>/stat")?.parent)
}

fn processes() -> Result<HashMap<u32, Process>> {
    let mut found = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let Some(id) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // A process may end between the listing and the reading.
        if let Ok(stat) = fs::read_to_string(format!("/proc/{id}/stat"))
            && let Some(process) = parse(&stat)
        {
            found.insert(id, process);
        }
    }
    Ok(found)
}

/// Reads a line of proc(5)'s stat. The command, second, may hold blanks and brackets.
fn parse(stat: &str) -> Option<Process> {
    let after_command = stat.get(stat.rfind(')')? + 1..)?;
    // The first field here is the third of the line.
    let fields = after_command.split_ascii_whitespace().collect::<Vec<_>>();
    let number = |place: usize| fields.get(place - 3)?.parse::<u32>().ok();
    Some(Process {
        parent: number(4)?,
        own: number(14)? + number(15)?,
        ended_children: number(16)? + number(17)?,
    })
}
