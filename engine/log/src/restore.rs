//! Reading a partition from an offset to its end, in batches: how state is restored.
//!
//! The end that is handed in is the *uncommitted* one. A reader of committed records is told the last stable offset, and
//! the records of a transaction that is committed but whose marker is still on its way lie behind it; so this reads until
//! it stands there, which waits for that marker. No group is joined.

use crate::{
    client_log::Plain,
    config::Config,
    headers::FOLD_VERSION,
    position::TopicPartition,
    reader::{Batch, ReaderError, batch::Keep},
};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    types::RDKafkaErrorCode,
};
use std::{
    ops::Range,
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

const BATCH_RECORDS: usize = 10_000;
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// How long nothing at all may arrive: longer than a transaction can stay open.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads the committed records of these offsets, on a thread of its own; the last batch stands at their end. The answer
/// ends with the channel.
#[must_use]
pub fn restore(
    config: &Config,
    partition: TopicPartition,
    offsets: Range<i64>,
) -> mpsc::Receiver<Result<Batch, ReaderError>> {
    let (sender, batches) = mpsc::channel(4);
    // Nobody ever joins: the client wants a group before it assigns partitions.
    let mut client = config.consumer("foldstream-restore", &config.prefix.group_of("restore-never-joined"));
    // Only an empty fetch tells that nothing but markers is left.
    client.set("fetch.wait.max.ms", "20");
    let topic = config.prefix.physical(partition.topic).into_owned();
    tokio::task::spawn_blocking(move || {
        let connected = client.create_with_context(Plain).map_err(|source| ReaderError::Connect { source });
        let read = connected.and_then(|consumer| read(&consumer, (partition, &topic), offsets, &sender));
        if let Err(error) = read {
            // Nobody listens any more when this fails.
            let _ = sender.blocking_send(Err(error));
        }
    });
    batches
}

fn read(
    consumer: &BaseConsumer<Plain>,
    (partition, topic): (TopicPartition, &str),
    offsets: Range<i64>,
    batches: &mpsc::Sender<Result<Batch, ReaderError>>,
) -> Result<(), ReaderError> {
    let unavailable = |source| ReaderError::Restore { source: Some(source) };
    let Range { start, end } = offsets;
    let mut batch = Batch::default();
    batch.stand(partition, start);
    if start < end {
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(topic, partition.partition, Offset::Offset(start)).map_err(unavailable)?;
        consumer.assign(&assignment).map_err(unavailable)?;
    }
    let keep = Keep { header: FOLD_VERSION, records: usize::MAX, reply_to: false };
    let mut stands = start;
    let mut heard = Instant::now();
    while stands < end {
        match consumer.poll(Duration::from_millis(50)) {
            Some(Ok(message)) => {
                heard = Instant::now();
                stands = message.offset() + 1;
                batch.push(partition.topic, &message, keep);
            }
            Some(Err(KafkaError::PartitionEOF(_))) | None => {
                // Only here the client may stand past records it does not show.
                let position = consumer.position().map_err(unavailable)?;
                if let Some(Offset::Offset(offset)) =
                    position.find_partition(topic, partition.partition).map(|element| element.offset())
                    && offset > stands
                {
                    heard = Instant::now();
                    stands = offset;
                    batch.stand(partition, stands);
                }
            }
            Some(Err(error @ KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset))) => {
                return Err(unavailable(error));
            }
            // Brokers come and go; patience decides.
            Some(Err(error)) => {
                foldstream_telemetry::debug!(error.message = %error, "a broker complained while state was restored")
            }
        }
        if heard.elapsed() > PATIENCE {
            return Err(ReaderError::Restore { source: None });
        }
        let full = batch.len() >= BATCH_RECORDS || batch.size() >= BATCH_BYTES;
        // Nobody listens any more when this fails.
        if full && batches.blocking_send(Ok(std::mem::take(&mut batch))).is_err() {
            return Ok(());
        }
    }
    // The last one may carry nothing but where the partition stands.
    let _ = batches.blocking_send(Ok(batch));
    Ok(())
}
