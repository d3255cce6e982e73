//! States from the changelog, or anew from the facts.

use super::{Decider, deciding::States};
use crate::{
    Service,
    decoding::{Decoded, Entry, decode_off_thread},
    fetching::schemas,
    sessions::SessionError,
    waiting::Waiting,
};
use foldstream_log::{Batch, TopicPartition};
use foldstream_log::{Fact, Topic, TopicEvent};
use std::collections::BTreeSet;

/// What restoring a partition came to.
pub(crate) struct Restored {
    /// Where the changelog was read to.
    pub(crate) next_offset: i64,
    /// Keys whose states were made anew, and are not on the changelog yet.
    pub(crate) unwritten: BTreeSet<String>,
}

/// Brings the states of a partition to the end of the changelog, from where they stand.
pub(crate) async fn restore<D: Decider>(
    service: &Service,
    states: &mut States<D>,
    partition: i32,
    from: i64,
) -> Result<Restored, SessionError> {
    let changelog = TopicPartition { topic: changelog::<D>().name, partition };
    let version = D::FOLD_VERSION.to_string();
    let mut restored = Restored { next_offset: from, unwritten: BTreeSet::new() };
    // Keys whose newest record was made by another version of the fold. Older records of it do not matter: they stay on
    // the changelog until it is compacted.
    let mut stale: BTreeSet<String> = BTreeSet::new();
    let mut batches = service.browser.read_to_end(changelog, from);
    while let Some(batch) = batches.recv().await {
        let batch = batch?;
        restored.next_offset = batch.ends.first().map_or(restored.next_offset, |end| end.next_offset);
        for record in batch.records() {
            let Some(key) = record.key.map(String::from_utf8_lossy) else { continue };
            if record.value.is_some() && record.header != Some(&version) {
                stale.insert(key.into_owned());
            } else {
                stale.remove(key.as_ref());
            }
        }
        for (key, state) in decoded::<D::Changelog>(service, batch, D::NAME, Some(&version)).await? {
            states.set((partition, key), state.map(D::load));
        }
    }
    if !stale.is_empty() {
        foldstream_telemetry::info!(
            processor = D::NAME,
            kafka.partition = partition,
            "the fold has changed: states are made anew"
        );
        states.retain(|other| other != partition);
        for topic in D::FACTS {
            refold(service, states, topic, partition, &mut restored.unwritten).await?;
        }
    }
    Ok(restored)
}

fn changelog<D: Decider>() -> &'static Topic {
    D::Changelog::topics()[0]
}

async fn refold<D: Decider>(
    service: &Service,
    states: &mut States<D>,
    topic: &'static Topic,
    partition: i32,
    keys: &mut BTreeSet<String>,
) -> Result<(), SessionError> {
    let mut batches = service.browser.read_to_end(TopicPartition { topic: topic.name, partition }, 0);
    while let Some(batch) = batches.recv().await {
        for (key, event) in decoded::<D::Output>(service, batch?, D::NAME, None).await? {
            let place = (partition, key.clone());
            let mut state = states.get(&place);
            D::evolve(&mut state, &event.map_or_else(|| Fact::Tombstone { topic, key: key.clone() }, Fact::Event));
            states.set(place, Some(state));
            keys.insert(key);
        }
    }
    Ok(())
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
