//! A process of the application started in the background by `demo`: log and pid file in `.local/run`.
//!
//! It is known by pid and start time, so that `down` never stops a stranger.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use foldstream_stack::process::{Identity, PidFile, Signal};

/// `foldstream run all` drains its batches first.
const PATIENCE: Duration = Duration::from_secs(20);

/// One background process, running or not.
#[derive(Debug)]
pub(crate) struct Application {
    name: String,
    pid_file: PidFile,
    log: PathBuf,
}

impl Application {
    /// The process of this name.
    pub(crate) fn recorded(run_directory: &Path, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            pid_file: PidFile::at(run_directory.join(format!("{name}.pid"))),
            log: run_directory.join(format!("{name}.log")),
        }
    }

    /// Where its output goes.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// The process, if it runs.
    pub(crate) fn running(&self) -> Option<Identity> {
        self.pid_file.running()
    }

    /// Whether it runs, and runs the program that is at `binary` now: after a new build the old one does not.
    pub(crate) fn runs(&self, binary: &Path) -> bool {
        let Some(process) = self.running() else { return false };
        fs::read_link(format!("/proc/{}/exe", process.pid)).is_ok_and(|running| running == binary)
    }

    /// Starts the command in a session of its own.
    pub(crate) fn start(&self, command: &Command) -> anyhow::Result<()> {
        if let Some(directory) = self.log.parent() {
            fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
        }
        let log = File::create(&self.log).with_context(|| format!("cannot write {}", self.log.display()))?;
        let mut detached = Command::new("setsid");
        detached.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => detached.env(name, value),
                None => detached.env_remove(name),
            };
        }
        let errors = log.try_clone().context("cannot share the log")?;
        // Not waited for: it outlives this command, whose end makes init its parent.
        let child = detached
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .with_context(|| format!("cannot start {}", self.name))?;
        let process = Identity::of(child.id())
            .with_context(|| format!("{} ended at once, see {}", self.name, self.log.display()))?;
        Ok(self.pid_file.record(process)?)
    }

    /// Stops it in order; whether there was anything to stop.
    pub(crate) fn stop(&self) -> anyhow::Result<bool> {
        let running = self.running();
        if let Some(process) = running {
            process.stop(&self.name, Signal::TERM, PATIENCE)?;
        }
        self.pid_file.remove();
        Ok(running.is_some())
    }
}
