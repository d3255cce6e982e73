//! A session of an effect: from taking the transactional id over to the first thing it cannot settle itself.

use super::{
    contract::Effect,
    deliveries::{Clock, Deliveries, Item, Settled, Work},
    lane::Lane,
    progress::Progress,
};
use crate::{
    dead_letter::{DeadLetter, refused},
    decoding::{Decoded, decode_off_thread},
    fetching::{headers, schemas},
    lag::{Gauges, Standing, measure},
    sessions::{Service, SessionError, run_sessions},
    waiting::Waiting,
};
use chrono::Utc;
use foldstream_log::{
    Assignment, Batch, Cause, Noted, Reader, ReaderEvent, ReaderOptions, TopicPartition, TransactionError,
    TransactionalOptions, TransactionalWriter,
};
use foldstream_log::{DeadLettersEvent, TopicEvent};
use foldstream_telemetry::{health::Status, names};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    num::NonZeroUsize,
    sync::Arc,
    time::Duration,
};
use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::{Instant, sleep_until, timeout_at},
};

const MAX_BATCH_RECORDS: usize = 500;
/// How soon progress is committed that nobody waits for: how far a partition was read, how often a record was tried.
const COMMIT_EVERY: Duration = Duration::from_secs(1);
/// How long deliveries that are out may take to come back when partitions are given up: a rebalance waits for it.
const COMING_BACK: Duration = Duration::from_secs(5);
/// How long a transaction may take with everything that belongs to it.
const STUCK_AFTER: Duration = Duration::from_secs(90);
const GAUGES: Gauges = Gauges {
    label: "effect",
    records: names::EFFECT_LAG_RECORDS,
    seconds: names::EFFECT_LAG_SECONDS,
    held_back_seconds: names::EFFECT_HELD_BACK_SECONDS,
};

/// Delivers until shutdown, at most so many records at once.
pub async fn run_effect<F: Effect>(service: Service, effect: F, at_once: NonZeroUsize) {
    let standing = Standing::default();
    let lag = tokio::spawn(measure(&GAUGES, F::NAME.to_owned(), standing.clone(), service.clone()));
    let effect = Arc::new(effect);
    run_sessions(F::NAME, &service, || session(&service, &effect, at_once, &standing)).await;
    lag.abort();
}

async fn session<F: Effect>(
    service: &Service,
    effect: &Arc<F>,
    at_once: NonZeroUsize,
    standing: &Standing,
) -> Result<(), SessionError> {
    let writer = take_over::<F>(service).await?;
    let options = ReaderOptions {
        service: F::NAME.to_owned(),
        topics: F::Event::topics().iter().map(|topic| topic.name).collect(),
        max_batch_records: MAX_BATCH_RECORDS,
        assignment: Assignment::CoPartitioned,
    };
    let mut reader = Reader::start(&service.wire, &options)?;
    let mut session = Session::<F> {
        service,
        standing,
        writer: Some(writer),
        under_way: None,
        deliveries: Deliveries::new(effect.clone(), at_once, Clock::start(Utc::now().timestamp_millis())),
        committed: HashMap::new(),
        committed_at: Instant::now(),
        halted: HashMap::new(),
        paused: HashSet::new(),
    };
    let ended = session.follow(&mut reader).await;
    reader.close().await;
    ended
}

/// Takes the transactional id over; what its last holder left open is settled when this returns.
async fn take_over<F: Effect>(service: &Service) -> Result<TransactionalWriter, SessionError> {
    let mut record_types = F::Answer::record_types();
    record_types.extend(DeadLettersEvent::record_types());
    let options = TransactionalOptions {
        source: F::NAME,
        transactional_id: format!("foldstream-{}-{}", F::NAME, service.wire.instance),
        record_types,
        linger_ms: 0,
    };
    let writer = TransactionalWriter::connect(&service.wire, &service.registry, options).await?;
    Ok(spawn_blocking(move || writer.fence().map(|()| writer)).await??)
}

/// A transaction that is under way, while deliveries go on.
struct UnderWay {
    moved: BTreeMap<TopicPartition, Progress>,
    began: Instant,
    transaction: JoinHandle<Result<TransactionalWriter, TransactionError>>,
}

/// What came of the transaction that is under way; never where none is. May be given up and called again.
async fn ended(under_way: &mut Option<UnderWay>) -> Result<TransactionalWriter, SessionError> {
    let Some(UnderWay { began, transaction, .. }) = under_way else { return std::future::pending().await };
    let ended = timeout_at(*began + STUCK_AFTER, transaction).await;
    Ok(ended.map_err(|_| SessionError::TransactionStuck)???)
}

struct Session<'a, F: Effect> {
    service: &'a Service,
    standing: &'a Standing,
    /// None only while a transaction is under way, and after one failed.
    writer: Option<TransactionalWriter>,
    under_way: Option<UnderWay>,
    deliveries: Deliveries<F>,
    /// The progress of every partition that is ours, as it is committed.
    committed: HashMap<TopicPartition, Progress>,
    committed_at: Instant,
    halted: HashMap<TopicPartition, String>,
    /// Partitions that are not read because there is no room.
    paused: HashSet<TopicPartition>,
}

impl<F: Effect> Session<'_, F> {
    async fn follow(&mut self, reader: &mut Reader) -> Result<(), SessionError> {
        loop {
            self.deliveries.start();
            if self.deliveries.has_settled() && self.under_way.is_none() {
                self.begin_commit(reader).await?;
            }
            let event = tokio::select! {
                () = self.service.shutdown.cancelled() => return self.come_back(reader).await,
                committed = ended(&mut self.under_way) => {
                    self.finish_commit(committed, reader)?;
                    continue;
                }
                () = self.deliveries.next() => continue,
                () = sleep_until(self.committed_at + COMMIT_EVERY), if self.under_way.is_none() => {
                    self.begin_commit(reader).await?;
                    continue;
                }
                event = reader.next() => event.ok_or(SessionError::ReaderEnded)?,
            };
            match event {
                ReaderEvent::Assigned { partitions, start } => {
                    let positions = self.assigned(&partitions, reader).await?;
                    // The reader may be gone by now; then the next event says so.
                    let _ = start.send(positions);
                }
                ReaderEvent::Revoked { partitions, settled } => {
                    self.come_back(reader).await?;
                    for partition in partitions {
                        self.deliveries.give_up(partition);
                        self.committed.remove(&partition);
                        self.halted.remove(&partition);
                        self.paused.remove(&partition);
                        self.standing.forget(partition);
                    }
                    let _ = settled.send(());
                }
                ReaderEvent::Batch(batch) => self.take(batch, reader).await?,
                ReaderEvent::Failed(error) => return Err(error.into()),
            }
            self.make_room(reader)?;
            self.report();
        }
    }

    async fn assigned(
        &mut self,
        partitions: &[TopicPartition],
        reader: &Reader,
    ) -> Result<Vec<(TopicPartition, i64)>, SessionError> {
        let noted = tokio::task::block_in_place(|| reader.noted(partitions))?;
        let mut positions = Vec::with_capacity(noted.len());
        for (partition, noted) in noted {
            let progress = match noted {
                Some(noted) => Progress::of(&noted),
                // A group that never committed starts with the oldest record there is.
                None => Progress::at(self.oldest(partition).await?),
            };
            if !progress.open.is_empty() {
                foldstream_telemetry::info!(
                    effect = F::NAME,
                    kafka.topic = partition.topic,
                    kafka.partition = partition.partition,
                    open_keys = progress.open.len(),
                    records = progress.reached - progress.next_offset,
                    "goes on with what is not settled"
                );
            }
            positions.push((partition, progress.next_offset));
            self.standing.set(partition, progress.next_offset, None);
            self.deliveries.resume(partition, progress.clone());
            self.committed.insert(partition, progress);
        }
        Ok(positions)
    }

    async fn oldest(&self, partition: TopicPartition) -> Result<i64, SessionError> {
        let ranges = self.service.brokers.ranges_of(partition.topic).await?;
        Ok(ranges.get(&partition.partition).map_or(0, |range| range.low))
    }

    async fn take(&mut self, batch: Batch, reader: &Reader) -> Result<(), SessionError> {
        let schemas = schemas(&self.service.registry, &batch, &mut self.waiting()).await?;
        let (batch, entries) = decode_off_thread::<F::Event>(batch, schemas).await?;
        for entry in entries {
            let Some(raw) = batch.record(entry.index).filter(|_| !self.halted.contains_key(&entry.partition)) else {
                continue;
            };
            let work = match entry.decoded {
                Decoded::Event(record) => Work::Deliver(record),
                Decoded::Poison(reason) => Work::Refuse(reason),
                Decoded::Unknown(reason) => {
                    let reason = format!("{}:{}: {reason}", entry.partition, entry.offset);
                    foldstream_telemetry::error!(
                        effect = F::NAME,
                        error.message = reason,
                        "partition halted; nothing is skipped"
                    );
                    reader.pause(entry.partition)?;
                    self.halted.insert(entry.partition, reason);
                    continue;
                }
            };
            self.deliveries.take(Item {
                partition: entry.partition,
                offset: entry.offset,
                appended_at_ms: entry.appended_at_ms,
                key: raw.key.map(<[u8]>::to_vec),
                value: raw.value.map(<[u8]>::to_vec),
                traceparent: entry.header,
                work,
            });
        }
        for end in batch.ends.iter().filter(|end| !self.halted.contains_key(&end.partition)) {
            self.deliveries.stand(end.partition, end.next_offset);
        }
        // A reader that was kept waiting for long resumes everything afterwards.
        for end in batch.ends.iter().filter(|end| self.paused.contains(&end.partition)) {
            reader.pause(end.partition)?;
        }
        Ok(())
    }

    /// Reads on where there is room, and no further where there is none.
    fn make_room(&mut self, reader: &Reader) -> Result<(), SessionError> {
        for (partition, lane) in self.deliveries.lanes() {
            if self.halted.contains_key(&partition) {
                continue;
            }
            if lane.is_full() && self.paused.insert(partition) {
                reader.pause(partition)?;
            } else if !lane.is_full() && self.paused.remove(&partition) {
                reader.resume(partition)?;
            }
        }
        Ok(())
    }

    /// Waits a while for what is out, starts nothing more, and commits what came of it.
    async fn come_back(&mut self, reader: &Reader) -> Result<(), SessionError> {
        let deadline = Instant::now() + COMING_BACK;
        while self.deliveries.is_any_out() && timeout_at(deadline, self.deliveries.back()).await.is_ok() {}
        self.end_commit(reader).await?;
        self.begin_commit(reader).await?;
        self.end_commit(reader).await
    }

    /// Begins to commit what came back, and how far every partition is; where nothing moved, nothing.
    async fn begin_commit(&mut self, reader: &Reader) -> Result<(), SessionError> {
        self.committed_at = Instant::now();
        let (settled, progress) = self.deliveries.commit();
        let moved: BTreeMap<TopicPartition, Progress> =
            progress.into_iter().filter(|(partition, now)| self.committed.get(partition) != Some(now)).collect();
        if moved.is_empty() {
            return Ok(());
        }
        let letters = self.letters(&settled).await?;
        let membership = reader.membership().ok_or(SessionError::ReaderEnded)?;
        let offsets: Vec<(TopicPartition, Noted)> =
            moved.iter().map(|(partition, progress)| (*partition, progress.note())).collect();
        let mut writer = self.writer.take().ok_or(SessionError::TransactionStuck)?;
        let transaction = spawn_blocking(move || {
            writer.begin()?;
            for (answer, cause) in &settled.answers {
                writer.append(answer, cause)?;
            }
            for (letter, cause) in &letters {
                writer.append(letter, cause)?;
            }
            writer.note_offsets(offsets, &membership)?;
            writer.commit()?;
            Ok(writer)
        });
        self.under_way = Some(UnderWay { moved, began: Instant::now(), transaction });
        Ok(())
    }

    /// Waits for the transaction that is under way, where one is.
    async fn end_commit(&mut self, reader: &Reader) -> Result<(), SessionError> {
        if self.under_way.is_some() {
            let committed = ended(&mut self.under_way).await;
            self.finish_commit(committed, reader)?;
        }
        Ok(())
    }

    fn finish_commit(
        &mut self,
        committed: Result<TransactionalWriter, SessionError>,
        reader: &Reader,
    ) -> Result<(), SessionError> {
        self.writer = Some(committed?);
        if let Some(UnderWay { moved, began, .. }) = self.under_way.take() {
            metrics::histogram!(names::EFFECT_TRANSACTION_SECONDS, "effect" => F::NAME)
                .record(began.elapsed().as_secs_f64());
            self.committed.extend(moved);
        }
        self.deliveries.committed();
        self.make_room(reader)?;
        self.report();
        Ok(())
    }

    /// What is put aside, as records: with the headers, which are read again from the topic.
    async fn letters(
        &self,
        settled: &Settled<F::Event, F::Answer>,
    ) -> Result<Vec<(DeadLettersEvent, Cause)>, SessionError> {
        let mut letters = Vec::with_capacity(settled.dead.len());
        for (item, reason) in &settled.dead {
            let TopicPartition { topic, partition } = item.partition;
            metrics::counter!(names::DEAD_LETTERS_TOTAL, "service" => F::NAME, "topic" => topic).increment(1);
            foldstream_telemetry::warn!(
                effect = F::NAME,
                kafka.topic = topic,
                kafka.partition = partition,
                kafka.offset = item.offset,
                reason,
                "dead letter"
            );
            let letter = DeadLetter {
                partition: item.partition,
                offset: item.offset,
                appended_at_ms: item.appended_at_ms,
                key: item.key.clone(),
                value: item.value.clone(),
                headers: headers(&self.service.brokers, item.partition, item.offset, &mut self.waiting()).await?,
                reason: reason.clone(),
            };
            let origin = item.position();
            let refused = refused(F::NAME, &letter, &origin);
            letters.push((refused, Cause { position: Some(origin), ..Cause::default() }));
        }
        Ok(letters)
    }

    fn waiting(&self) -> Waiting<'_> {
        Waiting::new(F::NAME, &self.service.component, &self.service.shutdown)
    }

    fn report(&self) {
        let open_keys: usize = self.deliveries.lanes().map(|(_, lane)| lane.open_keys()).sum();
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        metrics::gauge!(names::EFFECT_OPEN_KEYS, "effect" => F::NAME).set(open_keys as f64);
        for (partition, progress) in &self.committed {
            let lane = self.deliveries.lanes().find(|(other, _)| other == partition);
            let oldest = lane.and_then(|(_, lane)| lane.oldest()).map(|item| item.appended_at_ms);
            self.standing.set(*partition, progress.next_offset, oldest);
        }
        let full = self.deliveries.lanes().find(|(_, lane): &(_, &Lane<_>)| lane.is_full());
        let full = full.map(|(partition, lane)| {
            format!("{partition} is read no further: {} of its keys wait for the outside", lane.open_keys())
        });
        let reason = self.halted.values().min().cloned().or(full);
        self.service.component.set(reason.map_or(Status::Ready, |reason| Status::Degraded { reason }));
    }
}
