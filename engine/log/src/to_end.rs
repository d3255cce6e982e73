//! Reading a partition from an offset to its end, in batches: how state is restored.
//!
//! The end is the *uncommitted* one. A reader of committed records is told the last stable offset, and the records of a
//! transaction that is committed but whose marker is still on its way lie behind it; so this reads until it stands
//! where the log ended when it began, which waits for that marker.

use crate::{Batch, BrowserError, TopicPartition, client_log::Plain, headers::FOLD_VERSION, reader::batch::Keep};
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

/// Reads the committed records of these offsets; the last batch stands at their end. Blocks.
pub(crate) fn read_to_end(
    consumer: &BaseConsumer<Plain>,
    partition: TopicPartition,
    offsets: Range<i64>,
    batches: &mpsc::Sender<Result<Batch, BrowserError>>,
) -> Result<(), BrowserError> {
    let unavailable =
        |source| BrowserError::Unavailable { doing: "reading a partition to its end", source: Some(source) };
    let Range { start, end } = offsets;
    let mut batch = Batch::default();
    batch.stand(partition, start);
    if start < end {
        let mut assignment = TopicPartitionList::new();
        assignment
            .add_partition_offset(partition.topic, partition.partition, Offset::Offset(start))
            .map_err(unavailable)?;
        consumer.assign(&assignment).map_err(unavailable)?;
    }
    let keep = Keep { header: FOLD_VERSION, records: usize::MAX };
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
                    position.find_partition(partition.topic, partition.partition).map(|element| element.offset())
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
            return Err(BrowserError::Unavailable { doing: "reading a partition to its end", source: None });
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
