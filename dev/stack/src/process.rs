//! A process known by pid *and* start time, so that a reused pid is never taken for it.
//!
//! Processes are leaders of their own group and signals go to the group. A zombie counts as ended. What a process
//! is for, and when it is ready, is not known here.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process, kill_process_group};

use crate::error::StackError;
use crate::wait;

/// Enough for the kernel to take apart even a large process.
const KILL_DEADLINE: Duration = Duration::from_secs(15);

/// One process, now or in the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Its pid.
    pub pid: u32,
    /// When it started, in clock ticks since boot.
    pub start_time: u64,
}

/// How a process came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It followed the first signal.
    Gracefully,
    /// It had to be killed.
    Killed,
}

impl Identity {
    /// The process that has this pid now.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The command name stands in parentheses and may itself contain spaces and parentheses.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_ascii_whitespace();
        let state = fields.next()?;
        // Field 22 of proc(5); the state was field 3.
        let start_time = fields.nth(18)?.parse().ok()?;
        (state != "Z" && state != "X").then_some(Self { pid, start_time })
    }

    /// Whether this very process still runs.
    pub fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Sends a signal to the group the process leads; a process that is gone is left in peace.
    pub fn signal(self, signal: Signal) {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else { return };
        if self.is_alive() && kill_process_group(pid, signal).is_err() {
            // In the instant after the start the process may not lead its group yet. If it is gone, so be it.
            let _ = kill_process(pid, signal);
        }
    }

    /// Asks with `first`, waits for `patience`, then kills.
    pub fn stop(self, name: &str, first: Signal, patience: Duration) -> Result<Ended, StackError> {
        self.signal(first);
        if wait::until_true(patience, || !self.is_alive()) {
            return Ok(Ended::Gracefully);
        }
        self.signal(Signal::KILL);
        if wait::until_true(KILL_DEADLINE, || !self.is_alive()) {
            return Ok(Ended::Killed);
        }
        Err(StackError::DoesNotEnd { part: name.to_owned(), pid: self.pid })
    }
}

/// Where the identity of a running process is written down.
#[derive(Debug, Clone)]
pub struct PidFile {
    path: PathBuf,
}

impl PidFile {
    /// A pid file at `path`, whether it exists or not.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The recorded process, if it still runs.
    pub fn running(&self) -> Option<Identity> {
        let text = fs::read_to_string(&self.path).ok()?;
        let (pid, start_time) = text.trim().split_once(' ')?;
        let recorded = Identity { pid: pid.parse().ok()?, start_time: start_time.parse().ok()? };
        recorded.is_alive().then_some(recorded)
    }

    /// Writes a process down.
    pub fn record(&self, process: Identity) -> Result<(), StackError> {
        if let Some(parent) = self.path.parent() {
            fs::create_dir_all(parent).map_err(StackError::files("create", parent))?;
        }
        let text = format!("{} {}\n", process.pid, process.start_time);
        fs::write(&self.path, text).map_err(StackError::files("write", &self.path))
    }

    /// Forgets the process.
    pub fn remove(&self) {
        // A file that is not there is what was wanted.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_itself_and_no_later_owner_of_its_pid() {
        let me = Identity::of(std::process::id()).expect("this process runs");
        assert!(me.is_alive());
        assert!(!Identity { start_time: me.start_time + 1, ..me }.is_alive());
    }

    #[test]
    fn a_process_that_ended_is_not_running_even_before_it_is_reaped() {
        let mut child = std::process::Command::new("true").spawn().expect("true starts");
        let pid = child.id();
        assert!(wait::until_true(Duration::from_secs(5), || Identity::of(pid).is_none()));
        child.wait().expect("true ends");
    }
}
