//! Records on their way from the poll thread to the fold: key and value bytes in one buffer.
//!
//! Headers are left behind, but for the trace context of the first records: a fold needs nothing else of them, and a
//! dead letter reads its original from the topic again.

use super::TopicPartition;
use crate::{
    codec::{DecodeError, unframe},
    headers::{TRACEPARENT, text_header},
};
use rdkafka::{Message, message::BorrowedMessage};
use std::ops::Range;

/// Traces are linked for this many records of a batch; more would be unreadable.
const TRACED_RECORDS: usize = 32;

/// Records of one or more partitions; each partition's in the order of its offsets.
#[derive(Debug, Default)]
pub struct Batch {
    records: Vec<Meta>,
    bytes: Vec<u8>,
    /// Where each partition stands after this batch: past the last record, and past what is never shown (transaction
    /// markers, aborted records) where the end of the partition was reached.
    pub ends: Vec<PartitionEnd>,
    /// Trace contexts of the first records.
    pub traceparents: Vec<String>,
}

/// Where a partition stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionEnd {
    pub partition: TopicPartition,
    pub next_offset: i64,
}

/// A record as it lies in the log.
#[derive(Debug, Clone, Copy)]
pub struct RawRecord<'a> {
    pub partition: TopicPartition,
    pub offset: i64,
    /// Append time, milliseconds since 1970.
    pub timestamp_ms: i64,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
}

#[derive(Debug)]
struct Meta {
    partition: TopicPartition,
    offset: i64,
    timestamp_ms: i64,
    key: Option<Range<usize>>,
    value: Option<Range<usize>>,
}

impl RawRecord<'_> {
    /// The schema id its value claims; none for a tombstone.
    #[must_use]
    pub fn schema_id(&self) -> Option<Result<u32, DecodeError>> {
        self.value.map(|value| unframe(value).map(|(id, _)| id))
    }
}

impl Batch {
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether it carries neither records nor progress.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.ends.is_empty()
    }

    /// Bytes of all keys and values.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    pub fn records(&self) -> impl ExactSizeIterator<Item = RawRecord<'_>> {
        self.records.iter().map(|meta| self.raw(meta))
    }

    /// The record at this place of the batch.
    #[must_use]
    pub fn record(&self, index: usize) -> Option<RawRecord<'_>> {
        self.records.get(index).map(|meta| self.raw(meta))
    }

    fn raw(&self, meta: &Meta) -> RawRecord<'_> {
        RawRecord {
            partition: meta.partition,
            offset: meta.offset,
            timestamp_ms: meta.timestamp_ms,
            key: meta.key.clone().map(|range| &self.bytes[range]),
            value: meta.value.clone().map(|range| &self.bytes[range]),
        }
    }

    pub(super) fn push(&mut self, topic: &'static str, message: &BorrowedMessage<'_>) {
        let partition = TopicPartition { topic, partition: message.partition() };
        if self.traceparents.len() < TRACED_RECORDS
            && self.records.len() < TRACED_RECORDS
            && let Some(traceparent) = text_header(message.headers(), TRACEPARENT)
        {
            self.traceparents.push(traceparent);
        }
        let mut copy = |bytes: &[u8]| {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(bytes);
            start..self.bytes.len()
        };
        let meta = Meta {
            partition,
            offset: message.offset(),
            timestamp_ms: message.timestamp().to_millis().unwrap_or(0),
            key: message.key().map(&mut copy),
            value: message.payload().map(&mut copy),
        };
        self.records.push(meta);
        self.stand(partition, message.offset() + 1);
    }

    /// Notes where a partition stands; never moves it back.
    pub(super) fn stand(&mut self, partition: TopicPartition, next_offset: i64) {
        match self.ends.iter_mut().find(|end| end.partition == partition) {
            Some(end) => end.next_offset = end.next_offset.max(next_offset),
            None => self.ends.push(PartitionEnd { partition, next_offset }),
        }
    }
}
