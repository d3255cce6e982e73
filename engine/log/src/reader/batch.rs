//! Records on their way from the poll thread to the fold: key and value bytes in one buffer.
//!
//! Headers are left behind, but for one that the reader may ask for, of as many records as it needs: a fold wants the
//! trace context of the first few, a processor that of all. A dead letter reads its original from the topic again.

use crate::{
    codec::{DecodeError, unframe},
    headers::{REPLY_TO, text_header},
    position::TopicPartition,
};
use rdkafka::{Message, message::BorrowedMessage};
use std::ops::Range;

/// Which header stays with a record, and with how many records of a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keep {
    pub(crate) header: &'static str,
    pub(crate) records: usize,
    /// Whether what says where an outcome is wanted stays too.
    pub(crate) reply_to: bool,
}

/// Records of one or more partitions; each partition's in the order of its offsets.
#[derive(Debug, Default)]
pub struct Batch {
    records: Vec<Meta>,
    bytes: Vec<u8>,
    /// Where each partition stands after this batch: past the last record, and past what is never shown (transaction
    /// markers, aborted records) where the end of the partition was reached.
    pub ends: Vec<PartitionEnd>,
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
    /// The header that was kept, where it was there and is text.
    pub header: Option<&'a str>,
    /// Where its outcome is wanted too, as it was written; kept for processors only.
    pub reply_to: Option<&'a str>,
}

#[derive(Debug)]
struct Meta {
    partition: TopicPartition,
    offset: i64,
    timestamp_ms: i64,
    key: Option<Range<usize>>,
    value: Option<Range<usize>>,
    header: Option<Range<usize>>,
    reply_to: Option<Range<usize>>,
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
            header: self.text(meta.header.as_ref()),
            reply_to: self.text(meta.reply_to.as_ref()),
        }
    }

    fn text(&self, range: Option<&Range<usize>>) -> Option<&str> {
        std::str::from_utf8(&self.bytes[range?.clone()]).ok()
    }

    pub(crate) fn push(&mut self, topic: &'static str, message: &BorrowedMessage<'_>, keep: Keep) {
        let partition = TopicPartition { topic, partition: message.partition() };
        let header = match self.records.len() < keep.records {
            true => text_header(message.headers(), keep.header),
            false => None,
        };
        let reply_to = if keep.reply_to { text_header(message.headers(), REPLY_TO) } else { None };
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
            header: header.map(|header| copy(header.as_bytes())),
            reply_to: reply_to.map(|reply_to| copy(reply_to.as_bytes())),
        };
        self.records.push(meta);
        self.stand(partition, message.offset() + 1);
    }

    /// Notes where a partition stands; never moves it back.
    pub(crate) fn stand(&mut self, partition: TopicPartition, next_offset: i64) {
        match self.ends.iter_mut().find(|end| end.partition == partition) {
            Some(end) => end.next_offset = end.next_offset.max(next_offset),
            None => self.ends.push(PartitionEnd { partition, next_offset }),
        }
    }
}
