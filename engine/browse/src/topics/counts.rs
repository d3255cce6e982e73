//! What was appended to a topic lately, by the type of record.
//!
//! Every committed record of the last hour is looked at, unless there are too many for one answer; then those of the
//! last quarter of an hour, and so on. Whatever period was counted was counted in full, and the answer names it. Only
//! the frame of a value is read: the id of its schema stands for its type.

use super::{
    offsets::{Led, Offsets},
    state::TopicState,
};
use crate::{
    batches::RecordView,
    brokers::{Brokers, BrowseError, Layout},
    budget::{Budget, LookedAt},
    offsets::{End, Isolation},
    stretch::{Intake, Keep, Looked, Room, Stretch},
    uncompared::Verdict,
};
use chrono::{DateTime, TimeDelta, Utc};
use foldstream_log::{AnySchema, Framing, NoSchema, Part, Registry, SchemaId, Schemas, text};
use serde::Serialize;
use std::{
    cmp::Reverse,
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, timeout};

/// The periods that are tried, in seconds, the longest first: that is what is asked for.
const PERIODS: [i64; 6] = [3600, 900, 300, 60, 10, 1];
/// How many offsets are looked at for one answer.
const MOST_OFFSETS: i64 = 200_000;
/// How many bytes, as far as the size of the topic tells.
const MOST_BYTES: i64 = 64 * 1024 * 1024;
/// How long looking may take: half of it the first period, half of the rest the next one that is tried, and so on.
const MOST_TIME: Duration = Duration::from_secs(1);
/// How many types are told by name. What are no frames at all may look like as many as there are records.
const MOST_TYPES: usize = 50;
/// How long the registry may take over their names.
const NAMING: Duration = Duration::from_secs(1);
const TOMBSTONE: &str = "tombstone";
const TEXT: &str = "text";
const UNDECODABLE: &str = "undecodable";
const OTHER: &str = "other";

/// How many records of which type were appended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Every committed record that was appended from here on is counted.
    pub since: DateTime<Utc>,
    pub until: DateTime<Utc>,
    /// False when the last hour held too many records, or a partition could not be read: then `since` is later, or
    /// those of that partition are missing.
    pub complete: bool,
    pub records: u64,
    /// The most frequent first.
    pub types: Vec<TypeCount>,
    /// What was read from the brokers for it.
    #[serde(skip)]
    pub looked_at: LookedAt,
}

/// How many records of a type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TypeCount {
    /// The record's full name, `tombstone`, `text` (JSON is text, too), or `undecodable`; the schema where it is of no
    /// record, or the registry cannot be asked; `other` for all but the most frequent ones.
    pub r#type: String,
    pub records: u64,
}

/// What the frame of a value says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Frame {
    Tombstone,
    Text,
    Unframed,
    Schema(SchemaId),
}

type Seen = BTreeMap<Frame, u64>;

/// What one period may hold.
#[derive(Debug, Clone, Copy)]
struct Most {
    offsets: i64,
    bytes: i64,
}

impl Most {
    fn of(budget: &Budget) -> Self {
        let of = |most: i64, budget: u64| i64::try_from(budget).unwrap_or(i64::MAX).min(most);
        Self { offsets: of(MOST_OFFSETS, budget.records), bytes: of(MOST_BYTES, budget.bytes) }
    }
}

impl Brokers {
    /// What was appended to the topic in the last hour, as far as a budget goes.
    pub async fn counts(
        &self,
        topic: &TopicState,
        registry: &Registry,
        budget: &Budget,
    ) -> Result<Counts, BrowseError> {
        let (until, deadline) = (topic.asked_at, Instant::now() + MOST_TIME.min(budget.time));
        let most = Most::of(budget);
        let looked: Arc<Looked> = Arc::default();
        for seconds in PERIODS {
            let since = until - TimeDelta::seconds(seconds);
            let left = deadline.saturating_duration_since(Instant::now());
            match timeout(left / 2, self.seen_since(topic, since, (most, &looked))).await {
                Ok(Some(Ok((seen, all)))) => {
                    let complete = all && seconds == PERIODS[0];
                    let types = named(seen, registry).await;
                    let records = types.iter().map(|counted| counted.records).sum();
                    return Ok(Counts { since, until, complete, records, types, looked_at: looked.as_ref().into() });
                }
                Ok(Some(Err(error))) => return Err(error),
                // Too much, or too slow: a shorter period may do.
                Ok(None) | Err(_) => {}
            }
        }
        let looked_at = looked.as_ref().into();
        Ok(Counts { since: until, until, complete: false, records: 0, types: Vec::new(), looked_at })
    }

    /// What was appended from then on, and whether that is all; none when it is too much.
    async fn seen_since(
        &self,
        topic: &TopicState,
        since: DateTime<Utc>,
        (most, looked): (Most, &Arc<Looked>),
    ) -> Option<Result<(Seen, bool), BrowseError>> {
        let starts = self
            .offsets_of_topics(&Led::of(self, [topic]), End::Since(since.timestamp_millis(), Isolation::Committed))
            .await;
        let stretches = stretches(topic, &starts, most)?;
        let all = stretches.len() == topic.partitions.len();
        Some(self.seen(topic, &stretches, looked).await.map(|seen| (seen, all)))
    }

    async fn seen(&self, topic: &TopicState, stretches: &[Stretch], looked: &Arc<Looked>) -> Result<Seen, BrowseError> {
        let leaders = topic.partitions.iter().filter_map(|partition| Some((partition.partition, partition.leader?)));
        let layout = Layout {
            topic: topic.name.clone(),
            name: self.physical(&topic.name),
            id: topic.id,
            leaders: leaders.collect(),
        };
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let counting = seen.clone();
        let count: Keep = Arc::new(move |record: &RecordView<'_>| {
            if record.transaction.is_none() {
                let mut seen = counting.lock().unwrap_or_else(PoisonError::into_inner);
                *seen.entry(frame(record)).or_default() += 1;
            }
            Verdict::Other
        });
        let unread: Vec<Stretch> = stretches.iter().filter(|stretch| stretch.start < stretch.end).copied().collect();
        let intake = Intake { keep: count, looked: looked.clone(), room: Room::ENOUGH };
        self.read(&layout, &unread, &intake).await?;
        Ok(std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// What is to be read from these offsets on, of the partitions that can be; none when it is too much for one answer.
fn stretches(topic: &TopicState, starts: &Offsets, most: Most) -> Option<Vec<Stretch>> {
    let stretches: Vec<Stretch> = topic
        .partitions
        .iter()
        .filter_map(|partition| {
            let end = partition.last_stable_offset?;
            // Where no record is as young, there is nothing to read.
            let start = starts.get(&(topic.name.clone(), partition.partition)).copied()?;
            let start = if start < 0 { end } else { start.min(end) };
            Some(Stretch { partition: partition.partition, start, end, stable_end: end })
        })
        .collect();
    let wanted: i64 = stretches.iter().map(|stretch| stretch.end - stretch.start).sum();
    let bytes = wanted.saturating_mul(bytes_each(topic));
    (wanted <= most.offsets && bytes <= most.bytes).then_some(stretches)
}

/// How many bytes an offset of the topic takes on average.
fn bytes_each(topic: &TopicState) -> i64 {
    let each = topic.bytes.leaders.zip(topic.offsets()).and_then(|(bytes, offsets)| bytes.checked_div(offsets));
    each.unwrap_or(0).max(1)
}

fn frame(record: &RecordView<'_>) -> Frame {
    let Some(value) = record.value else { return Frame::Tombstone };
    match Framing::of(Part::Value, value, record.headers()) {
        Framing::Of { schema, .. } => Frame::Schema(schema),
        Framing::Bare | Framing::Foreign(_) if text(value).is_some() => Frame::Text,
        Framing::Bare | Framing::Foreign(_) => Frame::Unframed,
    }
}

/// The most frequent by name, the others as one.
async fn named(seen: Seen, registry: &Registry) -> Vec<TypeCount> {
    let mut seen: Vec<(Frame, u64)> = seen.into_iter().collect();
    seen.sort_by_key(|(frame, records)| (Reverse(*records), *frame));
    let rest: u64 = seen.split_off(seen.len().min(MOST_TYPES)).into_iter().map(|(_, records)| records).sum();
    let schemas = Schemas::new(registry.clone());
    let ids: Vec<SchemaId> = seen.iter().filter_map(|(frame, _)| frame.schema()).collect();
    // What is not known by then is told by its id.
    let _ = timeout(NAMING, schemas.look_up(ids)).await;
    let named = seen.into_iter().map(|(frame, records)| (type_of(frame, &schemas), records));
    let mut types: BTreeMap<String, u64> = BTreeMap::new();
    for (name, records) in named.chain((rest > 0).then(|| (OTHER.to_owned(), rest))) {
        *types.entry(name).or_default() += records;
    }
    let mut types: Vec<TypeCount> = types.into_iter().map(|(r#type, records)| TypeCount { r#type, records }).collect();
    types.sort_by_key(|counted| Reverse(counted.records));
    types
}

fn type_of(frame: Frame, schemas: &Schemas) -> String {
    let id = match frame {
        Frame::Tombstone => return TOMBSTONE.to_owned(),
        Frame::Text => return TEXT.to_owned(),
        Frame::Unframed => return UNDECODABLE.to_owned(),
        Frame::Schema(id) => id,
    };
    match schemas.get(id).map(|known| &known.schema) {
        Ok(AnySchema::Avro(schema)) if !schema.full_name.is_empty() => schema.full_name.clone(),
        Err(NoSchema::Absent(_)) => UNDECODABLE.to_owned(),
        _ => format!("schema {id}"),
    }
}

impl Frame {
    fn schema(self) -> Option<SchemaId> {
        match self {
            Self::Schema(id) => Some(id),
            Self::Tombstone | Self::Text | Self::Unframed => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topics::tests::{dead_letters, partition};
    use foldstream_log::FetchedRecord;

    const MOST: Most = Most { offsets: MOST_OFFSETS, bytes: MOST_BYTES };

    fn starts(of: &[(i32, i64)]) -> Offsets {
        of.iter().map(|(partition, start)| (("dead-letters".to_owned(), *partition), *start)).collect()
    }

    #[test]
    fn a_period_is_read_whole_or_not_at_all() {
        let topic = dead_letters(vec![partition(0, Some((0, 150_000))), partition(1, Some((5, 60_000)))]);
        assert!(stretches(&topic, &starts(&[(0, 0), (1, 5)]), MOST).is_none());
        let found = stretches(&topic, &starts(&[(0, 0), (1, -1)]), MOST).unwrap();
        let found: Vec<_> = found.iter().map(|found| (found.partition, found.start, found.end)).collect();
        assert_eq!(found, [(0, 0, 150_000), (1, 60_000, 60_000)], "in partition 1 nothing is as young");
        assert_eq!(stretches(&topic, &starts(&[(0, 149_000)]), MOST).unwrap().len(), 1, "partition 1 does not answer");
    }

    #[test]
    fn long_records_are_too_much_sooner() {
        let mut topic = dead_letters(vec![partition(0, Some((0, 10_000)))]);
        assert!(stretches(&topic, &starts(&[(0, 0)]), MOST).is_some());
        topic.bytes.leaders = Some(10_000 * 1_000_000);
        assert!(stretches(&topic, &starts(&[(0, 0)]), MOST).is_none());
        assert!(stretches(&topic, &starts(&[(0, 9_990)]), MOST).is_some());
        let less = Budget { bytes: 5_000_000, ..Budget::of_time(Duration::ZERO) };
        assert!(stretches(&topic, &starts(&[(0, 9_990)]), Most::of(&less)).is_none());
    }

    #[test]
    fn a_value_is_known_by_its_frame() {
        let of = |value: Option<&[u8]>| {
            let fetched = FetchedRecord {
                topic: "t".to_owned(),
                partition: 0,
                offset: 0,
                timestamp_ms: 0,
                key: None,
                value: value.map(<[u8]>::to_vec),
                headers: Vec::new(),
            };
            frame(&RecordView::of(&fetched, None))
        };
        assert_eq!(of(None), Frame::Tombstone);
        assert_eq!(of(Some(&[0, 0, 0, 0, 7, 1])), Frame::Schema(SchemaId::Number(7)));
        assert_eq!(of(Some(&[0, 0, 0, 7])), Frame::Unframed);
        for bytes in [&b""[..], b"no frame", b"{}"] {
            assert_eq!(of(Some(bytes)), Frame::Text);
        }
    }
}
