//! Record batches (magic 2) as the brokers store them: read in place, one record after the other.
//!
//! A fetch answers with whole batches, the first of which may begin before the offset that was asked for and the last
//! of which may be cut off. Control batches (transaction markers) carry no records of anyone. Which transactional
//! batches were aborted, the answer lists beside them: a producer's batches from the listed offset on, up to its
//! marker.
//!
//! A batch is believed when its checksum is right. One that cannot be read (it is damaged, or too large) is told with its
//! offsets, so that whoever reads on can say what is not shown.

mod decompressing;

use bytes::{Buf, Bytes};
use decompressing::decompressed;
use foldstream_log::FetchedRecord;
use integer_encoding::VarInt;
use kafka_protocol::messages::fetch_response::{AbortedTransaction, PartitionData};
use std::collections::HashSet;

/// From the first byte of a batch to its records.
const HEADER_BYTES: usize = 61;
/// Of them, those that the length of a batch does not count.
const LENGTH_PREFIX_BYTES: usize = 12;
/// Of them, those that the checksum does not cover: up to and including itself.
const UNCHECKED_BYTES: usize = 21;

/// Bytes that are no batch, or a batch that cannot be read.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("the batch at offset {offset} cannot be read: {reason}")]
pub struct BatchError {
    pub offset: i64,
    pub reason: String,
    /// Where the next batch begins, where that is known.
    pub next_offset: Option<i64>,
}

/// What became of the transaction a record was written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Transaction {
    /// It was aborted: nobody who reads committed records ever sees this one.
    Aborted,
    /// The record lies behind the last stable offset: it, or one before it, still waits for its transaction to end.
    Undecided,
}

/// A record in the buffer it arrived in.
#[derive(Debug, Clone, Copy)]
pub struct RecordView<'a> {
    pub offset: i64,
    pub timestamp_ms: i64,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    /// None for a record that is committed, or was never part of a transaction.
    pub transaction: Option<Transaction>,
    pub(crate) headers: Headers<'a>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Headers<'a> {
    /// As they stand in the batch.
    Encoded(&'a [u8]),
    Kept(&'a [(String, Option<Vec<u8>>)]),
}

impl<'a> RecordView<'a> {
    /// A record that was kept, to be looked at once more.
    #[must_use]
    pub fn of(record: &'a FetchedRecord, transaction: Option<Transaction>) -> Self {
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        let headers = Headers::Kept(&record.headers);
        Self { offset: record.offset, timestamp_ms: record.timestamp_ms, key, value, transaction, headers }
    }

    /// Name and value of each header, in order.
    pub fn headers(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> {
        let (encoded, kept): (&[u8], &[_]) = match self.headers {
            Headers::Encoded(encoded) => (encoded, &[]),
            Headers::Kept(kept) => (&[], kept),
        };
        let mut rest = Cursor { rest: encoded };
        let count = rest.varint().unwrap_or(0);
        let encoded = (0..count).map_while(move |_| Some((rest.sized()??, rest.sized()?)));
        encoded.chain(kept.iter().map(|(name, value)| (name.as_bytes(), value.as_deref())))
    }

    /// The record with its bytes, for keeping.
    #[must_use]
    pub fn to_fetched(&self, topic: &str, partition: i32) -> FetchedRecord {
        FetchedRecord {
            topic: topic.to_owned(),
            partition,
            offset: self.offset,
            timestamp_ms: self.timestamp_ms,
            key: self.key.map(<[u8]>::to_vec),
            value: self.value.map(<[u8]>::to_vec),
            headers: self
                .headers()
                .map(|(name, value)| (String::from_utf8_lossy(name).into_owned(), value.map(<[u8]>::to_vec)))
                .collect(),
        }
    }
}

/// What an offset without a record holds instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marker {
    pub(crate) offset: i64,
    pub(crate) commits: bool,
}

/// Who began a transaction, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) timestamp_ms: i64,
    pub(crate) producer_id: i64,
}

/// The batches of one partition from a fetch.
#[derive(Debug)]
pub(crate) struct Batches {
    pub(crate) bytes: Bytes,
    pub(crate) aborted: Vec<AbortedTransaction>,
    /// Records from here on are undecided.
    pub(crate) stable_end: i64,
    /// A batch that takes more than this, decompressed, is not read.
    pub(crate) most_bytes: usize,
}

impl Batches {
    /// Those a broker answered with.
    pub(crate) fn of(answer: PartitionData, stable_end: i64, most_bytes: usize) -> Self {
        let (bytes, aborted) = (answer.records.unwrap_or_default(), answer.aborted_transactions.unwrap_or_default());
        Self { bytes, aborted, stable_end, most_bytes }
    }

    /// The transaction that the first of them belongs to, at the last stable offset an open one; none where it belongs to none.
    pub(crate) fn opened(&self) -> Result<Option<Opened>, BatchError> {
        if self.bytes.len() < HEADER_BYTES {
            return Ok(None);
        }
        let header = Header::read(&self.bytes)?;
        let (timestamp_ms, producer_id) = (header.append_time().unwrap_or(header.times.0), header.producer_id);
        Ok((header.is_transactional() && !header.is_control()).then_some(Opened { timestamp_ms, producer_id }))
    }

    /// Whether the first batch bears the time of the broker that appended it; none when there is none.
    pub(crate) fn begin_stamped(&self) -> Result<Option<bool>, BatchError> {
        let header = (self.bytes.len() >= HEADER_BYTES).then(|| Header::read(&self.bytes)).transpose()?;
        Ok(header.map(|header| header.is_stamped()))
    }

    /// Hands every record from `start` up to, not including, `end` over, aborted ones included; gives the offset
    /// behind the last batch that was whole, or none when none was. The error is of the first batch that cannot be read;
    /// what lies before it was handed over.
    pub(crate) fn read(
        mut self,
        start: i64,
        end: i64,
        mut take: impl FnMut(RecordView<'_>),
        mut marker: impl FnMut(Marker),
    ) -> Result<Option<i64>, BatchError> {
        self.aborted.sort_unstable_by_key(|transaction| transaction.first_offset);
        let mut to_come = self.aborted.iter().peekable();
        let mut aborting: HashSet<i64> = HashSet::new();
        let mut next_offset = None;
        while self.bytes.len() >= HEADER_BYTES {
            let header = Header::read(&self.bytes)?;
            if self.bytes.len() < header.size {
                break;
            }
            let batch = self.bytes.split_to(header.size);
            next_offset = Some(header.last_offset + 1);
            while let Some(transaction) = to_come.next_if(|to_come| to_come.first_offset <= header.last_offset) {
                aborting.insert(transaction.producer_id.0);
            }
            if header.is_control() {
                // The key of a marker is its version and its type: 0 aborts, 1 commits.
                header.each(batch, self.most_bytes, |record| {
                    let commits = record.key.and_then(|key| key.get(3)).is_some_and(|kind| *kind == 1);
                    marker(Marker { offset: record.offset, commits });
                    if !commits {
                        aborting.remove(&header.producer_id);
                    }
                })?;
                continue;
            }
            if header.last_offset < start || header.base_offset >= end {
                continue;
            }
            let aborted = header.is_transactional() && aborting.contains(&header.producer_id);
            header.each(batch, self.most_bytes, |record| {
                if (start..end).contains(&record.offset) {
                    let transaction = match () {
                        () if record.offset >= self.stable_end => Some(Transaction::Undecided),
                        () if aborted => Some(Transaction::Aborted),
                        () => None,
                    };
                    take(RecordView { transaction, ..record });
                }
            })?;
        }
        Ok(next_offset)
    }
}

struct Header {
    size: usize,
    checksum: u32,
    base_offset: i64,
    last_offset: i64,
    attributes: i16,
    /// Of the first record, and the largest.
    times: (i64, i64),
    producer_id: i64,
    count: i32,
}

impl Header {
    fn read(bytes: &Bytes) -> Result<Self, BatchError> {
        let mut header = &bytes[..HEADER_BYTES];
        let base_offset = header.get_i64();
        let length = header.get_i32();
        let _leader_epoch = header.get_i32();
        let magic = header.get_i8();
        let refuse = |reason: String| BatchError { offset: base_offset, reason, next_offset: None };
        if magic != 2 {
            return Err(refuse(format!("its format is {magic}, and only 2 is known")));
        }
        let size = usize::try_from(length).ok().map(|length| length + LENGTH_PREFIX_BYTES);
        let size =
            size.filter(|size| *size >= HEADER_BYTES).ok_or_else(|| refuse(format!("its length is {length}")))?;
        let checksum = header.get_u32();
        let attributes = header.get_i16();
        let last_offset_delta = header.get_i32();
        let (base_timestamp, max_timestamp) = (header.get_i64(), header.get_i64());
        let producer_id = header.get_i64();
        let _producer_epoch_and_sequence = (header.get_i16(), header.get_i32());
        let count = header.get_i32();
        let last_offset = base_offset + i64::from(last_offset_delta);
        let times = (base_timestamp, max_timestamp);
        Ok(Self { size, checksum, base_offset, last_offset, attributes, times, producer_id, count })
    }

    /// The broker's append time counts, and it is the same for the whole batch.
    fn is_stamped(&self) -> bool {
        self.attributes & 0x08 != 0
    }

    fn is_transactional(&self) -> bool {
        self.attributes & 0x10 != 0
    }

    fn is_control(&self) -> bool {
        self.attributes & 0x20 != 0
    }

    /// The time of all its records, where that is the broker's.
    fn append_time(&self) -> Option<i64> {
        self.is_stamped().then_some(self.times.1)
    }

    /// Hands each record of the batch over.
    fn each(
        &self,
        mut batch: Bytes,
        most_bytes: usize,
        mut take: impl FnMut(RecordView<'_>),
    ) -> Result<(), BatchError> {
        let next_offset = Some(self.last_offset + 1);
        let refuse = |reason: String| BatchError { offset: self.base_offset, reason, next_offset };
        if crc32c::crc32c(&batch[UNCHECKED_BYTES..]) != self.checksum {
            return Err(refuse("its checksum is not that of its bytes".to_owned()));
        }
        batch.advance(HEADER_BYTES);
        let records = decompressed(self.attributes & 0x07, batch, most_bytes).map_err(refuse)?;
        let append_time = self.append_time();
        let mut cursor = Cursor { rest: &records };
        for at in 0..self.count {
            let record = cursor.sized().flatten().and_then(|record| self.record(record, append_time));
            take(record.ok_or_else(|| refuse(format!("its record {at} of {} is cut off", self.count)))?);
        }
        Ok(())
    }

    fn record<'a>(&self, bytes: &'a [u8], append_time: Option<i64>) -> Option<RecordView<'a>> {
        let (_attributes, bytes) = bytes.split_first()?;
        let mut cursor = Cursor { rest: bytes };
        let created_at = self.times.0.wrapping_add(cursor.varint()?);
        let offset = self.base_offset.wrapping_add(cursor.varint()?);
        let (key, value) = (cursor.sized()?, cursor.sized()?);
        let timestamp_ms = append_time.unwrap_or(created_at);
        Some(RecordView { offset, timestamp_ms, key, value, transaction: None, headers: Headers::Encoded(cursor.rest) })
    }
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn varint(&mut self) -> Option<i64> {
        // Nearly all of them are lengths and small steps, in one byte.
        if let Some((byte, rest)) = self.rest.split_first()
            && *byte < 0x80
        {
            self.rest = rest;
            return Some(i64::from(*byte >> 1) ^ -i64::from(*byte & 1));
        }
        let (number, size) = i64::decode_var(self.rest)?;
        self.rest = &self.rest[size..];
        Some(number)
    }

    /// Bytes behind their length; a negative length stands for none at all. The outer option is the cursor's end.
    fn sized(&mut self) -> Option<Option<&'a [u8]>> {
        let length = self.varint()?;
        if length < 0 {
            return Some(None);
        }
        let (bytes, rest) = self.rest.split_at_checked(usize::try_from(length).ok()?)?;
        self.rest = rest;
        Some(Some(bytes))
    }
}

#[cfg(test)]
pub(crate) mod tests;
