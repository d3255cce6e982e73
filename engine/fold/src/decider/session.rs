//! A session of a decider: from taking the transactional id over to the first thing it cannot settle itself.

use super::{
    Decider,
    deciding::{Decided, States},
    restoring::restore,
    transaction::{Frame, Transactions},
};
use crate::{
    decoding::decode_off_thread,
    fetching::{dead_letters, schemas},
    lag::{Gauges, Standing, measure, seconds_since},
    sessions::{Service, SessionError, hold},
    waiting::Waiting,
};
use chrono::Utc;
use foldstream_log::{
    Assignment, Batch, Committed, LedTo, Reader, ReaderEvent, ReaderOptions, TopicEvent, TopicPartition,
};
use foldstream_telemetry::{health::Status, names, trace_context::add_link};
use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};
use tracing::Instrument;

/// A transaction takes at most this many inputs: they are all visible or none, and somebody waits for the first.
const MAX_BATCH_RECORDS: usize = 2_000;
const GAUGES: Gauges =
    Gauges { label: "processor", records: names::PROCESSOR_LAG_RECORDS, seconds: names::PROCESSOR_LAG_SECONDS };

/// Decides until shutdown.
pub async fn run_decider<D: Decider>(service: Service) {
    let standing = Standing::default();
    let lag = tokio::spawn(measure(&GAUGES, D::NAME.to_owned(), standing.clone(), service.clone()));
    hold(D::NAME, &service, || session::<D>(&service, &standing)).await;
    lag.abort();
}

async fn session<D: Decider>(service: &Service, standing: &Standing) -> Result<(), SessionError> {
    let transactions = Transactions::begin::<D>(service).await?;
    let options = ReaderOptions {
        service: D::NAME.to_owned(),
        topics: D::Input::topics().iter().map(|topic| topic.name).collect(),
        max_batch_records: MAX_BATCH_RECORDS,
        assignment: Assignment::CoPartitioned,
    };
    let mut reader = Reader::start(&service.wire, &options)?;
    let mut session = Session::<D> {
        service,
        standing,
        transactions: Some(transactions),
        states: States::new(),
        restored: HashMap::new(),
        unwritten: BTreeSet::new(),
        next: HashMap::new(),
        led_to: HashMap::new(),
        halted: HashMap::new(),
    };
    let ended = session.follow(&mut reader).await;
    reader.close().await;
    ended
}

struct Session<'a, D: Decider> {
    service: &'a Service,
    standing: &'a Standing,
    /// None only while one is under way, and after one failed.
    transactions: Option<Transactions>,
    states: States<D>,
    /// Up to where each partition of the changelog is in `states`.
    restored: HashMap<i32, i64>,
    /// States that were made anew and wait for the next transaction.
    unwritten: BTreeSet<(i32, String)>,
    /// The position of every partition that is ours and not halted.
    next: HashMap<TopicPartition, i64>,
    /// Where what was read of a partition has led to.
    led_to: HashMap<TopicPartition, LedTo>,
    halted: HashMap<TopicPartition, String>,
}

impl<D: Decider> Session<'_, D> {
    const NAME: &'static str = D::NAME;

    async fn follow(&mut self, reader: &mut Reader) -> Result<(), SessionError> {
        loop {
            let until_due = self.until_due();
            let event = tokio::select! {
                // A transaction that is under way is always finished first: shutdown is looked at in between.
                biased;
                () = self.service.shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep(until_due.unwrap_or_default()), if until_due.is_some() => {
                    self.wake(reader).await?;
                    continue;
                }
                event = reader.next() => event.ok_or(SessionError::ReaderEnded)?,
            };
            match event {
                ReaderEvent::Assigned { partitions, start } => {
                    let positions = self.assigned(&partitions, reader).await?;
                    // The reader may be gone by now; then the next event says so.
                    let _ = start.send(positions);
                    self.report_health();
                }
                ReaderEvent::Revoked { partitions, settled } => {
                    for partition in &partitions {
                        self.next.remove(partition);
                        self.halted.remove(partition);
                        self.standing.forget(*partition);
                    }
                    let _ = settled.send(());
                    self.report_health();
                }
                ReaderEvent::Batch(batch) => {
                    let span =
                        foldstream_telemetry::info_span!("decide", processor = Self::NAME, records = batch.len());
                    let traces = batch.records().take(32).filter_map(|record| record.header);
                    traces.for_each(|trace| add_link(&span, trace));
                    // A time that has come goes first: after a restart a key is parked again before its next input.
                    self.wake(reader).await?;
                    self.take(batch, reader).instrument(span).await?;
                }
                ReaderEvent::Failed(error) => return Err(error.into()),
            }
        }
    }

    /// In this order; the module's text says why.
    async fn assigned(
        &mut self,
        partitions: &[TopicPartition],
        reader: &Reader,
    ) -> Result<Vec<(TopicPartition, i64)>, SessionError> {
        let committed = tokio::task::block_in_place(|| reader.committed(partitions))?;
        let numbers: BTreeSet<i32> = partitions.iter().map(|partition| partition.partition).collect();
        self.states.retain(|partition| numbers.contains(&partition));
        self.restored.retain(|partition, _| numbers.contains(partition));
        self.unwritten.retain(|(partition, _)| numbers.contains(partition));
        let started = Instant::now();
        for partition in numbers {
            let from = self.restored.get(&partition).copied().unwrap_or(0);
            let restore = restore(self.service, &mut self.states, partition, from);
            let restored = self.service.shutdown.run_until_cancelled(restore).await.ok_or(SessionError::Stopping)??;
            self.restored.insert(partition, restored.next_offset);
            self.unwritten.extend(restored.unwritten.into_iter().map(|key| (partition, key)));
        }
        let keys = self.states.len();
        let seconds = started.elapsed().as_secs_f64();
        metrics::histogram!(names::PROCESSOR_RESTORE_SECONDS, "processor" => Self::NAME).record(seconds);
        foldstream_telemetry::info!(
            processor = Self::NAME,
            partitions = partitions.len(),
            keys,
            seconds,
            "state restored"
        );
        let mut positions = Vec::with_capacity(partitions.len());
        for (partition, committed) in committed {
            // A group that never committed starts with the oldest record there is.
            let start = match &committed {
                Some(committed) => committed.next_offset,
                None => self.oldest(partition).await?,
            };
            self.led_to.insert(partition, committed.unwrap_or_default().led_to);
            self.next.insert(partition, start);
            self.halted.remove(&partition);
            self.standing.set(partition, start, None);
            positions.push((partition, start));
        }
        Ok(positions)
    }

    async fn oldest(&self, partition: TopicPartition) -> Result<i64, SessionError> {
        let ranges = self.service.browser.ranges(partition.topic).await?;
        Ok(ranges.into_iter().find(|range| range.partition == partition.partition).map_or(0, |range| range.low))
    }

    async fn take(&mut self, batch: Batch, reader: &Reader) -> Result<(), SessionError> {
        let schemas = schemas(&self.service.registry, &batch, &mut self.waiting()).await?;
        let (batch, entries) = decode_off_thread::<D::Input>(batch, schemas).await?;
        let decided = self.states.decide(&entries, &self.next, &batch.ends);
        for (partition, reason) in &decided.halted {
            foldstream_telemetry::error!(
                processor = Self::NAME,
                error.message = reason,
                "partition halted; nothing is skipped"
            );
            reader.pause(*partition)?;
            self.halted.insert(*partition, reason.clone());
        }
        let letters = dead_letters(&self.service.browser, &decided.dead, &batch, &mut self.waiting()).await?;
        for letter in &letters {
            let topic = letter.partition.topic;
            metrics::counter!(names::DEAD_LETTERS_TOTAL, "service" => Self::NAME, "topic" => topic).increment(1);
            foldstream_telemetry::warn!(
                processor = Self::NAME,
                kafka.topic = topic,
                kafka.partition = letter.partition.partition,
                kafka.offset = letter.offset,
                reason = letter.reason,
                "dead letter"
            );
        }
        self.commit(decided, letters, reader).await?;
        let halted = &self.halted;
        self.next.retain(|partition, _| !halted.contains_key(partition));
        self.report_health();
        Ok(())
    }

    /// Fires every timer whose time has come.
    async fn wake(&mut self, reader: &Reader) -> Result<(), SessionError> {
        let now = Utc::now();
        while !self.next.is_empty() && self.states.next_due().is_some_and(|due| due <= now) {
            let mut decided = self.states.wake(now, MAX_BATCH_RECORDS);
            for (place, reason) in std::mem::take(&mut decided.parked) {
                foldstream_telemetry::error!(
                    processor = Self::NAME,
                    kafka.partition = place.0,
                    key = place.1,
                    error.message = reason,
                    "key parked; the others go on"
                );
                self.states.park(place, reason);
            }
            self.commit(decided, Vec::new(), reader).await?;
            self.report_health();
        }
        Ok(())
    }

    async fn commit(
        &mut self,
        mut decided: Decided<D>,
        dead_letters: Vec<crate::DeadLetter>,
        reader: &Reader,
    ) -> Result<(), SessionError> {
        if decided.is_empty() {
            return Ok(());
        }
        // States that were made anew are written with whatever comes first, once.
        for place in std::mem::take(&mut self.unwritten) {
            let state = self.states.get(&place);
            decided.states.entry(place).or_insert(state);
        }
        // Where nothing moves, as when a timer fires, the offsets are sent as they are: they are the fence.
        let moving = |(partition, next): (&TopicPartition, &i64)| {
            let led_to = self.led_to.get(partition).cloned().unwrap_or_default();
            (*partition, Committed { next_offset: *next, led_to })
        };
        let offsets = match decided.next.is_empty() {
            true => self.next.iter().map(moving).collect(),
            false => decided.next.iter().map(moving).collect(),
        };
        let membership = reader.membership().ok_or(SessionError::ReaderEnded)?;
        let frame = Frame { dead_letters, offsets, membership };
        let started = Instant::now();
        let transactions = self.transactions.take().ok_or(SessionError::TransactionStuck)?;
        let (transactions, decided, committed) = transactions.commit(decided, frame).await?;
        self.transactions = Some(transactions);
        self.led_to.extend(committed.into_iter().map(|(partition, committed)| (partition, committed.led_to)));
        metrics::histogram!(names::PROCESSOR_TRANSACTION_SECONDS, "processor" => Self::NAME)
            .record(started.elapsed().as_secs_f64());
        metrics::histogram!(names::PROCESSOR_BATCH_RECORDS, "processor" => Self::NAME).record(count(decided.inputs));
        metrics::counter!(names::PROCESSOR_RECORDS_TOTAL, "processor" => Self::NAME).increment(decided.inputs as u64);
        for (place, state) in decided.states {
            self.states.set(place, Some(state));
        }
        for (partition, next) in decided.next {
            let appended_at_ms = decided.appended_at_ms.get(&partition).copied();
            self.next.insert(partition, next);
            self.standing.set(partition, next, appended_at_ms);
            if let Some(appended_at_ms) = appended_at_ms {
                metrics::histogram!(names::PROCESSOR_DECIDED_SECONDS, "processor" => Self::NAME)
                    .record(seconds_since(appended_at_ms));
            }
        }
        Ok(())
    }

    /// How long until the next timer; none where there is none, or nothing to fence it with.
    fn until_due(&self) -> Option<Duration> {
        let due = self.states.next_due().filter(|_| !self.next.is_empty())?;
        Some((due - Utc::now()).to_std().unwrap_or(Duration::ZERO))
    }

    fn waiting(&self) -> Waiting<'_> {
        Waiting::new(Self::NAME, &self.service.component, &self.service.shutdown)
    }

    fn report_health(&self) {
        let parked = self.states.parked();
        metrics::gauge!(names::PROCESSOR_PARKED_KEYS, "processor" => Self::NAME).set(count(parked.len()));
        let parked = parked.iter().next().map(|((partition, key), reason)| {
            format!("{} keys are parked; one is {key} in partition {partition}: {reason}", parked.len())
        });
        let reason = self.halted.values().min().cloned().or(parked);
        self.service.component.set(reason.map_or(Status::Ready, |reason| Status::Degraded { reason }));
    }
}

#[expect(clippy::cast_precision_loss, reason = "a histogram takes floats")]
fn count(number: usize) -> f64 {
    number as f64
}
