//! How far the replay is: a bar on a terminal, elsewhere a log line every few seconds.
//!
//! Elsewhere means standard error is a log that machines read, so the line goes the way of all log lines.

use indicatif::{ProgressBar, ProgressStyle};
use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

const LINE_EVERY: Duration = Duration::from_secs(5);
const BAR: &str = "{prefix} {bar:30} {human_pos} of {human_len} positions, {per_sec}, {eta} left";

#[derive(Debug)]
pub(crate) struct Display {
    source_id: String,
    /// None without a terminal.
    bar: Option<ProgressBar>,
    /// The last line, and the sequence it spoke of.
    last_line: (Instant, u64),
}

impl Display {
    /// Begins at a sequence on the way to `end`.
    pub(crate) fn new(source_id: &str) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(0).with_style(style).with_prefix(source_id.to_owned())
        });
        Self { source_id: source_id.to_owned(), bar, last_line: (Instant::now(), 0) }
    }

    /// The run goes on, or on again, from here.
    pub(crate) fn starts(&mut self, sequence: u64, end: u64) {
        if let Some(bar) = &self.bar {
            bar.set_length(end);
            bar.set_position(sequence);
            bar.reset_eta();
        }
        self.last_line = (Instant::now(), sequence);
    }

    /// Everything before this sequence is written.
    pub(crate) fn stands_at(&mut self, sequence: u64, end: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(sequence);
            return;
        }
        let (at, before) = self.last_line;
        if at.elapsed() >= LINE_EVERY {
            let rate = sequence.saturating_sub(before) as f64 / at.elapsed().as_secs_f64();
            foldstream_telemetry::info!("{}: {sequence} of {end} positions, {rate:.0}/s", self.source_id);
            self.last_line = (Instant::now(), sequence);
        }
    }

    /// Logs without tearing the bar apart.
    pub(crate) fn beside(&self, log: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(log),
            None => log(),
        }
    }

    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
