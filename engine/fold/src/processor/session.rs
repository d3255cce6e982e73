//! A session of a processor: from taking the transactional id over to the first thing it cannot settle itself.

use super::{
    contract::Processor,
    deciding::Decided,
    idle_segments,
    restoring::restore,
    states::States,
    transaction::{Content, Transactions},
};
use crate::{
    dead_letter::DeadLetter,
    decoding::decode_off_thread,
    fetching::{dead_letters, schemas},
    lag::{Gauges, Standing, measure, seconds_since},
    sessions::{Service, SessionError, run_sessions},
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
/// About as many timers, too.
const MAX_BATCH_TIMERS: usize = 2_000;
/// States that are made anew are written by so many at once.
const MAX_TRANSACTION_STATES: usize = 5_000;
const GAUGES: Gauges = Gauges {
    label: "processor",
    records: names::PROCESSOR_LAG_RECORDS,
    seconds: names::PROCESSOR_LAG_SECONDS,
    held_back_seconds: names::PROCESSOR_HELD_BACK_SECONDS,
};

/// Takes inputs and fires timers until shutdown.
pub(crate) async fn run<P: Processor>(service: Service) {
    let standing = Standing::default();
    let lag = tokio::spawn(measure(&GAUGES, P::NAME.to_owned(), standing.clone(), service.clone()));
    let closing = tokio::spawn(idle_segments::close::<P>(service.clone()));
    run_sessions(P::NAME, &service, || session::<P>(&service, &standing)).await;
    lag.abort();
    closing.abort();
}

async fn session<P: Processor>(service: &Service, standing: &Standing) -> Result<(), SessionError> {
    let transactions = Transactions::begin::<P>(service).await?;
    let options = ReaderOptions {
        service: P::NAME.to_owned(),
        topics: P::Input::topics().iter().map(|topic| topic.name).collect(),
        max_batch_records: MAX_BATCH_RECORDS,
        assignment: Assignment::CoPartitioned,
    };
    let mut reader = Reader::start(&service.wire, &options)?;
    let mut session = Session::<P> {
        service,
        standing,
        transactions: Some(transactions),
        states: States::new(),
        restored: HashMap::new(),
        next: HashMap::new(),
        led_to: HashMap::new(),
        halted: HashMap::new(),
        paused: BTreeSet::new(),
    };
    let ended = session.follow(&mut reader).await;
    reader.close().await;
    ended
}

struct Session<'a, P: Processor> {
    service: &'a Service,
    standing: &'a Standing,
    /// None only while one is under way, and after one failed.
    transactions: Option<Transactions>,
    states: States<P>,
    /// Up to where each partition of the changelog is in `states`.
    restored: HashMap<i32, i64>,
    /// The position of every partition that is ours and not halted.
    next: HashMap<TopicPartition, i64>,
    /// Where what was read of a partition has led to.
    led_to: HashMap<TopicPartition, LedTo>,
    halted: HashMap<TopicPartition, String>,
    /// Partitions that wait, in event time, until others have caught up.
    paused: BTreeSet<TopicPartition>,
}

impl<P: Processor> Session<'_, P> {
    const NAME: &'static str = P::NAME;

    async fn follow(&mut self, reader: &mut Reader) -> Result<(), SessionError> {
        loop {
            let until_due = self.until_due();
            let waiting_since = Instant::now();
            let event = tokio::select! {
                // A transaction that is under way is always finished first: shutdown is looked at in between.
                biased;
                () = self.service.shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep(until_due.unwrap_or_default()), if until_due.is_some() => None,
                event = reader.next() => Some(event.ok_or(SessionError::ReaderEnded)?),
            };
            self.note_wait(waiting_since.elapsed());
            let Some(event) = event else {
                self.wake(reader).await?;
                self.hold_together(reader)?;
                continue;
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
                        self.paused.remove(partition);
                        self.states.watermarks.forget(*partition);
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
                    self.take(batch, reader).instrument(span).await?;
                    self.hold_together(reader)?;
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
        let started = Instant::now();
        for partition in numbers {
            let from = self.restored.get(&partition).copied().unwrap_or(0);
            let of_task = committed.iter().filter(|(input, _)| input.partition == partition);
            let taken: Vec<_> =
                of_task.filter_map(|(input, left)| Some((*input, left.as_ref()?.next_offset))).collect();
            let restore = restore(self.service, &mut self.states, partition, from, &taken);
            let reached = self.service.shutdown.run_until_cancelled(restore).await.ok_or(SessionError::Stopping)??;
            self.restored.insert(partition, reached);
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
            let Committed { led_to, event_times, .. } = committed.unwrap_or_default();
            self.led_to.insert(partition, led_to);
            self.states.watermarks.resume(partition, event_times);
            self.next.insert(partition, start);
            self.halted.remove(&partition);
            self.standing.set(partition, start, None);
            positions.push((partition, start));
        }
        Ok(positions)
    }

    async fn oldest(&self, partition: TopicPartition) -> Result<i64, SessionError> {
        let ranges = self.service.brokers.ranges_of(partition.topic).await?;
        Ok(ranges.get(&partition.partition).map_or(0, |range| range.low))
    }

    async fn take(&mut self, batch: Batch, reader: &Reader) -> Result<(), SessionError> {
        let schemas = schemas(&self.service.registry, &batch, &mut self.waiting()).await?;
        let (batch, entries) = decode_off_thread::<P::Input>(batch, schemas).await?;
        let mut rest = entries.as_slice();
        self.write_renewed(reader).await?;
        loop {
            // A time that has come goes first: after a restart a key is parked again before its next input.
            self.wake(reader).await?;
            let decided = self.states.decide(rest, &self.next, &batch.ends, MAX_BATCH_TIMERS);
            rest = &rest[decided.settled..];
            for (partition, reason) in &decided.halted {
                foldstream_telemetry::error!(
                    processor = Self::NAME,
                    error.message = reason,
                    "partition halted; nothing is skipped"
                );
                reader.pause(*partition)?;
                self.states.watermarks.halt(*partition);
                self.halted.insert(*partition, reason.clone());
            }
            let letters = dead_letters(&self.service.brokers, &decided.dead, &batch, &mut self.waiting()).await?;
            self.commit(decided, letters, reader).await?;
            let halted = &self.halted;
            self.next.retain(|partition, _| !halted.contains_key(partition));
            self.report_health();
            if rest.is_empty() {
                break;
            }
        }
        // A reader that was kept waiting for long resumes everything afterwards.
        for end in batch.ends.iter().filter(|end| self.paused.contains(&end.partition)) {
            reader.pause(end.partition)?;
        }
        Ok(())
    }

    /// Fires every timer whose time has come.
    async fn wake(&mut self, reader: &Reader) -> Result<(), SessionError> {
        let now = Utc::now();
        self.write_renewed(reader).await?;
        while !self.next.is_empty() && self.states.is_due(now) {
            let decided = self.states.wake(now, MAX_BATCH_TIMERS);
            self.commit(decided, Vec::new(), reader).await?;
            self.report_health();
        }
        Ok(())
    }

    async fn commit(
        &mut self,
        decided: Decided<P>,
        dead_letters: Vec<DeadLetter>,
        reader: &Reader,
    ) -> Result<(), SessionError> {
        report(&decided, &dead_letters);
        if decided.is_empty() {
            return Ok(());
        }
        let Decided { facts, next, appended_at_ms, inputs, .. } = decided;
        // Where nothing moves, as when a timer fires, the offsets are sent as they are: they are the fence.
        let offsets = match next.is_empty() {
            true => self.offsets(&self.next),
            false => self.offsets(&next),
        };
        let states = self.states.take_unwritten(usize::MAX);
        let membership = reader.membership().ok_or(SessionError::ReaderEnded)?;
        self.transact(Content { facts, states, dead_letters, offsets, membership }).await?;
        metrics::histogram!(names::PROCESSOR_BATCH_RECORDS, "processor" => Self::NAME).record(count(inputs));
        metrics::counter!(names::PROCESSOR_RECORDS_TOTAL, "processor" => Self::NAME).increment(inputs as u64);
        for (partition, next) in next {
            let appended_at_ms = appended_at_ms.get(&partition).copied();
            self.next.insert(partition, next);
            self.standing.set(partition, next, appended_at_ms);
            if let Some(appended_at_ms) = appended_at_ms {
                metrics::histogram!(names::PROCESSOR_DECIDED_SECONDS, "processor" => Self::NAME)
                    .record(seconds_since(appended_at_ms));
            }
        }
        Ok(())
    }

    /// Writes states that were made anew, in transactions of their own: all of them may be more than one can hold within
    /// its time. What is left over goes with the next one.
    async fn write_renewed(&mut self, reader: &Reader) -> Result<(), SessionError> {
        while !self.next.is_empty() && self.states.unwritten() > MAX_TRANSACTION_STATES {
            let states = self.states.take_unwritten(MAX_TRANSACTION_STATES);
            let membership = reader.membership().ok_or(SessionError::ReaderEnded)?;
            let (facts, dead_letters, offsets) = (Vec::new(), Vec::new(), self.offsets(&self.next));
            self.transact(Content { facts, states, dead_letters, offsets, membership }).await?;
        }
        Ok(())
    }

    /// As they are committed, with all that is noted beside them.
    fn offsets<'n>(
        &self,
        next: impl IntoIterator<Item = (&'n TopicPartition, &'n i64)>,
    ) -> HashMap<TopicPartition, Committed> {
        let committed = |(partition, next): (&TopicPartition, &i64)| {
            let led_to = self.led_to.get(partition).cloned().unwrap_or_default();
            let event_times = self.states.watermarks.times(*partition);
            (*partition, Committed { next_offset: *next, led_to, event_times })
        };
        next.into_iter().map(committed).collect()
    }

    async fn transact(&mut self, content: Content<P>) -> Result<(), SessionError> {
        let started = Instant::now();
        let transactions = self.transactions.take().ok_or(SessionError::TransactionStuck)?;
        let (transactions, committed) = transactions.commit(content).await?;
        self.transactions = Some(transactions);
        self.led_to.extend(committed.into_iter().map(|(partition, committed)| (partition, committed.led_to)));
        metrics::histogram!(names::PROCESSOR_TRANSACTION_SECONDS, "processor" => Self::NAME)
            .record(started.elapsed().as_secs_f64());
        Ok(())
    }

    /// The loop had nothing to do for so long: partitions that were waited for may be idle.
    fn note_wait(&mut self, waited: Duration) {
        self.states.watermarks.wait(waited, &self.paused);
    }

    /// Pauses the partitions whose events are far ahead of the others', until those have caught up.
    fn hold_together(&mut self, reader: &Reader) -> Result<(), SessionError> {
        let ahead = self.states.watermarks.ahead();
        for partition in ahead.difference(&self.paused) {
            reader.pause(*partition)?;
        }
        for partition in self.paused.difference(&ahead).filter(|partition| !self.halted.contains_key(partition)) {
            reader.resume(*partition)?;
        }
        self.paused = ahead;
        metrics::gauge!(names::PROCESSOR_PAUSED_PARTITIONS, "processor" => Self::NAME).set(count(self.paused.len()));
        Ok(())
    }

    /// How long until the next timer, or until a partition counts as idle; none where there is nothing to wait for, or
    /// nothing to fence it with.
    fn until_due(&self) -> Option<Duration> {
        if self.next.is_empty() {
            return None;
        }
        let due = self.states.next_due().map(|due| (due - Utc::now()).to_std().unwrap_or(Duration::ZERO));
        due.into_iter().chain(self.states.watermarks.until_idle(&self.paused)).min()
    }

    fn waiting(&self) -> Waiting<'_> {
        Waiting::new(Self::NAME, &self.service.component, &self.service.shutdown)
    }

    fn report_health(&self) {
        let keys = self.states.parked().count();
        metrics::gauge!(names::PROCESSOR_PARKED_KEYS, "processor" => Self::NAME).set(count(keys));
        let parked = self.states.parked().next().map(|(partition, key, reason)| {
            format!("{keys} keys are parked; one is {key} in partition {partition}: {reason}")
        });
        let reason = self.halted.values().min().cloned().or(parked);
        self.service.component.set(reason.map_or(Status::Ready, |reason| Status::Degraded { reason }));
    }
}

/// Says what is put aside.
fn report<P: Processor>(decided: &Decided<P>, dead_letters: &[DeadLetter]) {
    for letter in dead_letters {
        let topic = letter.partition.topic;
        metrics::counter!(names::DEAD_LETTERS_TOTAL, "service" => P::NAME, "topic" => topic).increment(1);
        foldstream_telemetry::warn!(
            processor = P::NAME,
            kafka.topic = topic,
            kafka.partition = letter.partition.partition,
            kafka.offset = letter.offset,
            reason = letter.reason,
            "dead letter"
        );
    }
    for (partition, key, reason) in &decided.parked {
        foldstream_telemetry::error!(
            processor = P::NAME,
            kafka.partition = *partition,
            key,
            error.message = reason,
            "key parked; the others go on"
        );
    }
}

#[expect(clippy::cast_precision_loss, reason = "a histogram takes floats")]
fn count(number: usize) -> f64 {
    number as f64
}
