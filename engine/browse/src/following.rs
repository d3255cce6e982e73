//! Following a topic as long as anyone listens: one long poll to each leader, and what it brings goes into the row.
//!
//! A leader that fails holds up its own partitions and no others. Partitions whose end could not be asked for when somebody
//! began to listen are taken up as soon as they have a leader that answers, with what was appended since then by its clock.

use crate::{
    batches::{BatchError, Batches, RecordView},
    brokers::{Brokers, BrowseError, Layout},
    connection::Connection,
    feed::{Arrived, Feed, Offsets, TakenUp},
    fetch::{Wanted, fetch_request},
    offsets::{End, Isolation},
    record::Record,
    settled::refusal,
    stretch::Gap,
    undecided::Undecided,
};
use foldstream_telemetry::names;
use futures::future::join_all;
use kafka_protocol::{ResponseError, messages::fetch_response::PartitionData};
use std::{collections::BTreeMap, sync::Weak, time::Duration};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

/// How long a broker holds a poll back when there is nothing new.
const POLL: Duration = Duration::from_millis(500);
const POLL_BYTES: i32 = 1024 * 1024;
const AFTER_FAILURE: Duration = Duration::from_millis(200);
/// How long a layout is believed while its leaders answer: no answer of theirs tells that a topic has grown.
const LAYOUT_LASTS: Duration = Duration::from_secs(2);

/// Fills the row of a topic.
pub(crate) struct Following {
    pub(crate) brokers: Brokers,
    /// Between two polls.
    pub(crate) pace: Duration,
    pub(crate) feed: Weak<Feed>,
}

impl Following {
    /// Follows a topic as long as anyone listens.
    pub(crate) async fn follow(self, mut layout: Layout) {
        while let Some(next) = self.follow_layout(&layout).await {
            layout = next;
        }
        // Nobody listens, or there is nothing to listen to.
        if let Some(listened) = self.feed.upgrade() {
            listened.end();
        }
    }

    /// Until the topic is laid out otherwise: gives how. None when nobody listens, and when the topic is gone.
    async fn follow_layout(&self, layout: &Layout) -> Option<Layout> {
        let failed = Notify::new();
        let following =
            layout.by_leader(layout.leaders.keys().copied()).into_iter().map(async |(leader, partitions)| {
                while let Err(failure) = self.follow_leader(layout, leader, &partitions).await {
                    foldstream_telemetry::debug!(
                        kafka.topic = layout.topic,
                        leader,
                        error = &failure as &dyn std::error::Error,
                        "following a leader failed"
                    );
                    failed.notify_one();
                    sleep(AFTER_FAILURE).await;
                }
            });
        let following = join_all(following);
        tokio::select! {
            _ = following => None,
            next = self.next_layout(layout, &failed) => next,
        }
    }

    /// The layout that follows this one. Partitions that are new in it are read from their beginning.
    async fn next_layout(&self, layout: &Layout, failed: &Notify) -> Option<Layout> {
        while self.feed.strong_count() > 0 {
            let _ = timeout(LAYOUT_LASTS, failed.notified()).await;
            match self.brokers.layout(&layout.topic).await {
                Ok(found) if found.id != layout.id => return None,
                Ok(found) if found != *layout => return Some(found),
                Err(BrowseError::UnknownTopic { .. }) => return None,
                // The same, or the brokers are away: they are asked again.
                Ok(_) | Err(_) => {}
            }
        }
        None
    }

    /// Until nobody listens, or the leader fails.
    async fn follow_leader(&self, layout: &Layout, leader: i32, partitions: &[i32]) -> Result<(), BrowseError> {
        self.take_up(layout, partitions).await?;
        // A poll waits, so it has a connection to itself.
        let mut connection: Connection = self.brokers.connect(leader).await?;
        loop {
            let Some(listened) = self.feed.upgrade() else { return Ok(()) };
            let at = listened.at();
            drop(listened);
            let offset = |partition: &i32| at.get(partition).copied().unwrap_or(0);
            let wanted = |partition| Wanted { partition, offset: offset(&partition), max_bytes: POLL_BYTES };
            let wanted = partitions.iter().copied().map(wanted).collect();
            let poll = i32::try_from(POLL.as_millis()).unwrap_or(i32::MAX);
            let request = fetch_request(layout, wanted, Isolation::Committed, poll);
            let answer = connection.call(&request, POLL + Duration::from_secs(5)).await?;
            if let Some(error) = refusal(&layout.topic, "to give records", answer.error_code) {
                return Err(error);
            }
            let Some(listened) = self.feed.upgrade() else { return Ok(()) };
            let topic = (layout.topic.as_str(), self.brokers.max_batch_bytes());
            let answers = answer.responses.into_iter().flat_map(|topic| topic.partitions);
            listened.append(taken_in(&at, topic, answers)?);
            drop(listened);
            sleep(self.pace).await;
        }
    }

    /// Where those are gone on with whose end nobody could tell before: with the first record that is as young as the
    /// listening, and with what comes next where there is none.
    async fn take_up(&self, layout: &Layout, partitions: &[i32]) -> Result<(), BrowseError> {
        let Some(at) = self.feed.upgrade().map(|listened| listened.at()) else { return Ok(()) };
        let mut waiting: BTreeMap<i64, Vec<i32>> = BTreeMap::new();
        for partition in partitions {
            if let Some(since) = at.get(partition).filter(|at| **at < 0) {
                waiting.entry(-since).or_default().push(*partition);
            }
        }
        for (since_ms, partitions) in waiting {
            let layout = layout.only(&partitions.into_iter().collect());
            // In this order: what is appended in between is as young.
            let ends = self.brokers.offsets(&layout, End::LastStable).await?;
            let young = self.brokers.offsets(&layout, End::Since(since_ms, Isolation::Committed)).await?;
            let from = |(partition, end): (i32, i64)| {
                let young = young.get(&partition).copied().filter(|young| *young >= 0);
                TakenUp { partition, from: young.map_or(end, |young| young.min(end)) }
            };
            let taken_up = ends.into_iter().map(from).collect();
            let Some(listened) = self.feed.upgrade() else { return Ok(()) };
            listened.append(Arrived { taken_up, ..Arrived::default() });
        }
        Ok(())
    }
}

/// What cannot be read is a gap, whether retention was quicker than the poll or a batch is damaged: a tail that stood still
/// there would show nothing of what follows, and not say so.
fn taken_in(
    before: &Offsets,
    (topic, most_bytes): (&str, usize),
    answers: impl Iterator<Item = PartitionData>,
) -> Result<Arrived, BrowseError> {
    let mut arrived = Arrived::default();
    let Arrived { records, moved, missed, stable, .. } = &mut arrived;
    for answer in answers {
        let partition = answer.partition_index;
        let from = before.get(&partition).copied().unwrap_or(0);
        if ResponseError::try_from_code(answer.error_code) == Some(ResponseError::OffsetOutOfRange) {
            // Retention was quicker than the poll, or the log is shorter than it was.
            let to = answer.log_start_offset;
            if to <= from {
                return Err(BrowseError::Moved { topic: topic.to_owned() });
            }
            moved.insert(partition, to);
            missed.push(Gap { partition, from, to });
            continue;
        }
        if let Some(error) = refusal(topic, "to give records", answer.error_code) {
            return Err(error);
        }
        stable.push(Undecided { partition, from: answer.last_stable_offset, to: answer.high_watermark });
        let batches = Batches::of(answer, i64::MAX, most_bytes);
        let take = |record: RecordView<'_>| {
            if record.transaction.is_none() {
                records.push(Record { fetched: record.to_fetched(topic, partition), transaction: None });
            }
        };
        match batches.read(from, i64::MAX, take, |_| {}) {
            Ok(None) => {}
            Ok(Some(next)) => drop(moved.insert(partition, next.max(from))),
            Err(BatchError { offset, next_offset: Some(next), reason }) if next > from => {
                foldstream_telemetry::warn!(
                    kafka.topic = topic,
                    kafka.partition = partition,
                    kafka.offset = offset,
                    error.message = reason,
                    "a batch cannot be read, a tail goes on behind it"
                );
                metrics::counter!(names::BROWSE_GAPS_TOTAL).increment(1);
                // Some of its records may have been handed over before it was cut off.
                records.retain(|record| record.fetched.partition != partition || record.fetched.offset < offset);
                moved.insert(partition, next);
                missed.push(Gap { partition, from: offset.max(from), to: next });
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(arrived)
}
