//! The writing loop: rows -> events -> Kafka transactions, on a blocking thread.
//!
//! Why exactly once: a run takes over the source's transactional id *before* it reads how far the source has come, so
//! nobody else can commit any more; and every transaction carries its own progress, so rows and progress are visible
//! together or not at all. After a failure whose outcome is unknown (the commit timed out) everything in memory is
//! thrown away and the run begins again with those same two steps.
//!
//! What is due and what a row becomes is decided elsewhere (`plan.rs`, `validate.rs`).

use crate::{
    back_off::BackOff,
    display::Display,
    error::ReplayError,
    options::{Pace, Time},
    plan::{Next, Plan},
    progress,
    source::{Row, Source},
    stop::Stop,
    summary::{Ended, Summary},
    transaction::{Filled, Written, fill},
    validate::Acquaintances,
};
use chrono::Utc;
use foldstream_browse::Brokers;
use foldstream_events::{LocationsEvent, PersonCommandsEvent, SourceProgressEvent};
use foldstream_log::{Registry, TransactionError, TransactionalOptions, TransactionalWriter};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::runtime::Handle;

/// The source its records name.
pub const NAME: &str = "replay";

/// A quarter of a second's worth at full speed: the cost of a commit is then small beside that of its records.
const MOST_ROWS: usize = 40_000;
/// In step with the clock, this much time goes into one transaction.
const TRANSACTION_SPAN: Duration = Duration::from_millis(250);
/// A clock that is set back must not make a wait endless, so waits are cut.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// The brokers abort a transaction that is open this long (a little less than wire's `transaction.timeout.ms`).
const TRANSACTION_EXPIRES: Duration = Duration::from_secs(9);

pub(crate) struct Replay {
    wire: foldstream_log::Config,
    registry: Registry,
    brokers: Brokers,
    source: Arc<dyn Source>,
    pace: Pace,
    stop: Stop,
    display: Display,
    runtime: Handle,
    standing: Standing,
    written: Written,
    /// Whose commit was asked for and not confirmed.
    unsettled: Option<Filled>,
    back_off: BackOff,
    /// When the first transaction began.
    writing_since: Option<Instant>,
}

/// Where the source stands, as far as is known.
#[derive(Clone, Copy, Default)]
struct Standing {
    next_sequence: u64,
    time_shift_us: i64,
}

impl Replay {
    /// To be called inside the async runtime; `run` then belongs on a blocking thread.
    pub(crate) fn new(
        wire: &foldstream_log::Config,
        source: Arc<dyn Source>,
        pace: &Pace,
        stop: Stop,
    ) -> Result<Self, ReplayError> {
        Ok(Self {
            registry: Registry::new(wire).map_err(ReplayError::Registry)?,
            brokers: Brokers::new(wire),
            wire: wire.clone(),
            display: Display::new(source.id()),
            source,
            pace: pace.clone(),
            stop,
            runtime: Handle::current(),
            standing: Standing::default(),
            written: Written::default(),
            unsettled: None,
            back_off: BackOff::default(),
            writing_since: None,
        })
    }

    /// Tries until done, stopped or stuck. Blocks.
    pub(crate) fn run(mut self) -> Result<Summary, ReplayError> {
        let ended = loop {
            let error = match self.attempt() {
                Ok(ended) => break ended,
                Err(error) => error,
            };
            if !error.is_retriable() {
                self.display.finish();
                return Err(error);
            }
            let Some(pause) = self.back_off.failed(Instant::now()) else {
                self.display.finish();
                return Err(self.stuck(error));
            };
            self.display
                .beside(|| foldstream_telemetry::warn!(error.message = chain(&error), "the replay begins again"));
            if self.stop.within(pause) {
                break Ended::Shutdown;
            }
        };
        self.display.finish();
        Ok(self.summary(ended))
    }

    /// Takes over, finds out where the source stands, and writes what is due.
    fn attempt(&mut self) -> Result<Ended, ReplayError> {
        let mut writer = self.take_over()?;
        self.find_standing()?;
        let source = self.source.clone();
        let end = self.pace.limit.unwrap_or(u64::MAX).min(source.count());
        let reached_end = if end < source.count() { Ended::Limit } else { Ended::Complete };
        let mut rows = source.rows().take_while(|row| row.sequence < end).peekable();
        let mut known = Acquaintances::default();
        while let Some(row) = rows.next_if(|row| row.sequence < self.standing.next_sequence) {
            known.meet(&row);
        }
        self.display.starts(self.standing.next_sequence, end);
        let plan = Plan {
            speed: self.pace.speed,
            follow: self.pace.follow,
            time_shift_us: self.standing.time_shift_us,
            began_us: Utc::now().timestamp_micros(),
            began_at_row_us: rows.peek().map_or(0, |row| row.occurred_at_us),
            most_rows: MOST_ROWS,
        };
        loop {
            if self.stop.is_asked() {
                return Ok(Ended::Shutdown);
            }
            let begin = Instant::now();
            let now_us = Utc::now().timestamp_micros();
            let batch = plan.take_due(&mut rows, now_us);
            self.write(&mut writer, &mut known, &batch.rows)?;
            self.display.stands_at(self.standing.next_sequence, end);
            match batch.next {
                Next::Due => {}
                Next::End => return Ok(reached_end),
                Next::CaughtUp => return Ok(Ended::CaughtUp),
                Next::Wait { until_us } => {
                    self.back_off.recovered();
                    let until_due = Duration::from_micros(u64::try_from(until_us - now_us).unwrap_or(0));
                    let wait = until_due.max(TRANSACTION_SPAN).min(LONGEST_WAIT).saturating_sub(begin.elapsed());
                    if self.stop.within(wait) {
                        return Ok(Ended::Shutdown);
                    }
                }
            }
        }
    }

    /// A writer that alone may write for this source.
    fn take_over(&self) -> Result<TransactionalWriter, ReplayError> {
        let transactional_id = format!("foldstream-{}", self.source.id().replace('/', "-"));
        let record_types =
            [LocationsEvent::RECORD_TYPES, PersonCommandsEvent::RECORD_TYPES, SourceProgressEvent::RECORD_TYPES];
        let options = TransactionalOptions {
            source: NAME,
            transactional_id,
            record_types: record_types.into_iter().flatten().collect(),
            linger_ms: 20,
        };
        let connect = TransactionalWriter::connect(&self.wire, &self.registry, options);
        let writer = self.runtime.block_on(connect).map_err(|source| self.cannot_write(source))?;
        writer.fence().map_err(|source| self.cannot_write(source))?;
        Ok(writer)
    }

    fn find_standing(&mut self) -> Result<(), ReplayError> {
        let read = progress::read(&self.brokers, &self.registry, self.source.id());
        let found = self.runtime.block_on(read)?;
        let wanted_us = match self.pace.time {
            Time::Original => 0,
            Time::Now => Utc::now().timestamp_micros().saturating_sub(self.source.present_us()),
        };
        self.standing = match found {
            None => Standing { next_sequence: 0, time_shift_us: wanted_us },
            Some(progress) => Standing {
                next_sequence: u64::try_from(progress.next_sequence).unwrap_or(0),
                time_shift_us: progress.time_shift_us,
            },
        };
        let Standing { next_sequence, time_shift_us } = self.standing;
        if next_sequence > 0 && (time_shift_us == 0) != (wanted_us == 0) {
            let kept = if time_shift_us == 0 { "as recorded" } else { "moved" };
            self.display.beside(|| {
                foldstream_telemetry::info!(
                    "--time is not heeded: the first run of {} wrote times {kept}",
                    self.source.id()
                );
            });
        }
        // The transaction whose commit was left in doubt turns out to be there after all.
        if let Some(filled) = self.unsettled.take()
            && filled.next_sequence == next_sequence
        {
            self.written.add(filled.adds);
        }
        Ok(())
    }

    /// Writes rows and the progress they make in one transaction; nothing for no rows.
    fn write(
        &mut self,
        writer: &mut TransactionalWriter,
        known: &mut Acquaintances,
        rows: &[Row],
    ) -> Result<(), ReplayError> {
        if rows.is_empty() {
            return Ok(());
        }
        let begin = Instant::now();
        self.writing_since.get_or_insert(begin);
        let filled = fill(writer, self.source.as_ref(), known, rows, self.standing.time_shift_us)
            .and_then(|filled| {
                self.unsettled = Some(filled);
                writer.commit()?;
                Ok(filled)
            })
            .map_err(|source| self.interrupted(source, begin.elapsed()))?;
        self.unsettled = None;
        self.back_off.recovered();
        self.written.add(filled.adds);
        self.standing.next_sequence = filled.next_sequence;
        Ok(())
    }

    /// The brokers shut a transaction's writer out both when another one took over and when it took too long.
    fn interrupted(&self, source: TransactionError, open: Duration) -> ReplayError {
        match source {
            TransactionError::Fenced { .. } if open >= TRANSACTION_EXPIRES => ReplayError::Expired {
                source_id: self.source.id().to_owned(),
                sequence: self.standing.next_sequence,
                seconds: open.as_secs(),
            },
            other => self.cannot_write(other),
        }
    }

    fn cannot_write(&self, source: TransactionError) -> ReplayError {
        let (source_id, sequence) = (self.source.id().to_owned(), self.standing.next_sequence);
        match source {
            TransactionError::Fenced { .. } => ReplayError::TookOver { source_id, sequence },
            source => ReplayError::Write { source_id, sequence, source: Box::new(source) },
        }
    }

    fn stuck(&self, error: ReplayError) -> ReplayError {
        ReplayError::Stuck {
            source_id: self.source.id().to_owned(),
            sequence: self.standing.next_sequence,
            seconds: self.back_off.failing_for(Instant::now()).as_secs(),
            source: Box::new(error),
        }
    }

    fn summary(&self, ended: Ended) -> Summary {
        Summary {
            source_id: self.source.id().to_owned(),
            positions: self.written.positions,
            wishes: self.written.wishes,
            refused: self.written.refused,
            seconds: self.writing_since.map_or(0.0, |since| since.elapsed().as_secs_f64()),
            next_sequence: self.standing.next_sequence,
            total: self.source.count(),
            time_shift_us: self.standing.time_shift_us,
            ended,
        }
    }
}

/// The error and what is behind it, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(error.source(), |error| error.source())
        .fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}
