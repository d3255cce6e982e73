//! Appends records once more, as they were, all of a republication in one Kafka transaction: all of them or none, and once.
//!
//! With the records an offset is committed, of a group that this republication has to itself, and a note of what was
//! written. Whoever comes again with the same id takes over its transactional id, which settles what was left open, and
//! then finds the note, or does it. (A header could be looked for instead, but only among everything that others have
//! appended meanwhile, and not behind transactions that they leave open.)
//!
//! Which records these are, and whether they should be written, is not judged here. Blocking, as transactions are.

use crate::{
    client_log::Plain,
    config::Config,
    fetched::FetchedRecord,
    murmur2::partition_of,
    position_range::PositionRange,
    reader::{Membership, Noted},
    transactional_writer::{TransactionError, TransactionalOptions, TransactionalWriter},
    writer::metrics_counter,
};
use rdkafka::{
    Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions},
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
};
use std::{collections::HashMap, time::Duration};
use uuid::Uuid;

const NAME: &str = "republish";
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Brokers take notes of 4096 bytes.
const NOTE_BYTES: usize = 4000;
const BATCH_BYTES: usize = 262_144;
/// The most that the client lets a record have.
const MOST_RECORD_BYTES: usize = 1_000_000_000;
/// What waits in the client, besides one record that may be larger.
const QUEUE_BYTES: usize = 32 * 1024 * 1024;

/// Where records are appended once more, and under which name that is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Republication {
    /// Under one id it is done once, however often it is asked for.
    pub id: Uuid,
    pub topic: String,
    /// Those of the topic.
    pub partitions: usize,
    /// What a batch of the topic may take.
    pub max_batch_bytes: usize,
}

/// What was appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Republished {
    pub count: u64,
    /// From the first to the last in each partition; what others appended meanwhile may lie between. None of them where there
    /// were too many for the note, and it was done before.
    pub ranges: Vec<PositionRange>,
    /// It was done by an earlier call.
    pub before: bool,
}

/// Why nothing is known to have been appended.
#[derive(Debug, thiserror::Error)]
pub enum RepublishError {
    #[error("a record is larger than {topic} takes, whose max.message.bytes is {max_batch_bytes}: nothing was written")]
    TooLarge { topic: String, max_batch_bytes: usize },
    #[error("{topic} did not take a record ({code}): nothing was written")]
    NotTaken { topic: String, code: RDKafkaErrorCode },
    #[error("cannot tell whether it was done before")]
    Unknown { source: KafkaError },
    /// It may have happened: whoever asks again under the same id is told.
    #[error(transparent)]
    Transaction(#[from] TransactionError),
}

impl RepublishError {
    /// Whether asking again, under the same id, may help.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        matches!(self, Self::Unknown { .. } | Self::Transaction(_))
    }
}

/// Republishes. Each time with a client of its own.
#[derive(Debug, Clone)]
pub struct Republisher {
    config: Config,
}

impl Republisher {
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self { config: config.clone() }
    }

    /// Appends these records, unless that was done under this id before. Blocks.
    pub fn republish<'a>(
        &self,
        republication: &Republication,
        records: impl Iterator<Item = &'a FetchedRecord>,
    ) -> Result<Republished, RepublishError> {
        let mut records = records.peekable();
        if records.peek().is_none() {
            return Ok(Republished { count: 0, ranges: Vec::new(), before: false });
        }
        let mut writer = self.writer(republication)?;
        writer.fence()?;
        let group = Group::of(&self.config, republication)?;
        if let Some(before) = group.noted(republication)? {
            return Ok(before);
        }
        writer.begin()?;
        match written(&writer, republication, records).and_then(|written| {
            group.note(&writer, &written)?;
            Ok(written)
        }) {
            Ok(written) => {
                writer.commit()?;
                metrics_counter(republication.topic.clone(), written.count);
                Ok(written)
            }
            Err(error) => {
                // Readers would wait for the time-out otherwise. The client itself gives up as slowly: it waits for what is on
                // its way behind a record that was refused. Another one fences it at once; but not who took over from it.
                drop(writer);
                if !error.is_retriable()
                    && let Err(error) = self.writer(republication).and_then(|another| Ok(another.fence()?))
                {
                    let error = &error as &dyn std::error::Error;
                    foldstream_telemetry::warn!(error, "a transaction is left open until it times out");
                }
                Err(error)
            }
        }
    }

    /// Forgets that it was done: whoever comes under the same id again does it again. Brokers forget it by themselves after
    /// the time for which they keep offsets.
    pub async fn forget(&self, id: Uuid) -> Result<(), KafkaError> {
        let admin: AdminClient<Plain> = self.config.client(&format!("foldstream-{NAME}")).create_with_context(Plain)?;
        let group = group_of(&self.config, id);
        let options = AdminOptions::new().request_timeout(Some(CALL_TIMEOUT));
        let deleted = admin.delete_groups(&[&group], &options).await?;
        match deleted.into_iter().find_map(Result::err) {
            Some((_, code)) => Err(KafkaError::AdminOp(code)),
            None => Ok(()),
        }
    }

    fn writer(&self, republication: &Republication) -> Result<TransactionalWriter, RepublishError> {
        let Republication { id, max_batch_bytes, .. } = republication;
        let mut client = self.config.producer(&format!("foldstream-{NAME}"));
        // A record is as large as it was, and what it comes to compressed is the brokers' affair. Of several in a batch
        // none is refused for the company it is in.
        let most = self.config.max_batch_bytes.max(*max_batch_bytes).min(MOST_RECORD_BYTES);
        client
            .set("batch.size", BATCH_BYTES.min(*max_batch_bytes).max(1).to_string())
            .set("message.max.bytes", most.max(1000).to_string())
            .set("queue.buffering.max.kbytes", ((QUEUE_BYTES + most) / 1024).to_string());
        let options = TransactionalOptions {
            source: NAME,
            transactional_id: format!("foldstream-{NAME}-{id}"),
            record_types: Vec::new(),
            linger_ms: 0,
        };
        Ok(TransactionalWriter::with_client(client, self.config.prefix.clone(), options, HashMap::new())?)
    }
}

/// Appends to the open transaction.
fn written<'a>(
    writer: &TransactionalWriter,
    republication: &Republication,
    records: impl Iterator<Item = &'a FetchedRecord>,
) -> Result<Republished, RepublishError> {
    let Republication { topic, max_batch_bytes, .. } = republication;
    let refused = |code| match code {
        RDKafkaErrorCode::MessageSizeTooLarge => {
            RepublishError::TooLarge { topic: topic.clone(), max_batch_bytes: *max_batch_bytes }
        }
        RDKafkaErrorCode::TopicAuthorizationFailed
        | RDKafkaErrorCode::InvalidRecord
        | RDKafkaErrorCode::PolicyViolation => RepublishError::NotTaken { topic: topic.clone(), code },
        // Nobody refused it: it did not come so far.
        code => TransactionError::Failed { doing: "appending", source: KafkaError::MessageProduction(code) }.into(),
    };
    let mut count = 0;
    for record in records {
        writer.append_again((topic, republication.partition(record)), record).map_err(|error| match error {
            TransactionError::Failed { source: KafkaError::MessageProduction(code), .. } => refused(code),
            error => error.into(),
        })?;
        count += 1;
    }
    let ranges = writer.ranges();
    match writer.refused() {
        Some(code) => Err(refused(code)),
        None => Ok(Republished { count, ranges, before: false }),
    }
}

impl Republication {
    /// Back to where it was; on another topic where its key belongs, and one without a key anywhere.
    fn partition(&self, record: &FetchedRecord) -> i32 {
        if record.topic == self.topic {
            return record.partition;
        }
        let partitions = i64::try_from(self.partitions.max(1)).unwrap_or(i64::MAX);
        let any = || i32::try_from(record.offset % partitions).unwrap_or_default();
        record.key.as_deref().map_or_else(any, |key| partition_of(key, self.partitions))
    }

    fn all_partitions(&self) -> std::ops::Range<i32> {
        0..i32::try_from(self.partitions).unwrap_or(i32::MAX)
    }
}

fn group_of(config: &Config, id: Uuid) -> String {
    config.prefix.group_of(&format!("{NAME}-{id}"))
}

/// The group that a republication has to itself; nobody joins it.
struct Group {
    consumer: BaseConsumer<Plain>,
    /// What the topic is called outside.
    topic: String,
}

impl Group {
    fn of(config: &Config, republication: &Republication) -> Result<Self, RepublishError> {
        let group = group_of(config, republication.id);
        let consumer = config.consumer(&format!("foldstream-{NAME}"), &group).create_with_context(Plain);
        let consumer = consumer.map_err(|source| RepublishError::Unknown { source })?;
        Ok(Self { consumer, topic: config.prefix.physical(&republication.topic).into_owned() })
    }

    /// What was done before.
    fn noted(&self, republication: &Republication) -> Result<Option<Republished>, RepublishError> {
        let mut asked = TopicPartitionList::new();
        for partition in republication.all_partitions() {
            asked.add_partition(&self.topic, partition);
        }
        let unknown = |source| RepublishError::Unknown { source };
        let found = self.consumer.committed_offsets(asked, CALL_TIMEOUT).map_err(unknown)?;
        for partition in republication.all_partitions() {
            let noted = Noted::of(&found, &self.topic, partition).map_err(unknown)?;
            if let Some(noted) = noted {
                return Ok(Some(Republished::read(&noted.note, &republication.topic)));
            }
        }
        Ok(None)
    }

    /// Notes, with the transaction, what is written by it.
    fn note(&self, writer: &TransactionalWriter, written: &Republished) -> Result<(), RepublishError> {
        let Some(first) = written.ranges.first() else { return Ok(()) };
        let failed = |source| TransactionError::Failed { doing: "noting what is written", source };
        let mut list = TopicPartitionList::new();
        let mut element = list.add_partition(&self.topic, first.partition);
        element.set_metadata(written.note());
        element.set_offset(Offset::Offset(first.last + 1)).map_err(failed)?;
        let group = self.consumer.group_metadata().map(Membership).ok_or(KafkaError::Canceled).map_err(failed)?;
        Ok(writer.send_offsets(&list, &group)?)
    }
}

impl Republished {
    /// How many, and of each partition the first and the last.
    fn note(&self) -> String {
        let range = |range: &PositionRange| format!(" {}:{}-{}", range.partition, range.first, range.last);
        let note = format!("{}{}", self.count, self.ranges.iter().map(range).collect::<String>());
        if note.len() > NOTE_BYTES { self.count.to_string() } else { note }
    }

    fn read(note: &str, topic: &str) -> Self {
        let mut words = note.split(' ');
        let count = words.next().and_then(|count| count.parse().ok()).unwrap_or_default();
        let ranges = words.filter_map(|word| format!("{topic}:{word}").parse().ok()).collect();
        Self { count, ranges, before: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(key: Option<&str>, offset: i64) -> FetchedRecord {
        FetchedRecord {
            topic: "parcels".to_owned(),
            partition: 3,
            offset,
            timestamp_ms: 0,
            key: key.map(|key| key.as_bytes().to_vec()),
            value: None,
            headers: Vec::new(),
        }
    }

    fn to(topic: &str) -> Republication {
        Republication { id: Uuid::nil(), topic: topic.to_owned(), partitions: 6, max_batch_bytes: 1_048_576 }
    }

    #[test]
    fn a_copy_lies_where_its_original_does_and_elsewhere_where_its_key_belongs() {
        for key in [None, Some(""), Some("abc")] {
            assert_eq!(to("parcels").partition(&record(key, 8)), 3, "{key:?}");
        }
        assert_eq!(to("labels").partition(&record(Some("abc"), 8)), partition_of(b"abc", 6));
        assert_eq!(to("labels").partition(&record(Some(""), 8)), partition_of(b"", 6));
        let spread: Vec<_> = (4..9).map(|offset| to("labels").partition(&record(None, offset))).collect();
        assert_eq!(spread, [4, 5, 0, 1, 2]);
    }

    proptest! {
        #[test]
        fn what_was_done_reads_back_as_it_was_noted(
            count: u64,
            ranges in prop::collection::vec((0..10_000i32, 0..=i64::MAX / 2, 0..1000i64), 0..400),
        ) {
            let range = |(partition, first, more)| PositionRange { topic: "parcels".to_owned(), partition, first, last: first + more };
            let done = Republished { count, ranges: ranges.into_iter().map(range).collect(), before: true };
            let note = done.note();
            prop_assert!(note.len() <= NOTE_BYTES);
            let read = Republished::read(&note, "parcels");
            prop_assert_eq!(read.count, done.count);
            prop_assert!(read.ranges.is_empty() || read == done);
        }
    }
}
