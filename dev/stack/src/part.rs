//! One part of the stack: a process with a name, ports, a log and a pid file.
//!
//! A part that already runs is recognised and left alone. What it runs and when it is ready is said by `kafka`,
//! `postgres` and `registry`; how long it lives by the keeper.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::Signal;

use crate::error::StackError;
use crate::layout::Layout;
use crate::ports;
use crate::process::{Ended, Identity, PidFile};
use crate::wait::{self, Look};
use crate::watchdog::Watchdog;

/// Who ends the processes.
#[derive(Debug, Clone)]
pub(crate) enum Keeper {
    /// The watchdog, at the latest.
    Watchdog(Arc<Watchdog>),
    /// Nobody: they run in their own session until `down`.
    Nobody,
}

/// What to run.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) program: OsString,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Vec<(&'static str, String)>,
    pub(crate) directory: PathBuf,
}

/// What a part is, apart from what it runs.
#[derive(Debug)]
pub(crate) struct Part {
    name: String,
    ports: Vec<u16>,
    /// Asks it to end and finish its work.
    stop_signal: Signal,
    /// Ends it at once without a mess left behind.
    end_signal: Signal,
    pid_file: PidFile,
    log: PathBuf,
    keeper: Keeper,
    child: Mutex<Option<Child>>,
}

impl Part {
    pub(crate) fn new(name: &str, ports: Vec<u16>, layout: &Layout, keeper: &Keeper) -> Self {
        Self {
            name: name.to_owned(),
            ports,
            stop_signal: Signal::TERM,
            end_signal: Signal::KILL,
            pid_file: layout.pid_file(name),
            log: layout.log(name),
            keeper: keeper.clone(),
            child: Mutex::new(None),
        }
    }

    pub(crate) fn with_signals(mut self, stop: Signal, end: Signal) -> Self {
        self.stop_signal = stop;
        self.end_signal = end;
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn log(&self) -> &PathBuf {
        &self.log
    }

    pub(crate) fn port(&self) -> u16 {
        self.ports.first().copied().unwrap_or_default()
    }

    pub(crate) fn running(&self) -> Option<Identity> {
        self.pid_file.running()
    }

    /// Refuses when somebody else listens where this part must. Does nothing for a part that runs.
    pub(crate) fn check_ports(&self) -> Result<(), StackError> {
        if self.running().is_some() {
            return Ok(());
        }
        for port in &self.ports {
            if let Some(holder) = ports::holder(*port) {
                return Err(StackError::PortTaken { port: *port, part: self.name.clone(), holder });
            }
        }
        Ok(())
    }

    /// Starts the process unless it already runs. Ready is another question.
    pub(crate) fn start(&self, launch: Launch) -> Result<(), StackError> {
        if self.running().is_some() {
            return Ok(());
        }
        self.check_ports()?;
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.map_err(StackError::files("open", &self.log))?;
        let errors = log.try_clone().map_err(StackError::files("open", &self.log))?;
        let mut command = match self.keeper {
            Keeper::Nobody => {
                // The process becomes leader of a session of its own and keeps the pid we are told.
                let mut command = Command::new("setsid");
                command.arg(&launch.program);
                command
            }
            Keeper::Watchdog(_) => {
                let mut command = Command::new(&launch.program);
                command.process_group(0);
                command
            }
        };
        command
            .args(launch.arguments)
            .envs(launch.environment)
            .current_dir(launch.directory)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors);
        let mut held = self.held();
        let child = command.spawn().map_err(|source| StackError::Spawn { program: self.name.clone(), source })?;
        let pid = child.id();
        if let Keeper::Watchdog(watchdog) = &self.keeper {
            watchdog.watch(pid, if self.end_signal == Signal::QUIT { "QUIT" } else { "KILL" });
        }
        *held = Some(child);
        match Identity::of(pid) {
            Some(identity) => self.pid_file.record(identity),
            None => Err(self.ended_early()),
        }
    }

    /// Waits until `look` finds the part ready; a part that ends meanwhile is an error at once.
    pub(crate) fn wait_ready(&self, deadline: Duration, mut look: impl FnMut() -> Look<()>) -> Result<(), StackError> {
        let outcome =
            wait::until(deadline, || if self.running().is_none() { Err(self.ended_early()) } else { Ok(look()) })?;
        outcome.map_err(|seen| StackError::NotReady {
            part: self.name.clone(),
            waited_s: deadline.as_secs(),
            seen,
            log: self.log.clone(),
        })
    }

    /// Asks the part to end and waits; kills it when it takes longer than `patience`.
    pub(crate) fn stop(&self, patience: Duration) -> Result<Option<Ended>, StackError> {
        self.end_by(self.stop_signal, patience)
    }

    /// Ends it at once: `kill -9`, whatever it was doing.
    pub(crate) fn kill(&self) -> Result<(), StackError> {
        self.end_by(Signal::KILL, Duration::from_secs(10)).map(drop)
    }

    /// Tells it to end at once, without waiting: for ending many together.
    pub(crate) fn begin_end(&self) {
        if let Some(process) = self.running() {
            process.signal(self.end_signal);
        }
    }

    /// Waits for the end begun by [`Self::begin_end`].
    pub(crate) fn finish_end(&self) -> Result<(), StackError> {
        self.end_by(self.end_signal, Duration::from_secs(10)).map(drop)
    }

    fn end_by(&self, signal: Signal, patience: Duration) -> Result<Option<Ended>, StackError> {
        let mut held = self.held();
        let ended = match self.running() {
            Some(process) => Some(process.stop(&self.name, signal, patience)?),
            None => None,
        };
        if let Some(mut child) = held.take() {
            if let Keeper::Watchdog(watchdog) = &self.keeper {
                watchdog.forget(child.id());
            }
            // It has ended; only its entry in the process table is left.
            let _ = child.wait();
        }
        self.pid_file.remove();
        Ok(ended)
    }

    fn held(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended_early(&self) -> StackError {
        StackError::EndedEarly {
            part: self.name.clone(),
            log: self.log.clone(),
            last_line: last_line(&self.log).unwrap_or_else(|| "nothing".to_owned()),
        }
    }
}

/// The last line of a log that is not empty, without reading the whole of it.
fn last_line(log: &PathBuf) -> Option<String> {
    let mut file = File::open(log).ok()?;
    let length = fs::metadata(log).ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(4096))).ok()?;
    let mut end = Vec::new();
    file.read_to_end(&mut end).ok()?;
    let text = String::from_utf8_lossy(&end);
    text.lines().rev().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
}
