//! What the machine is, and who used its processors and memory: from `/proc`.
//!
//! Processor time of a database is that of its main process and of all its children, past and present, so that
//! connections that come and go are counted.

use anyhow::{Context, Result};
use foldstream_stack::{BROKERS, Stack};
use std::{fs, time::Instant};

/// Linux counts processor time for programs in hundredths of a second, on every architecture it is used on today.
const TICKS_PER_SECOND: f64 = 100.0;

/// Cores, memory, kernel, and how busy it is already: one line.
pub(crate) fn machine() -> Result<String> {
    let cores = std::thread::available_parallelism().context("cannot count the cores")?;
    let memory_kib = field("/proc/meminfo", "MemTotal:")?;
    let kernel = read("/proc/sys/kernel/osrelease")?;
    let load = read("/proc/loadavg")?;
    let load = load.split_ascii_whitespace().next().unwrap_or("unknown");
    Ok(format!(
        "machine: {cores} cores, {:.0} GB RAM, Linux {}, load {load} before the start; \
         brokers, registry, database and bench all on it",
        memory_kib * 1024.0 / 1e9,
        kernel.trim(),
    ))
}

/// Processor seconds each party has used.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spent {
    pub(crate) seconds: f64,
    pub(crate) bench: f64,
    pub(crate) postgres: f64,
    pub(crate) brokers: f64,
    /// Everybody on the machine, strangers included.
    pub(crate) machine: f64,
}

/// Counts from its start on.
#[derive(Debug)]
pub(crate) struct Meter<'a> {
    stack: &'a Stack,
    started: Instant,
    before: Spent,
}

impl<'a> Meter<'a> {
    pub(crate) fn start(stack: &'a Stack) -> Result<Self> {
        Ok(Self { stack, before: so_far(stack)?, started: Instant::now() })
    }

    pub(crate) fn stop(self) -> Result<Spent> {
        let seconds = self.started.elapsed().as_secs_f64();
        let now = so_far(self.stack)?;
        Ok(Spent {
            seconds,
            bench: now.bench - self.before.bench,
            postgres: now.postgres - self.before.postgres,
            brokers: now.brokers - self.before.brokers,
            machine: now.machine - self.before.machine,
        })
    }
}

fn so_far(stack: &Stack) -> Result<Spent> {
    let database = stack.status().into_iter().find(|part| part.name == "postgres").and_then(|part| part.pid);
    let mut brokers = 0.0;
    for number in 1..=BROKERS {
        brokers += of_process(stack.broker_pid(number)?.context("a broker does not run")?)?;
    }
    Ok(Spent {
        seconds: 0.0,
        bench: of_process(std::process::id())?,
        postgres: of_family(database.context("the database does not run")?)?,
        brokers,
        machine: of_machine()?,
    })
}

/// Processor seconds of one process.
pub(crate) fn of_process(pid: u32) -> Result<f64> {
    let [user, system, ..] = times(pid)?;
    Ok((user + system) / TICKS_PER_SECOND)
}

/// The most memory the process has held at any time, in bytes.
pub(crate) fn peak_memory(pid: u32) -> Result<f64> {
    Ok(field(&format!("/proc/{pid}/status"), "VmHWM:")? * 1024.0)
}

/// The process, the children it has waited for, and those it has now.
fn of_family(pid: u32) -> Result<f64> {
    let mut ticks: f64 = times(pid)?.iter().sum();
    let children = read(&format!("/proc/{pid}/task/{pid}/children"))?;
    for child in children.split_ascii_whitespace().filter_map(|child| child.parse().ok()) {
        // One that ended since the list was read is counted in its parent the next time.
        ticks += times(child).map_or(0.0, |[user, system, ..]| user + system);
    }
    Ok(ticks / TICKS_PER_SECOND)
}

/// Everything but idling and waiting for disks, on all cores.
fn of_machine() -> Result<f64> {
    let text = read("/proc/stat")?;
    let fields: Vec<f64> = text.lines().next().unwrap_or("").split_ascii_whitespace().flat_map(str::parse).collect();
    // user, nice, system, idle, iowait, irq, softirq
    let busy = [0, 1, 2, 5, 6].iter().filter_map(|place| fields.get(*place)).sum::<f64>();
    Ok(busy / TICKS_PER_SECOND)
}

/// Ticks in user mode, in the kernel, and the same two of children that were waited for: fields 14 to 17 of proc(5).
fn times(pid: u32) -> Result<[f64; 4]> {
    let text = read(&format!("/proc/{pid}/stat"))?;
    // The command name stands in parentheses and may itself contain blanks and parentheses; field 3 follows.
    let (_, fields) = text.rsplit_once(')').context("a process status without a name")?;
    let mut fields = fields.split_ascii_whitespace().skip(11).map(|ticks| ticks.parse().unwrap_or(0.0));
    Ok([(); 4].map(|()| fields.next().unwrap_or(0.0)))
}

fn field(path: &str, name: &str) -> Result<f64> {
    let text = read(path)?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.split_ascii_whitespace().next()?.parse().ok());
    value.with_context(|| format!("{path} does not say {name}"))
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_says_what_is_asked() {
        assert!(of_process(std::process::id()).unwrap() >= 0.0);
        assert!(peak_memory(std::process::id()).unwrap() > 100_000.0);
        assert!(of_machine().unwrap() > 0.0);
        assert!(machine().unwrap().starts_with("machine: "));
    }
}
