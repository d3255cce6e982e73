//! Bytes to events, a batch at a time.
//!
//! Schemas are fetched first, so that decoding itself is a plain function that can run on all cores.

use foldstream_log::{
    Batch, DecodeError, RawRecord, Recorded, TopicPartition, WriterSchema, decode, decode_key, is_segment_end,
};
use foldstream_log::{ReplyTo, TopicEvent};
use rayon::prelude::*;
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};
use tokio::task::JoinError;

/// Fewer records than this are decoded where they are: handing them to other threads costs more.
const PARALLEL_FROM: usize = 1024;

/// The schemas of a batch, and why some of its ids cannot be used.
pub(crate) type Schemas = HashMap<u32, Result<Arc<WriterSchema>, String>>;

/// A record of a batch after decoding.
#[derive(Debug)]
pub(crate) struct Entry<E> {
    pub(crate) partition: TopicPartition,
    pub(crate) offset: i64,
    pub(crate) appended_at_ms: i64,
    /// Its place in the batch.
    pub(crate) index: usize,
    /// The header that was kept.
    pub(crate) header: Option<String>,
    /// Where its outcome is wanted too.
    pub(crate) reply_to: Option<ReplyTo>,
    pub(crate) decoded: Decoded<E>,
}

#[derive(Debug, Clone)]
pub(crate) enum Decoded<E> {
    Event(Recorded<E>),
    /// No version of this reader could use it.
    Poison(String),
    /// A newer version could.
    Unknown(String),
}

/// The schema ids that occur in a batch.
pub(crate) fn schema_ids(batch: &Batch) -> BTreeSet<u32> {
    batch.records().filter_map(|record| record.schema_id()?.ok()).collect()
}

/// Decodes every record that says something, in order.
fn decode_batch<E: TopicEvent>(batch: &Batch, schemas: &Schemas) -> Vec<Entry<E>> {
    let says_something = |(_, record): &(usize, RawRecord<'_>)| !is_segment_end(record.key, record.value);
    let records: Vec<(usize, RawRecord<'_>)> = batch.records().enumerate().filter(says_something).collect();
    let one = |(index, record): &(usize, RawRecord<'_>)| Entry {
        partition: record.partition,
        offset: record.offset,
        appended_at_ms: record.timestamp_ms,
        index: *index,
        header: record.header.map(str::to_owned),
        reply_to: record.reply_to.and_then(ReplyTo::parse),
        decoded: decode_one(record, schemas),
    };
    if records.len() < PARALLEL_FROM {
        records.iter().map(one).collect()
    } else {
        records.par_iter().with_min_len(256).map(one).collect()
    }
}

/// Decodes where the runtime is not held up by it.
pub(crate) async fn decode_off_thread<E: TopicEvent>(
    batch: Batch,
    schemas: Schemas,
) -> Result<(Batch, Vec<Entry<E>>), JoinError> {
    // A few records are decoded sooner than a thread is woken.
    if batch.len() < 256 {
        let entries = decode_batch(&batch, &schemas);
        return Ok((batch, entries));
    }
    let decode = move || {
        let entries = decode_batch(&batch, &schemas);
        (batch, entries)
    };
    tokio::task::spawn_blocking(decode).await
}

/// Decodes one record.
pub(crate) fn decode_one<E: TopicEvent>(record: &RawRecord<'_>, schemas: &Schemas) -> Decoded<E> {
    match event_of(record, schemas) {
        Ok(Ok(event)) => Decoded::Event(event),
        Ok(Err(error)) if error.is_poison() => Decoded::Poison(error.to_string()),
        Ok(Err(error)) => Decoded::Unknown(error.to_string()),
        Err(reason) => Decoded::Poison(reason),
    }
}

/// The outer error is a schema that cannot be had.
fn event_of<E: TopicEvent>(
    record: &RawRecord<'_>,
    schemas: &Schemas,
) -> Result<Result<Recorded<E>, DecodeError>, String> {
    let event = |key: &str, event| {
        let TopicPartition { topic, partition } = record.partition;
        let RawRecord { offset, timestamp_ms: appended_at_ms, .. } = *record;
        Ok(Ok(Recorded { topic, partition, offset, appended_at_ms, key: key.to_owned(), event }))
    };
    let key = match decode_key(record.key) {
        Ok(key) => key,
        Err(error) => return Ok(Err(error)),
    };
    let Some(value) = record.value else { return event(key, None) };
    let schema = match record.schema_id() {
        Some(Ok(id)) => schemas.get(&id).map_or_else(|| Err(no_schema(id)), Clone::clone)?,
        Some(Err(unframed)) => return Ok(Err(unframed)),
        None => return event(key, None),
    };
    match decode(record.partition.topic, key, value, &schema) {
        Ok(decoded) => event(key, Some(decoded)),
        Err(error) => Ok(Err(error)),
    }
}

fn no_schema(id: u32) -> String {
    format!("schema id {id} is not in the registry")
}
