//! What a batch needs from elsewhere: the schemas of its records, and the headers of those that are put aside.

use crate::{
    backoff::Stopping,
    dead_letter::DeadLetter,
    decoding::{Schemas, schema_ids},
    waiting::Waiting,
};
use foldstream_browse::Brokers;
use foldstream_log::{Batch, FetchedRecord, Registry, TopicPartition};
use std::collections::{BTreeSet, HashMap};

/// The schemas of a batch; a registry that is away is waited for, an id it does not know is the record's fault.
pub(crate) async fn schemas(
    registry: &Registry,
    batch: &Batch,
    waiting: &mut Waiting<'_>,
) -> Result<Schemas, Stopping> {
    schemas_of_ids(registry, schema_ids(batch), waiting).await
}

/// The same, of these ids.
pub(crate) async fn schemas_of_ids(
    registry: &Registry,
    ids: BTreeSet<u32>,
    waiting: &mut Waiting<'_>,
) -> Result<Schemas, Stopping> {
    let mut schemas = Schemas::new();
    for id in ids {
        let schema = loop {
            match registry.schema(id).await {
                Err(error) if error.is_retriable() => waiting.wait_for("registry", &error).await?,
                other => break other.map_err(|error| error.to_string()),
            }
        };
        schemas.insert(id, schema);
    }
    Ok(schemas)
}

/// The originals of records that could not be used: bytes from the batch, headers read again from the topic.
pub(crate) async fn dead_letters(
    brokers: &Brokers,
    dead: &[(usize, String)],
    batch: &Batch,
    waiting: &mut Waiting<'_>,
) -> Result<Vec<DeadLetter>, Stopping> {
    let dead: Vec<_> = dead.iter().filter_map(|(index, reason)| Some((batch.record(*index)?, reason))).collect();
    let mut offsets: HashMap<TopicPartition, Vec<i64>> = HashMap::new();
    for (record, _) in &dead {
        offsets.entry(record.partition).or_default().push(record.offset);
    }
    let mut originals: HashMap<(TopicPartition, i64), FetchedRecord> = HashMap::new();
    for (partition, offsets) in offsets {
        let found = loop {
            match brokers.records(partition.topic, partition.partition, offsets.clone()).await {
                Err(error) => waiting.wait_for("brokers", &error).await?,
                Ok(found) => break found,
            }
        };
        originals.extend(found.into_iter().map(|(offset, record)| ((partition, offset), record)));
    }
    let letter = |(record, reason): (foldstream_log::RawRecord<'_>, &String)| DeadLetter {
        partition: record.partition,
        offset: record.offset,
        appended_at_ms: record.timestamp_ms,
        key: record.key.map(<[u8]>::to_vec),
        value: record.value.map(<[u8]>::to_vec),
        // None when the log has lost the record meanwhile.
        headers: originals
            .remove(&(record.partition, record.offset))
            .map(|original| original.headers)
            .unwrap_or_default(),
        reason: reason.clone(),
    };
    Ok(dead.into_iter().map(letter).collect())
}

/// The headers of a record, read again from the topic; none when the log has lost it.
pub(crate) async fn headers(
    brokers: &Brokers,
    partition: TopicPartition,
    offset: i64,
    waiting: &mut Waiting<'_>,
) -> Result<Vec<(String, Option<Vec<u8>>)>, Stopping> {
    loop {
        match brokers.records(partition.topic, partition.partition, vec![offset]).await {
            Err(error) => waiting.wait_for("brokers", &error).await?,
            Ok(mut found) => return Ok(found.remove(&offset).map(|record| record.headers).unwrap_or_default()),
        }
    }
}
