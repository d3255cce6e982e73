//! The executable at work: a process of its own, so that its memory and its processor time are its own.

use crate::processor_time;
use anyhow::{Context, Result, anyhow, bail};
use foldstream_stack::{
    http,
    process::{Identity, Signal},
    wait::{self, Look},
};
use std::{
    fs::{self, File},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// Longer than the drain of a service may take.
const STOP_PATIENCE: Duration = Duration::from_secs(30);
const READY_PATIENCE: Duration = Duration::from_secs(60);

/// A running `foldstream run …`; killed when dropped.
#[derive(Debug)]
pub(crate) struct Service {
    child: Child,
    metrics: SocketAddr,
    log: PathBuf,
}

/// The count and the sum of a histogram's samples.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Histogram {
    pub(crate) count: f64,
    pub(crate) sum: f64,
}

impl Service {
    pub(crate) fn start(mut command: Command, metrics: SocketAddr, log: PathBuf) -> Result<Self> {
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        let child = command.spawn().context("cannot start foldstream")?;
        Ok(Self { child, metrics, log })
    }

    /// An error when it has ended by itself.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.child.try_wait().context("cannot look after foldstream")? {
            None => Ok(()),
            Some(status) => {
                let said = fs::read_to_string(&self.log).unwrap_or_default();
                bail!("foldstream ended ({status}); its last words: {}", said.lines().last().unwrap_or("none"))
            }
        }
    }

    /// Waits until all its services say they are ready. Blocks.
    pub(crate) fn until_ready(&mut self) -> Result<()> {
        let seen = wait::until(READY_PATIENCE, || {
            self.check()?;
            anyhow::Ok(match http::get(self.metrics, "/health/ready") {
                Ok(answer) if answer.status == 200 => Look::Found(()),
                Ok(answer) => Look::NotYet(answer.body),
                Err(error) => Look::NotYet(error.to_string()),
            })
        })?;
        seen.map_err(|seen| anyhow!("foldstream is not ready: {seen}"))
    }

    /// Processor seconds since its start.
    pub(crate) fn processor_seconds(&self) -> Result<f64> {
        processor_time::of_process(self.child.id())
    }

    pub(crate) fn peak_memory(&self) -> Result<f64> {
        processor_time::peak_memory(self.child.id())
    }

    /// One of the histograms on its `/metrics`, over all labels.
    pub(crate) fn histogram(&self, name: &str) -> Result<Histogram> {
        let answer = http::get(self.metrics, "/metrics").context("foldstream does not show its metrics")?;
        let total = |suffix: &str| total(&answer.body, &format!("{name}{suffix}"));
        Ok(Histogram { count: total("_count"), sum: total("_sum") })
    }

    /// The sum of the samples that begin like this.
    pub(crate) fn counter(&self, begins: &str) -> Result<f64> {
        let answer = http::get(self.metrics, "/metrics").context("foldstream does not show its metrics")?;
        Ok(total(&answer.body, begins))
    }

    /// Asks it to finish what it is doing and end.
    pub(crate) fn stop(mut self) -> Result<()> {
        if let Some(process) = Identity::of(self.child.id()) {
            process.stop("foldstream", Signal::TERM, STOP_PATIENCE)?;
        }
        let status = self.child.wait().context("cannot wait for foldstream")?;
        if !status.success() {
            bail!("foldstream did not end in order ({status}), see {}", self.log.display());
        }
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn total(metrics: &str, begins: &str) -> f64 {
    let samples = metrics.lines().filter_map(|line| line.strip_prefix(begins));
    // Labels, a blank, the value.
    samples.filter_map(|sample| sample.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}
