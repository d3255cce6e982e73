//! The loop: a session is one membership in the group, from joining to the first thing it cannot settle itself.

use crate::{
    Commit, Projection, Step, Store, StoreError,
    backoff::{Backoff, Stopping},
    chain,
    decoding::{Entry, Schemas, decode_batch},
    fetching::{dead_letters, schemas},
    folding::{Folded, fold},
    lag::{Standing, measure, seconds_since},
    waiting::Waiting,
};
use foldstream_events::TopicEvent;
use foldstream_telemetry::{
    health::{Component, Status},
    names,
    trace_context::add_link,
};
use foldstream_wire::{
    Batch, Browser, Config, PartitionEnd, Reader, ReaderError, ReaderEvent, ReaderOptions, Registry, TopicPartition,
};
use std::{
    collections::HashMap,
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// A transaction takes at most this many records: large enough that its fixed cost does not count.
const MAX_BATCH_RECORDS: usize = 20_000;
/// How long a service that halted waits before it looks whether it can go on.
const HALT_PAUSE: Duration = Duration::from_secs(30);
const HINT_EVERY: Duration = Duration::from_secs(1);

/// What a projection runs with.
#[derive(Debug, Clone)]
pub struct Service {
    pub wire: Config,
    pub registry: Registry,
    pub browser: Browser,
    /// Its place in the readiness report.
    pub component: Component,
    pub shutdown: CancellationToken,
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
enum SessionError {
    #[error("the service is to stop")]
    Stopping,
    #[error(transparent)]
    Reader(#[from] ReaderError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the reader ended")]
    ReaderEnded,
    #[error("a task was stopped")]
    Task(#[from] tokio::task::JoinError),
}

impl From<Stopping> for SessionError {
    fn from(_: Stopping) -> Self {
        Self::Stopping
    }
}

/// Folds until shutdown. Whatever goes wrong shows in readiness and is tried again; nothing is skipped.
pub async fn run<P, S>(service: Service, store: S)
where
    P: Projection,
    S: Store<P::Changes>,
{
    let standing = Standing::default();
    let projection = P::FLOW.service;
    let topic = P::Event::topic().name;
    let lag =
        tokio::spawn(measure(projection, topic, standing.clone(), service.browser.clone(), service.shutdown.clone()));
    let store = Arc::new(store);
    let restart = || Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
    let mut backoff = restart();
    while !service.shutdown.is_cancelled() {
        let started = Instant::now();
        let error = match session::<P, S>(&service, &store, &standing).await {
            Ok(()) | Err(SessionError::Stopping) => break,
            Err(error) => error,
        };
        let reason = chain(&error);
        service.component.set(Status::Degraded { reason: reason.clone() });
        // A session that lasted is no sign of trouble: start over quickly.
        if started.elapsed() > Duration::from_secs(30) {
            backoff = restart();
        }
        let halted = matches!(
            error,
            SessionError::Store(StoreError::Broken { .. }) | SessionError::Reader(ReaderError::OffsetGone { .. })
        );
        if halted {
            tracing::error!(projection, error.message = reason, "halted; nothing is skipped");
            if service.shutdown.run_until_cancelled(tokio::time::sleep(HALT_PAUSE)).await.is_none() {
                break;
            }
        } else {
            tracing::warn!(projection, error.message = reason, "starting again from the stored positions");
            if backoff.wait(&service.shutdown).await.is_err() {
                break;
            }
        }
    }
    service.component.set(Status::Stopped);
    lag.abort();
}

async fn session<P, S>(service: &Service, store: &Arc<S>, standing: &Standing) -> Result<(), SessionError>
where
    P: Projection,
    S: Store<P::Changes>,
{
    let options = ReaderOptions {
        service: P::FLOW.service,
        topics: vec![P::Event::topic().name],
        max_batch_records: MAX_BATCH_RECORDS,
    };
    let mut reader = Reader::start(&service.wire, &options)?;
    let mut session = Session::<P, S> {
        service,
        store: store.clone(),
        standing,
        next: HashMap::new(),
        halted: HashMap::new(),
        hinted: Instant::now(),
        fold: std::marker::PhantomData,
    };
    let ended = session.follow(&mut reader).await;
    session.hint(&reader);
    reader.close().await;
    ended
}

struct Session<'a, P: Projection, S> {
    service: &'a Service,
    store: Arc<S>,
    standing: &'a Standing,
    /// The position of every partition that is ours and not halted.
    next: HashMap<TopicPartition, i64>,
    halted: HashMap<TopicPartition, String>,
    hinted: Instant,
    fold: std::marker::PhantomData<P>,
}

impl<P, S> Session<'_, P, S>
where
    P: Projection,
    S: Store<P::Changes>,
{
    const NAME: &'static str = P::FLOW.service;

    async fn follow(&mut self, reader: &mut Reader) -> Result<(), SessionError> {
        let mut hints = tokio::time::interval(HINT_EVERY);
        hints.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
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
                    tracing::info!(projection = Self::NAME, partitions = partitions.len(), "partitions assigned");
                    for (partition, offset) in &positions {
                        self.next.insert(*partition, *offset);
                        self.halted.remove(partition);
                        self.standing.set(*partition, *offset, None);
                    }
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
                    let span = tracing::info_span!("fold", projection = Self::NAME, records = batch.len());
                    for traceparent in &batch.traceparents {
                        add_link(&span, traceparent);
                    }
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
        let (batch, entries) = decode_off_thread::<P>(batch, schemas).await?;
        // Ranges still to be written, the first one on top.
        let mut ranges = vec![Range { start: 0, end: entries.len() }];
        while let Some(range) = ranges.pop() {
            let ends: &[PartitionEnd] = if range.end == entries.len() { &batch.ends } else { &[] };
            let slice = &entries[range.clone()];
            let folded = fold::<P>(slice, &self.next, ends);
            match self.write(folded, &batch, reader).await {
                Err(SessionError::Store(StoreError::BadData { .. })) if slice.len() > 1 => {
                    let middle = range.start + slice.len() / 2;
                    ranges.push(middle..range.end);
                    ranges.push(range.start..middle);
                }
                Err(SessionError::Store(StoreError::BadData { code, source })) if slice.len() == 1 => {
                    let reason = format!("the store refused it (SQLSTATE {code}): {}", chain(source.as_ref()));
                    let mut folded = fold::<Refused<P>>(slice, &self.next, ends);
                    folded.dead.iter_mut().for_each(|(_, dead)| dead.clone_from(&reason));
                    let folded = Folded {
                        changes: P::Changes::default(),
                        dead: folded.dead,
                        advances: folded.advances,
                        halted: folded.halted,
                        applied: 0,
                    };
                    self.write(folded, &batch, reader).await?;
                }
                other => other?,
            }
        }
        Ok(())
    }

    /// One transaction, tried again while the store is away.
    async fn write(&mut self, folded: Folded<P::Changes>, batch: &Batch, reader: &Reader) -> Result<(), SessionError> {
        for (partition, reason) in folded.halted {
            tracing::error!(projection = Self::NAME, error.message = reason, "partition halted; nothing is skipped");
            reader.pause(partition)?;
            self.halted.insert(partition, reason);
        }
        if !folded.advances.is_empty() {
            let dead_letters = dead_letters(&self.service.browser, &folded.dead, batch, &mut self.waiting()).await?;
            let commit = Commit { changes: folded.changes, dead_letters, advances: folded.advances };
            self.commit(&commit).await?;
            self.committed(&commit, folded.applied);
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

    fn committed(&mut self, commit: &Commit<P::Changes>, applied: usize) {
        for advance in &commit.advances {
            self.next.insert(advance.partition, advance.end);
            self.standing.set(advance.partition, advance.end, advance.appended_at_ms);
            if let Some(appended_at_ms) = advance.appended_at_ms {
                metrics::histogram!(names::PROJECTION_VISIBLE_SECONDS, "projection" => Self::NAME)
                    .record(seconds_since(appended_at_ms));
            }
        }
        let topic = P::Event::topic().name;
        metrics::counter!(names::PROJECTION_RECORDS_TOTAL, "projection" => Self::NAME, "topic" => topic)
            .increment(applied as u64);
        for letter in &commit.dead_letters {
            metrics::counter!(names::DEAD_LETTERS_TOTAL, "projection" => Self::NAME, "topic" => topic).increment(1);
            tracing::warn!(
                projection = Self::NAME,
                kafka.topic = letter.partition.topic,
                kafka.partition = letter.partition.partition,
                kafka.offset = letter.offset,
                reason = letter.reason,
                "dead letter"
            );
        }
        tracing::debug!(projection = Self::NAME, applied, "committed");
    }

    async fn positions(&self, partitions: &[TopicPartition]) -> Result<Vec<(TopicPartition, i64)>, SessionError> {
        let mut waiting = self.waiting();
        loop {
            match self.store.positions(Self::NAME, partitions).await {
                Err(error @ StoreError::Unavailable { .. }) => waiting.for_store(&error).await?,
                other => return Ok(other?),
            }
        }
    }

    fn waiting(&self) -> Waiting<'_> {
        Waiting::new(Self::NAME, &self.service.component, &self.service.shutdown)
    }

    fn report_health(&self) {
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
    const FLOW: foldstream_events::Flow = P::FLOW;

    fn apply((): &mut (), _: &foldstream_wire::Recorded<P::Event>) -> Step {
        Step::DeadLetter(String::new())
    }
}

/// Decodes where the runtime is not held up by it.
async fn decode_off_thread<P: Projection>(
    batch: Batch,
    schemas: Schemas,
) -> Result<(Batch, Vec<Entry<P::Event>>), SessionError> {
    // A few records are decoded sooner than a thread is woken.
    if batch.len() < 256 {
        let entries = decode_batch(&batch, &schemas);
        return Ok((batch, entries));
    }
    let decode = move || {
        let entries = decode_batch(&batch, &schemas);
        (batch, entries)
    };
    Ok(tokio::task::spawn_blocking(decode).await?)
}

#[expect(clippy::cast_precision_loss, reason = "a histogram takes floats")]
fn count(number: usize) -> f64 {
    number as f64
}
