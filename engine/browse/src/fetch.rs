//! Reading stretches of partitions, several at once: one fetch to each leader at a time, all leaders side by side.
//!
//! Offsets have gaps (markers, compaction), so a stretch is read when a batch reaches its end, or when there is no room for
//! more of it (`open.rs`). Records are looked at in the buffer they came in, on threads that may block; only those that are
//! kept are copied.

use crate::{
    at_length::at_length,
    brokers::{Brokers, BrowseError, Layout, PATIENCE},
    offsets::Isolation,
    open::{Open, take_in},
    settled::refusal,
    stretch::{Intake, Read, Stretch},
};
use bytes::Bytes;
use futures::future::try_join_all;
use kafka_protocol::messages::{
    FetchRequest,
    fetch_request::{FetchPartition, FetchTopic},
};
use tokio::task::spawn_blocking;

/// The most one answer of a broker may hold. A single batch may be longer and still comes whole.
const ANSWER_BYTES: i32 = 16 * 1024 * 1024;
const LEAST_PARTITION_BYTES: u64 = 16 * 1024;
const MOST_PARTITION_BYTES: u64 = 4 * 1024 * 1024;

impl Brokers {
    /// Reads all stretches, each of another partition, as far as there is room, and keeps what is wanted; aborted and
    /// undecided records are handed to `keep` as such.
    pub(crate) async fn read(
        &self,
        layout: &Layout,
        stretches: &[Stretch],
        intake: &Intake,
    ) -> Result<Vec<Read>, BrowseError> {
        let by_leader = layout.by_leader(stretches.iter().map(|stretch| stretch.partition));
        let reading = by_leader.into_iter().map(|(leader, partitions)| {
            let led = stretches.iter().filter(|stretch| partitions.contains(&stretch.partition));
            self.read_from(layout, leader, led.copied().map(Open::at_the_start_of).collect(), intake)
        });
        Ok(try_join_all(reading).await?.into_iter().flatten().collect())
    }

    async fn read_from(
        &self,
        layout: &Layout,
        leader: i32,
        mut open: Vec<Open>,
        intake: &Intake,
    ) -> Result<Vec<Read>, BrowseError> {
        let mut done = Vec::new();
        loop {
            let (read, rest): (Vec<_>, Vec<_>) = open.into_iter().partition(Open::is_read);
            done.extend(read.into_iter().map(Open::into_read));
            open = rest;
            // Whoever got nothing comes first, and the first batch of an answer always comes whole.
            open.sort_by_key(|open| std::cmp::Reverse(open.fruitless));
            let Some(first) = open.first() else { return Ok(done) };
            let isolation = first.isolation();
            let (bytes_each, most_bytes) = (intake.looked.bytes_each(), intake.room.at_once());
            let wanted = open.iter().filter(|open| open.isolation() == isolation).map(|open| Wanted {
                partition: open.stretch.partition,
                offset: open.at,
                max_bytes: bytes_for(open.stretch.end - open.at, bytes_each, most_bytes),
            });
            let request = fetch_request(layout, wanted.collect(), isolation, 0);
            let answer = self.ask_leader(layout, leader, &request, PATIENCE).await?;
            if let Some(error) = refusal(&layout.topic, "to give records", answer.error_code) {
                return Err(error);
            }
            let partitions: Vec<_> = answer.responses.into_iter().flat_map(|topic| topic.partitions).collect();
            let came =
                partitions.iter().filter_map(|partition| partition.records.as_ref()).map(Bytes::len).sum::<usize>();
            // What it came to so far tells more than what comes packed.
            let bytes = intake.looked.bytes() + came as u64;
            let (topic, most_bytes, intake) = (layout.topic.clone(), self.max_batch_bytes(), intake.clone());
            let take_in = move || take_in((&topic, most_bytes), open, partitions, &intake);
            open = spawn_blocking(move || at_length(bytes, take_in)).await.map_err(|_| BrowseError::Stopped)??;
        }
    }
}

/// Where a fetch begins in a partition.
pub(crate) struct Wanted {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) max_bytes: i32,
}

/// A fetch outside of any session: each is complete in itself. It waits so long for the first byte.
pub(crate) fn fetch_request(
    layout: &Layout,
    wanted: Vec<Wanted>,
    isolation: Isolation,
    max_wait_ms: i32,
) -> FetchRequest {
    let partitions = wanted.into_iter().map(|wanted| {
        FetchPartition::default()
            .with_partition(wanted.partition)
            .with_fetch_offset(wanted.offset)
            .with_partition_max_bytes(wanted.max_bytes)
    });
    let topic = FetchTopic::default()
        .with_topic(layout.name.clone())
        .with_topic_id(layout.id)
        .with_partitions(partitions.collect());
    FetchRequest::default()
        .with_max_wait_ms(max_wait_ms)
        .with_min_bytes(i32::from(max_wait_ms > 0))
        .with_max_bytes(ANSWER_BYTES)
        .with_isolation_level(isolation.level())
        .with_topics(vec![topic])
}

/// How much to ask for so many offsets: a little more than they take, so that one answer is enough, and no more than there is
/// room for.
fn bytes_for(offsets: i64, bytes_each: u64, room: u64) -> i32 {
    let bytes = offsets.unsigned_abs().saturating_mul(bytes_each).saturating_mul(5) / 4;
    i32::try_from(bytes.min(room).clamp(LEAST_PARTITION_BYTES, MOST_PARTITION_BYTES)).unwrap_or(i32::MAX)
}
