//! A session of a projection: from joining the group to the first thing it cannot settle itself.

use super::{
    contract::{Commit, ParkedRecord, Projection, Step, Store, StoreError, name_of_version},
    folding::{Before, Folded, Parked, fold},
    parking::{Behind, KeyChange, ParkedKeys},
};
use crate::{
    decoding::{Entry, decode_off_thread},
    fetching::{dead_letters, schemas},
    lag::{Gauges, Standing, measure, seconds_since},
    sessions::{Service, SessionError, chain, run_sessions},
    waiting::Waiting,
};
use foldstream_log::TopicEvent;
use foldstream_log::{Assignment, Batch, PartitionEnd, Reader, ReaderEvent, ReaderOptions, TopicPartition};
use foldstream_telemetry::{health::Status, names, trace_context::add_link};
use std::{
    collections::{HashMap, HashSet},
    error::Error,
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};
use tracing::Instrument;

/// A transaction takes at most this many records: large enough that its fixed cost does not count.
const MAX_BATCH_RECORDS: usize = 20_000;
const HINT_EVERY: Duration = Duration::from_secs(1);
const GAUGES: Gauges = Gauges {
    label: "projection",
    records: names::PROJECTION_LAG_RECORDS,
    seconds: names::PROJECTION_LAG_SECONDS,
    held_back_seconds: names::PROJECTION_HELD_BACK_SECONDS,
};

/// Folds until shutdown, as a member of the group of this version of the projection.
pub async fn run_projection<P, S>(service: Service, store: S)
where
    P: Projection,
    S: Store<P::Changes>,
{
    let standing = Standing::default();
    let name = name_of_version(P::NAME, store.version());
    let lag = tokio::spawn(measure(&GAUGES, name.clone(), standing.clone(), service.clone()));
    let store = Arc::new(store);
    run_sessions(&name, &service, || session::<P, S>(&service, &store, &standing)).await;
    lag.abort();
}

async fn session<P, S>(service: &Service, store: &Arc<S>, standing: &Standing) -> Result<(), SessionError>
where
    P: Projection,
    S: Store<P::Changes>,
{
    let options = ReaderOptions {
        service: name_of_version(P::NAME, store.version()),
        topics: P::Event::topics().iter().map(|topic| topic.name).collect(),
        max_batch_records: MAX_BATCH_RECORDS,
        assignment: Assignment::Balanced,
    };
    let reader = Reader::start(&service.wire, &options)?;
    fold_from::<P, S>(service, store, standing, reader).await
}

/// Folds what a reader gives, to its end or the first thing that cannot be settled here.
pub(super) async fn fold_from<P, S>(
    service: &Service,
    store: &Arc<S>,
    standing: &Standing,
    mut reader: Reader,
) -> Result<(), SessionError>
where
    P: Projection,
    S: Store<P::Changes>,
{
    let mut session = Session::<P, S> {
        service,
        store: store.clone(),
        standing,
        next: HashMap::new(),
        halted: HashMap::new(),
        parked: ParkedKeys::default(),
        hinted: Instant::now(),
        looked: Instant::now(),
        fold: std::marker::PhantomData,
    };
    let ended = session.follow(&mut reader).await;
    session.hint(&reader);
    reader.close().await;
    ended
}

pub(super) struct Session<'a, P: Projection, S> {
    pub(super) service: &'a Service,
    pub(super) store: Arc<S>,
    standing: &'a Standing,
    /// The position of every partition that is ours and not halted.
    pub(super) next: HashMap<TopicPartition, i64>,
    halted: HashMap<TopicPartition, String>,
    /// The keys that wait behind a dead letter in the partitions that are ours.
    pub(super) parked: ParkedKeys,
    hinted: Instant,
    /// When it was last looked whether something is asked about dead letters.
    pub(super) looked: Instant,
    fold: std::marker::PhantomData<P>,
}

impl<P, S> Session<'_, P, S>
where
    P: Projection,
    S: Store<P::Changes>,
{
    pub(super) const NAME: &'static str = P::NAME;

    async fn follow(&mut self, reader: &mut Reader) -> Result<(), SessionError> {
        let mut hints = tokio::time::interval(HINT_EVERY);
        hints.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            self.serve_requests().await?;
            let event = tokio::select! {
                // A batch that is being written is always finished first: shutdown is looked at between batches.
                biased;
                () = self.service.shutdown.cancelled() => return Ok(()),
                event = reader.next() => event.ok_or(SessionError::ReaderEnded)?,
                _ = hints.tick() => {
                    self.hint(reader);
                    continue;
                }
            };
            match event {
                ReaderEvent::Assigned { partitions, start } => {
                    let positions = self.positions(&partitions).await?;
                    foldstream_telemetry::info!(
                        projection = Self::NAME,
                        partitions = partitions.len(),
                        "partitions assigned"
                    );
                    for (partition, offset) in &positions {
                        self.next.insert(*partition, *offset);
                        self.halted.remove(partition);
                        self.standing.set(*partition, *offset, None);
                    }
                    // After the positions: whatever is parked later moves one of them, and this owner is refused.
                    self.load_parked().await?;
                    // The reader may be gone by now; then the next event says so.
                    let _ = start.send(positions);
                    self.report_health();
                }
                ReaderEvent::Revoked { partitions, settled } => {
                    for partition in &partitions {
                        self.next.remove(partition);
                        self.halted.remove(partition);
                        self.parked.forget(*partition);
                        self.standing.forget(*partition);
                    }
                    self.show_parked();
                    let _ = settled.send(());
                    self.report_health();
                }
                ReaderEvent::Batch(batch) => {
                    let span = foldstream_telemetry::info_span!("fold", projection = Self::NAME, records = batch.len());
                    batch.records().filter_map(|record| record.header).for_each(|trace| add_link(&span, trace));
                    self.take(batch, reader).instrument(span).await?;
                }
                ReaderEvent::Failed(error) => return Err(error.into()),
            }
        }
    }

    /// Decodes a batch and writes it: whole if the store takes it, in halves down to the one bad event if not.
    async fn take(&mut self, batch: Batch, reader: &Reader) -> Result<(), SessionError> {
        metrics::histogram!(names::PROJECTION_BATCH_RECORDS, "projection" => Self::NAME).record(count(batch.len()));
        let schemas = schemas(&self.service.registry, &batch, &mut self.waiting()).await?;
        let (batch, entries) = decode_off_thread::<P::Event>(batch, schemas).await?;
        // Ranges still to be written, the first one on top.
        let mut ranges = vec![Range { start: 0, end: entries.len() }];
        while let Some(range) = ranges.pop() {
            let ends: &[PartitionEnd] = if range.end == entries.len() { &batch.ends } else { &[] };
            let slice = &entries[range.clone()];
            let key_of = |entry: &Entry<P::Event>| batch.record(entry.index).and_then(|record| record.key);
            let folded = self.fold::<P>(slice, key_of, ends).await?;
            match self.write(folded, &batch, reader).await {
                Err(SessionError::Store(StoreError::BadData { .. })) if slice.len() > 1 => {
                    let middle = range.start + slice.len() / 2;
                    ranges.push(middle..range.end);
                    ranges.push(range.start..middle);
                }
                Err(SessionError::Store(StoreError::BadData { code, source })) if slice.len() == 1 => {
                    let reason = refusal(&code, source.as_ref());
                    let mut folded = self.fold::<Refused<P>>(slice, key_of, ends).await?;
                    folded.dead.iter_mut().for_each(|dead| dead.reason.clone_from(&reason));
                    self.write(folded.with(P::Changes::default()), &batch, reader).await?;
                }
                Err(SessionError::Store(StoreError::Unparked { .. })) => {
                    self.load_parked().await?;
                    ranges.push(range);
                }
                other => other?,
            }
        }
        Ok(())
    }

    /// Folds a slice. What cannot be used is held against the keys that ended, which the store knows: nothing of them is
    /// kept, whether the record that ended them came before, or comes in this slice.
    async fn fold<'a, Q>(
        &self,
        slice: &'a [Entry<P::Event>],
        key_of: impl Fn(&'a Entry<P::Event>) -> Option<&'a [u8]> + Copy,
        ends: &[PartitionEnd],
    ) -> Result<Folded<'a, Q::Changes>, SessionError>
    where
        Q: Projection<Event = P::Event>,
    {
        let before = Before { next: &self.next, parked: &self.parked, ended: &HashSet::new() };
        let folded = fold::<Q>(slice, key_of, before, ends);
        let keys = folded.dead_keys();
        if keys.is_empty() {
            return Ok(folded);
        }
        let mut ended: HashSet<Vec<u8>> = self.ended(&keys).await?.into_iter().collect();
        ended.extend(keys.into_iter().filter(|key| folded.erased.iter().any(|erased| erased.as_bytes() == key)));
        if ended.is_empty() {
            return Ok(folded);
        }
        Ok(fold::<Q>(slice, key_of, Before { ended: &ended, ..before }, ends))
    }

    async fn ended(&self, keys: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, SessionError> {
        self.asked(|| self.store.ended(Self::NAME, keys)).await
    }

    /// What the store answers, as soon as it does.
    async fn asked<T, F>(&self, question: impl Fn() -> F) -> Result<T, SessionError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut waiting = self.waiting();
        loop {
            match question().await {
                Err(error @ StoreError::Unavailable { .. }) => waiting.for_store(&error).await?,
                other => return Ok(other?),
            }
        }
    }

    /// One transaction, tried again while the store is away.
    async fn write(
        &mut self,
        folded: Folded<'_, P::Changes>,
        batch: &Batch,
        reader: &Reader,
    ) -> Result<(), SessionError> {
        for (partition, reason) in folded.halted {
            foldstream_telemetry::error!(
                projection = Self::NAME,
                error.message = reason,
                "partition halted; nothing is skipped"
            );
            reader.pause(partition)?;
            self.halted.insert(partition, reason);
        }
        if folded.dropped > 0 {
            let records = folded.dropped;
            foldstream_telemetry::warn!(
                projection = Self::NAME,
                records,
                "records of keys that ended cannot be used, and are not kept"
            );
        }
        if !folded.advances.is_empty() {
            let dead: Vec<_> = folded.dead.into_iter().map(|dead| (dead.index, dead.reason)).collect();
            let commit = Commit {
                changes: folded.changes,
                dead_letters: dead_letters(&self.service.brokers, &dead, batch, &mut self.waiting()).await?,
                parked: folded.parked.iter().filter_map(|parked| parked_record(parked, batch)).collect(),
                released: folded.released.iter().map(|(partition, key)| (*partition, key.to_vec())).collect(),
                erased: folded.erased.into_iter().map(str::to_owned).collect(),
                advances: folded.advances,
            };
            self.commit(&commit).await?;
            self.committed(&commit, &folded.keys, folded.applied);
        }
        let halted = &self.halted;
        self.next.retain(|partition, _| !halted.contains_key(partition));
        self.report_health();
        Ok(())
    }

    async fn commit(&self, commit: &Commit<P::Changes>) -> Result<(), SessionError> {
        let mut waiting = self.waiting();
        loop {
            let started = Instant::now();
            match self.store.commit(Self::NAME, commit).await {
                Ok(()) => {
                    metrics::histogram!(names::PROJECTION_TRANSACTION_SECONDS, "projection" => Self::NAME)
                        .record(started.elapsed().as_secs_f64());
                    return Ok(());
                }
                Err(error @ StoreError::Unavailable { .. }) => waiting.for_store(&error).await?,
                Err(error) => {
                    if matches!(error, StoreError::Fenced { .. }) {
                        metrics::counter!(names::FENCE_REFUSALS_TOTAL, "projection" => Self::NAME).increment(1);
                    }
                    return Err(error.into());
                }
            }
        }
    }

    fn committed(&mut self, commit: &Commit<P::Changes>, keys: &[KeyChange], applied: usize) {
        keys.iter().for_each(|change| self.parked.change(change));
        if !keys.is_empty() {
            self.show_parked();
        }
        for advance in &commit.advances {
            self.next.insert(advance.partition, advance.end);
            self.standing.set(advance.partition, advance.end, advance.appended_at_ms);
            if let Some(appended_at_ms) = advance.appended_at_ms {
                metrics::histogram!(names::PROJECTION_VISIBLE_SECONDS, "projection" => Self::NAME)
                    .record(seconds_since(appended_at_ms));
            }
        }
        metrics::counter!(names::PROJECTION_RECORDS_TOTAL, "projection" => Self::NAME).increment(applied as u64);
        for letter in &commit.dead_letters {
            let topic = letter.partition.topic;
            metrics::counter!(names::DEAD_LETTERS_TOTAL, "service" => Self::NAME, "topic" => topic).increment(1);
            foldstream_telemetry::warn!(
                projection = Self::NAME,
                kafka.topic = letter.partition.topic,
                kafka.partition = letter.partition.partition,
                kafka.offset = letter.offset,
                reason = letter.reason,
                "dead letter"
            );
        }
        foldstream_telemetry::debug!(projection = Self::NAME, applied, "committed");
    }

    async fn positions(&self, partitions: &[TopicPartition]) -> Result<Vec<(TopicPartition, i64)>, SessionError> {
        self.asked(|| self.store.positions(Self::NAME, partitions)).await
    }

    /// Looks anew which keys are parked in the partitions that are ours.
    pub(super) async fn load_parked(&mut self) -> Result<(), SessionError> {
        let partitions: Vec<TopicPartition> = self.next.keys().copied().collect();
        let parked = self.asked(|| self.store.parked(Self::NAME, &partitions)).await?;
        partitions.iter().for_each(|partition| self.parked.forget(*partition));
        for (partition, key) in parked {
            self.parked.change(&KeyChange { partition, key, parked: true });
        }
        self.show_parked();
        Ok(())
    }

    pub(super) fn show_parked(&self) {
        metrics::gauge!(names::PROJECTION_PARKED_KEYS, "projection" => Self::NAME).set(count(self.parked.len()));
    }

    pub(super) fn waiting(&self) -> Waiting<'_> {
        Waiting::new(Self::NAME, &self.service.component, &self.service.shutdown)
    }

    pub(super) fn report_health(&self) {
        let reason = self.halted.values().min().cloned();
        self.service.component.set(reason.map_or(Status::Ready, |reason| Status::Degraded { reason }));
    }

    fn hint(&mut self, reader: &Reader) {
        if self.hinted.elapsed() >= HINT_EVERY / 2 {
            reader.hint_progress(self.next.iter().map(|(partition, offset)| (*partition, *offset)));
            self.hinted = Instant::now();
        }
    }
}

/// The fold of an event that the store refused: the event itself is the dead letter.
struct Refused<P>(std::marker::PhantomData<P>);

impl<P: Projection> Projection for Refused<P> {
    type Event = P::Event;
    type Changes = ();
    const NAME: &'static str = P::NAME;

    fn apply((): &mut (), _: &foldstream_log::Recorded<P::Event>) -> Step {
        Step::DeadLetter(String::new())
    }
}

/// Why the store would not have an event.
pub(super) fn refusal(code: &str, source: &(dyn Error + 'static)) -> String {
    format!("the store refused it (SQLSTATE {code}): {}", chain(source))
}

fn parked_record(parked: &Parked<'_>, batch: &Batch) -> Option<ParkedRecord> {
    let record = batch.record(parked.index)?;
    Some(ParkedRecord {
        partition: record.partition,
        offset: record.offset,
        appended_at_ms: record.timestamp_ms,
        key: record.key?.to_vec(),
        value: record.value.map(<[u8]>::to_vec),
        behind_new: parked.behind == Behind::New,
    })
}

#[expect(clippy::cast_precision_loss, reason = "a histogram takes floats")]
fn count(number: usize) -> f64 {
    number as f64
}
