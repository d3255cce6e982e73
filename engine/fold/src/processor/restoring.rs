//! States from the changelog, or anew: from what was written, or from the inputs.

use super::{
    cells::Cells,
    contract::{Anew, Change, Processor},
    states::{States, Task},
};
use crate::{
    decoding::{Decoded, Entry, decode_off_thread},
    fetching::schemas,
    sessions::{Service, SessionError},
    waiting::Waiting,
};
use chrono::DateTime;
use foldstream_log::{Batch, Fact, ReaderError, Topic, TopicEvent, TopicPartition};
use std::collections::{BTreeSet, HashMap, VecDeque};
use tokio::sync::mpsc;
use uuid::Uuid;

/// What a state is written with that is made anew from facts: they do not tell which of them was the last for a cell.
const ANEW: Change = Change { event_id: Uuid::nil(), occurred_at: DateTime::UNIX_EPOCH };

/// Brings the states of a partition to the end of the changelog, from where they stand; says where that is. The inputs of
/// the partition are committed up to `inputs`.
pub(crate) async fn restore<P: Processor>(
    service: &Service,
    states: &mut States<P>,
    partition: i32,
    from: i64,
    inputs: &[(TopicPartition, i64)],
) -> Result<i64, SessionError> {
    // Who keeps nothing has no changelog.
    let Some(changelog) = P::Changelog::topics().first() else { return Ok(0) };
    let mut reached = from;
    let version = P::FOLD_VERSION.to_string();
    // Keys whose newest record was made by another version of the fold. Older records of it do not matter: they stay on
    // the changelog until it is compacted.
    let mut stale: BTreeSet<String> = BTreeSet::new();
    let mut batches = read_to_end(service, TopicPartition { topic: changelog.name, partition }, from).await?;
    while let Some(batch) = batches.recv().await {
        let batch = batch?;
        reached = batch.ends.first().map_or(reached, |end| end.next_offset);
        for record in batch.records() {
            let Some(key) = record.key.map(String::from_utf8_lossy) else { continue };
            if record.value.is_some() && record.header != Some(&version) {
                stale.insert(key.into_owned());
            } else {
                stale.remove(key.as_ref());
            }
        }
        let task = states.task(partition);
        for (record_key, record) in decoded::<P::Changelog>(service, batch, P::NAME, Some(&version)).await? {
            let (key, cell) = P::key_and_cell(&record_key);
            let state = record.map(P::load).transpose();
            task.set(key, cell, state.map_err(|reason| SessionError::State { partition, reason })?);
        }
    }
    if stale.is_empty() {
        return Ok(reached);
    }
    foldstream_telemetry::info!(
        processor = P::NAME,
        kafka.partition = partition,
        "the fold has changed: states are made anew"
    );
    match P::ANEW {
        Anew::FromFacts(topics) => {
            states.retain(|other| other != partition);
            for topic in topics {
                refold(service, states.task(partition), topic, partition).await?;
            }
        }
        Anew::FromInputs => {
            states.retain(|other| other != partition);
            replay(service, states, inputs).await?;
        }
        Anew::Cut => {}
    }
    let task = states.task(partition);
    for record_key in stale {
        let (key, cell) = P::key_and_cell(&record_key);
        if matches!(P::ANEW, Anew::Cut) {
            task.set(key, cell, None);
        }
        // Written as it has become; one that has not become anything ends.
        task.mark_unwritten(key, cell, ANEW);
    }
    Ok(reached)
}

/// The records from here on, up to everything that was appended before: what of it is still being committed is waited
/// for.
async fn read_to_end(
    service: &Service,
    partition: TopicPartition,
    from: i64,
) -> Result<mpsc::Receiver<Result<Batch, ReaderError>>, SessionError> {
    let ranges = service.brokers.ranges_of(partition.topic).await?;
    let range = ranges.get(&partition.partition).ok_or_else(|| SessionError::State {
        partition: partition.partition,
        reason: format!("there is no {partition}"),
    })?;
    let end = range.high_watermark;
    Ok(foldstream_log::restore(&service.wire, partition, from.max(range.low).min(end)..end))
}

async fn refold<P: Processor>(
    service: &Service,
    task: &mut Task<P>,
    topic: &'static Topic,
    partition: i32,
) -> Result<(), SessionError> {
    let mut batches = read_to_end(service, TopicPartition { topic: topic.name, partition }, 0).await?;
    while let Some(batch) = batches.recv().await {
        for (key, event) in decoded::<P::Output>(service, batch?, P::NAME, None).await? {
            let kept_under = P::kept_under(&key);
            let mut cells = Cells::new(&key, task.cells(&kept_under));
            let fact = event.map_or_else(|| Fact::Tombstone { topic, key: key.clone() }, Fact::Event);
            P::evolve(&mut cells, &fact);
            let changes = cells.changes();
            changes.into_iter().for_each(|(cell, state)| task.change(&kept_under, &cell, state, ANEW));
        }
    }
    Ok(())
}

/// Folds the inputs again as far as the group is, in the order in which they were appended. What follows from them was
/// written before, and is not written again.
async fn replay<P: Processor>(
    service: &Service,
    states: &mut States<P>,
    inputs: &[(TopicPartition, i64)],
) -> Result<(), SessionError> {
    let until: HashMap<TopicPartition, i64> = inputs.iter().copied().collect();
    let from: HashMap<TopicPartition, i64> = inputs.iter().map(|(partition, _)| (*partition, 0)).collect();
    let mut sources: Vec<Source<P::Input>> = Vec::with_capacity(inputs.len());
    for (partition, _) in inputs {
        sources.push(Source { batches: read_to_end(service, *partition, 0).await?, entries: VecDeque::new() });
    }
    loop {
        let mut oldest: Option<(i64, usize)> = None;
        for (index, source) in sources.iter_mut().enumerate() {
            let Some(first) = source.first(service, P::NAME, &until).await? else { continue };
            if oldest.is_none_or(|(appended_at_ms, _)| first < appended_at_ms) {
                oldest = Some((first, index));
            }
        }
        let Some((_, index)) = oldest else { return Ok(()) };
        let entry = sources[index].entries.pop_front();
        let decided = states.decide(entry.as_slice(), &from, &[], usize::MAX);
        if let Some(reason) = decided.halted.into_values().next() {
            let partition = inputs.first().map_or(0, |(partition, _)| partition.partition);
            return Err(SessionError::State { partition, reason });
        }
    }
}

/// The inputs of a partition that are folded again.
struct Source<E> {
    batches: mpsc::Receiver<Result<Batch, ReaderError>>,
    entries: VecDeque<Entry<E>>,
}

impl<E: TopicEvent> Source<E> {
    /// When the next of them was appended; none where the group has taken no more.
    async fn first(
        &mut self,
        service: &Service,
        name: &'static str,
        until: &HashMap<TopicPartition, i64>,
    ) -> Result<Option<i64>, SessionError> {
        while self.entries.is_empty() {
            let Some(batch) = self.batches.recv().await else { return Ok(None) };
            let mut waiting = Waiting::new(name, &service.component, &service.shutdown);
            let batch = batch?;
            let schemas = schemas(&service.registry, &batch, &mut waiting).await?;
            let (_, entries) = decode_off_thread::<E>(batch, schemas).await?;
            let is_taken = |entry: &Entry<E>| until.get(&entry.partition).is_some_and(|until| entry.offset < *until);
            self.entries.extend(entries.into_iter().filter(is_taken));
        }
        Ok(self.entries.front().map(|entry| entry.appended_at_ms))
    }
}

/// What we wrote ourselves must be readable, or nothing may be built on it. Of states only those of this version are.
async fn decoded<E: TopicEvent>(
    service: &Service,
    batch: Batch,
    name: &'static str,
    version: Option<&str>,
) -> Result<Vec<(String, Option<E>)>, SessionError> {
    let mut waiting = Waiting::new(name, &service.component, &service.shutdown);
    let schemas = schemas(&service.registry, &batch, &mut waiting).await?;
    let (_, entries) = decode_off_thread::<E>(batch, schemas).await?;
    let usable = |Entry { partition, offset, decoded, .. }| match decoded {
        Decoded::Event(record) => Ok((record.key, record.event)),
        Decoded::Poison(reason) | Decoded::Unknown(reason) => Err(SessionError::State {
            partition: partition.partition,
            reason: format!("{partition}:{offset}: {reason}"),
        }),
    };
    let of_version = |entry: &Entry<E>| {
        let is_tombstone = matches!(&entry.decoded, Decoded::Event(record) if record.event.is_none());
        version.is_none_or(|version| is_tombstone || entry.header.as_deref() == Some(version))
    };
    entries.into_iter().filter(of_version).map(usable).collect()
}
