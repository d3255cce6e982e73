//! The writing loop: rows -> events -> Kafka transactions, on a blocking thread.
//!
//! Why exactly once: a run takes over the source's transactional id *before* it reads how far the source has come, so
//! nobody else can commit any more; and every transaction carries its own progress, so rows and progress are visible
//! together or not at all. After a failure whose outcome is unknown (the commit timed out) everything in memory is
//! thrown away and the run begins again with those same two steps.
//!
//! What is due and what a row becomes is decided elsewhere (`plan.rs`, `validate.rs`).

use crate::{
    display::Display,
    error::ReplayError,
    options::{Pace, Time},
    plan::{Next, Plan},
    progress,
    source::{Row, Source},
    stop::Stop,
    summary::{Ended, Summary},
    validate::{Acquaintances, validate},
};
use chrono::Utc;
use foldstream_events::{LocationsEvent, PersonProfilesEvent, SourceProgressEvent, TopicEvent};
use foldstream_wire::{Browser, Registry, TransactionError, TransactionalWriter};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::runtime::Handle;

const MOST_ROWS: usize = 10_000;
/// In step with the clock, this much time goes into one transaction.
const TRANSACTION_SPAN: Duration = Duration::from_millis(250);
/// A clock that is set back must not make a wait endless, so waits are cut.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// The brokers abort a transaction that is open this long (a little less than wire's `transaction.timeout.ms`).
const TRANSACTION_EXPIRES: Duration = Duration::from_secs(9);
const GIVE_UP_AFTER: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

pub(crate) struct Replay {
    wire: foldstream_wire::Config,
    registry: Registry,
    browser: Browser,
    source: Arc<dyn Source>,
    pace: Pace,
    stop: Stop,
    display: Display,
    runtime: Handle,
    standing: Standing,
    written: Written,
    /// A transaction that was begun and is not known to be committed: what it adds, and the sequence after it.
    unsettled: Option<(Written, u64)>,
    failing_since: Option<Instant>,
}

/// Where the source stands, as far as is known.
#[derive(Clone, Copy, Default)]
struct Standing {
    next_sequence: u64,
    time_shift_us: i64,
}

/// What this run has written.
#[derive(Clone, Copy, Default)]
struct Written {
    positions: u64,
    profiles: u64,
    refused: u64,
}

impl Replay {
    /// To be called inside the async runtime; `run` then belongs on a blocking thread.
    pub(crate) fn new(
        wire: &foldstream_wire::Config,
        source: Arc<dyn Source>,
        pace: &Pace,
        stop: Stop,
    ) -> Result<Self, ReplayError> {
        Ok(Self {
            registry: Registry::new(wire).map_err(ReplayError::Registry)?,
            browser: Browser::new(wire),
            wire: wire.clone(),
            display: Display::new(source.id()),
            source,
            pace: pace.clone(),
            stop,
            runtime: Handle::current(),
            standing: Standing::default(),
            written: Written::default(),
            unsettled: None,
            failing_since: None,
        })
    }

    /// Tries until done, stopped or stuck. Blocks.
    pub(crate) fn run(mut self) -> Result<Summary, ReplayError> {
        let begin = Instant::now();
        let mut pause = FIRST_PAUSE;
        let ended = loop {
            let error = match self.attempt() {
                Ok(ended) => break ended,
                Err(error) => error,
            };
            let failing_since = *self.failing_since.get_or_insert_with(|| {
                pause = FIRST_PAUSE;
                Instant::now()
            });
            if !error.is_retriable() {
                self.display.finish();
                return Err(error);
            }
            if failing_since.elapsed() >= GIVE_UP_AFTER {
                self.display.finish();
                return Err(ReplayError::Stuck {
                    source_id: self.source.id().to_owned(),
                    sequence: self.standing.next_sequence,
                    seconds: failing_since.elapsed().as_secs(),
                    source: Box::new(error),
                });
            }
            self.display.beside(|| tracing::warn!(error.message = chain(&error), "the replay begins again"));
            // Between half and all of the pause, so that several replays do not come back in step.
            if self.stop.within(pause.mul_f64(rand::random_range(0.5..1.0))) {
                break Ended::Shutdown;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        };
        self.display.finish();
        Ok(self.summary(ended, begin))
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
                    self.failing_since = None;
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
        let records =
            [LocationsEvent::RECORD_TYPES, PersonProfilesEvent::RECORD_TYPES, SourceProgressEvent::RECORD_TYPES];
        let connect =
            TransactionalWriter::connect(&self.wire, &self.registry, crate::FLOW.service, &transactional_id, &records);
        let writer = self.runtime.block_on(connect).map_err(|source| self.cannot_write(source))?;
        writer.fence().map_err(|source| self.cannot_write(source))?;
        Ok(writer)
    }

    fn find_standing(&mut self) -> Result<(), ReplayError> {
        let read = progress::read(&self.browser, &self.registry, self.source.id());
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
                tracing::info!("--time is not heeded: the first run of {} wrote times {kept}", self.source.id());
            });
        }
        // The transaction whose commit was left in doubt turns out to be there after all.
        if let Some((written, after)) = self.unsettled.take()
            && after == next_sequence
        {
            self.written.add(written);
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
        let Some(last) = rows.last() else { return Ok(()) };
        let after = last.sequence + 1;
        let begin = Instant::now();
        let adds = self.transact(writer, known, rows, after).map_err(|source| match source {
            TransactionError::Fenced { .. } if begin.elapsed() >= TRANSACTION_EXPIRES => ReplayError::Expired {
                source_id: self.source.id().to_owned(),
                sequence: self.standing.next_sequence,
                seconds: begin.elapsed().as_secs(),
            },
            other => self.cannot_write(other),
        })?;
        self.unsettled = None;
        self.failing_since = None;
        self.written.add(adds);
        self.standing.next_sequence = after;
        Ok(())
    }

    fn transact(
        &mut self,
        writer: &mut TransactionalWriter,
        known: &mut Acquaintances,
        rows: &[Row],
        after: u64,
    ) -> Result<Written, TransactionError> {
        let mut adds = Written::default();
        let time_shift_us = self.standing.time_shift_us;
        writer.begin()?;
        for row in rows {
            match validate(self.source.as_ref(), row, known.meet(row), time_shift_us) {
                Ok(accepted) => {
                    if let Some(profile) = &accepted.profile {
                        writer.append(profile)?;
                        adds.profiles += 1;
                    }
                    writer.append(&accepted.location)?;
                    adds.positions += 1;
                }
                Err(violation) => {
                    tracing::debug!(sequence = row.sequence, "row skipped: {violation}");
                    adds.refused += 1;
                }
            }
        }
        writer.append(&progress::progressed(self.source.id(), after, time_shift_us, Utc::now()))?;
        self.unsettled = Some((adds, after));
        writer.commit()?;
        Ok(adds)
    }

    fn cannot_write(&self, source: TransactionError) -> ReplayError {
        let (source_id, sequence) = (self.source.id().to_owned(), self.standing.next_sequence);
        match source {
            TransactionError::Fenced { .. } => ReplayError::TookOver { source_id, sequence },
            source => ReplayError::Write { source_id, sequence, source },
        }
    }

    fn summary(&self, ended: Ended, begin: Instant) -> Summary {
        Summary {
            source_id: self.source.id().to_owned(),
            positions: self.written.positions,
            profiles: self.written.profiles,
            refused: self.written.refused,
            seconds: begin.elapsed().as_secs_f64(),
            next_sequence: self.standing.next_sequence,
            total: self.source.count(),
            time_shift_us: self.standing.time_shift_us,
            ended,
        }
    }
}

impl Written {
    fn add(&mut self, other: Self) {
        self.positions += other.positions;
        self.profiles += other.profiles;
        self.refused += other.refused;
    }
}

/// The error and what is behind it, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(error.source(), |error| error.source())
        .fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}
