//! What a run of the replay did, for people and, serialised, for programs.

use serde::Serialize;
use std::fmt;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    pub source_id: String,
    /// Written by this run.
    pub positions: u64,
    /// Written by this run.
    pub wishes: u64,
    /// Rows of this run that break a rule, skipped.
    pub refused: u64,
    /// From the first transaction to the end of the run.
    pub seconds: f64,
    /// Where the next run begins.
    pub next_sequence: u64,
    /// How many rows the data set has.
    pub total: u64,
    /// What is added to the data set's own times.
    pub time_shift_us: i64,
    pub ended: Ended,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// Every row has been replayed, now or by an earlier run.
    Complete,
    /// The rows asked for have been replayed, now or by an earlier run.
    Limit,
    /// The rows that remain lie ahead of the clock.
    CaughtUp,
    Shutdown,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source_id, positions, wishes, refused, seconds, next_sequence, total, .. } = self;
        write!(f, "{source_id}: wrote {positions} positions and {wishes} wishes about people in {seconds:.1} s")?;
        if *refused > 0 {
            write!(f, ", skipped {refused} rows that break a rule")?;
        }
        let times = if self.time_shift_us == 0 { "as recorded" } else { "moved to lead up to the first run" };
        let ended = match self.ended {
            Ended::Complete => "the data set is complete",
            Ended::Limit => "that is the limit asked for",
            Ended::CaughtUp => "the rest lies ahead of the clock (--follow waits for it)",
            Ended::Shutdown => "asked to stop",
        };
        write!(f, "\nstands at {next_sequence} of {total}, times {times}; ended: {ended}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_well() {
        let summary = Summary {
            source_id: "replay/aircraft".to_owned(),
            positions: 284_505,
            wishes: 236,
            refused: 0,
            seconds: 1.94,
            next_sequence: 284_505,
            total: 284_505,
            time_shift_us: 0,
            ended: Ended::Complete,
        };
        assert_eq!(
            summary.to_string(),
            "replay/aircraft: wrote 284505 positions and 236 wishes about people in 1.9 s\n\
             stands at 284505 of 284505, times as recorded; ended: the data set is complete"
        );
        let other = Summary { refused: 2, time_shift_us: 5, ended: Ended::CaughtUp, ..summary };
        assert_eq!(
            other.to_string(),
            "replay/aircraft: wrote 284505 positions and 236 wishes about people in 1.9 s, skipped 2 rows that break a rule\n\
             stands at 284505 of 284505, times moved to lead up to the first run; ended: the rest lies ahead of the \
             clock (--follow waits for it)"
        );
    }
}
