//! The records that processors wrote because of a record, and what followed from those.
//!
//! A processor is asked only once it has passed the record: then all it wrote because of it is committed. It either
//! decides on a record, or puts it aside on a topic that is keyed otherwise: so the partitions of the same number are
//! searched first, and all others only if nothing is there.

use crate::{
    config::LookingConfig,
    effects::rows::{RowResource, rows_of},
    freshness::places::{Places, places},
    http::{place::message_link, problem::Problem},
    state::Api,
};
use foldstream_events::CATALOGUE;
use foldstream_log::{CAUSE, FetchedRecord, Flow, Position, ServiceKind, Topic, TopicPartition};
use futures::future::{BoxFuture, try_join_all};
use serde::Serialize;
use std::{
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    time::{Duration, Instant},
};
use utoipa::ToSchema;

/// A message, what it led to, and the rows it made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Effects {
    #[schema(example = "person-commands:3:17")]
    position: String,
    topic: String,
    /// The full name of the event; absent where the record carries none
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "foldstream.people.RegisterPerson")]
    r#type: Option<String>,
    /// Where the message itself is served
    #[schema(example = "/messages/person-commands/3/17")]
    message: String,
    /// The message that led to this one
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    /// The services that write records because of it, and whether they have come that far
    processors: Vec<Processor>,
    /// The records they wrote because of it. The states of processors are of many records and not among them; nor is
    /// what compaction or retention removed
    #[schema(no_recursion)]
    led_to: Vec<Effects>,
    /// What each projection that reads the topic made of it
    rows: Vec<RowResource>,
    /// False only when `led_to`, or that of a record in it, may lack something
    complete: bool,
    /// Which bound was met where `led_to` may: `depth`, `records`, `bytes`, `time` (or too much lies between), or `client`,
    /// which has had too much read
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    cut: Option<Cut>,
}

/// Which bound was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Cut {
    Depth,
    Records,
    Time,
    Bytes,
    Client,
}

impl Effects {
    fn new(record: &FetchedRecord) -> Self {
        let position = record.position();
        let cause: Option<Position> = record.text_header(CAUSE).and_then(|cause| cause.parse().ok());
        Self {
            message: message_link(&position),
            position: position.to_string(),
            topic: position.topic,
            r#type: record.text_header("ce_type").map(str::to_owned),
            cause: cause.as_ref().map(message_link),
            processors: Vec::new(),
            led_to: Vec::new(),
            rows: Vec::new(),
            complete: true,
            cut: None,
        }
    }

    fn cut(&mut self, cut: Cut) {
        (self.complete, self.cut) = (false, self.cut.or(Some(cut)));
    }
}

/// A service that writes records because of others.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Processor {
    #[schema(example = "people-processor")]
    service: &'static str,
    /// `passed`: what it made of the message is in the log; `not_yet`: it has not come that far
    #[schema(example = "passed")]
    state: &'static str,
    /// Where it goes on
    #[schema(example = "person-commands:3:18")]
    next: String,
    /// How many offsets it still has to pass, with this one
    #[serde(skip_serializing_if = "Option::is_none")]
    behind: Option<i64>,
}

/// What one answer may cost.
pub(super) struct Budget {
    deadline: Instant,
    most_depth: u32,
    records_left: AtomicUsize,
    bytes_left: AtomicU64,
    look: foldstream_browse::Budget,
    is_overdrawn: AtomicBool,
}

impl Budget {
    pub(super) fn new(config: &LookingConfig, look: foldstream_browse::Budget) -> Self {
        Self {
            deadline: Instant::now() + Duration::from_millis(config.effects_ms),
            most_depth: config.effects_depth,
            records_left: AtomicUsize::new(config.effects_records),
            bytes_left: AtomicU64::new(look.bytes),
            look,
            is_overdrawn: AtomicBool::new(false),
        }
    }

    fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Takes one record, if there may be one more.
    fn take(&self) -> bool {
        self.records_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    /// Takes what was read.
    fn charge(&self, bytes: u64) {
        let less = |left: u64| Some(left.saturating_sub(bytes));
        let _ = self.bytes_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        if !(self.look.client)(bytes) {
            self.is_overdrawn.store(true, Ordering::Relaxed);
        }
    }

    /// Why nothing more is searched, so deep.
    fn spent(&self, depth: u32) -> Option<Cut> {
        match () {
            () if depth >= self.most_depth => Some(Cut::Depth),
            () if self.is_overdrawn.load(Ordering::Relaxed) => Some(Cut::Client),
            () if self.bytes_left.load(Ordering::Relaxed) == 0 => Some(Cut::Bytes),
            () if self.records_left.load(Ordering::Relaxed) == 0 => Some(Cut::Records),
            () if self.time_left().is_zero() => Some(Cut::Time),
            () => None,
        }
    }
}

/// Everything that followed from a record so far, which itself follows from the one that is asked for through so many others.
pub(super) fn effects_of<'a>(
    api: &'a Api,
    record: FetchedRecord,
    (budget, depth): (&'a Budget, u32),
) -> BoxFuture<'a, Result<Effects, Problem>> {
    Box::pin(async move {
        let mut effects = Effects::new(&record);
        effects.rows = rows_of(api, &record).await?;
        // Of a topic that is not declared nothing follows.
        let Some(topic) = CATALOGUE.topic(&record.topic) else { return Ok(effects) };
        let reading = api.parts.flows.iter().filter(|flow| flow.reads.contains(&topic.name));
        for flow in reading.filter(|flow| flow.kind == ServiceKind::Processor) {
            let processor = standing(api, flow, topic, &record).await?;
            if processor.behind.is_none() {
                if let Some(cut) = budget.spent(depth) {
                    effects.cut(cut);
                } else {
                    let found = written_by(api, flow, &record, budget).await?;
                    if !found.complete {
                        effects.cut(Cut::Time);
                    }
                    for caused in found.records {
                        if !budget.take() {
                            effects.cut(Cut::Records);
                            break;
                        }
                        effects.led_to.push(effects_of(api, caused, (budget, depth + 1)).await?);
                    }
                }
            }
            effects.processors.push(processor);
        }
        effects.complete &= effects.led_to.iter().all(|caused| caused.complete);
        Ok(effects)
    })
}

/// Whether a processor has passed a record.
async fn standing(api: &Api, flow: &Flow, topic: &'static Topic, record: &FetchedRecord) -> Result<Processor, Problem> {
    let committed = api.arrival.following.lookups.committed(flow.service, topic).await?;
    let partition = usize::try_from(record.partition).unwrap_or_default();
    let next_offset = committed.get(partition).map_or(0, |committed| committed.next_offset);
    let behind = record.offset + 1 - next_offset;
    Ok(Processor {
        service: flow.service,
        state: if behind > 0 { "not_yet" } else { "passed" },
        next: Position { offset: next_offset, ..record.position() }.to_string(),
        behind: (behind > 0).then_some(behind),
    })
}

/// What a processor wrote because of a record it has passed.
struct Found {
    records: Vec<FetchedRecord>,
    complete: bool,
}

async fn written_by(api: &Api, flow: &Flow, record: &FetchedRecord, budget: &Budget) -> Result<Found, Problem> {
    let Places { near, far } = places(flow, &record.topic, record.partition);
    let found = search(api, flow, record, &near, budget).await?;
    match found.records.is_empty() {
        true => {
            let more = search(api, flow, record, &far, budget).await?;
            Ok(Found { records: more.records, complete: found.complete && more.complete })
        }
        false => Ok(found),
    }
}

async fn search(
    api: &Api,
    flow: &Flow,
    record: &FetchedRecord,
    places: &[TopicPartition],
    budget: &Budget,
) -> Result<Found, Problem> {
    let searches = places.iter().map(|place| async move {
        let causes = record.position().into();
        let found = api.parts.browse.brokers().caused_by(flow.service, *place, &causes, budget.time_left()).await;
        let found = found.map_err(Problem::from)?;
        budget.charge(found.looked_at.bytes);
        Ok::<_, Problem>(found)
    });
    let found = try_join_all(searches).await?;
    let complete = found.iter().all(|caused| caused.complete);
    Ok(Found { records: found.into_iter().flat_map(|caused| caused.records).collect(), complete })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget() -> Budget {
        let config = LookingConfig { effects_records: 3, effects_depth: 2, ..LookingConfig::default() };
        Budget::new(
            &config,
            foldstream_browse::Budget { bytes: 100, ..foldstream_browse::Budget::of_time(Duration::ZERO) },
        )
    }

    #[test]
    fn a_budget_ends() {
        let budget = budget();
        assert_eq!(budget.spent(0), None);
        assert_eq!((0..8).filter(|_| budget.take()).count(), 3);
        assert_eq!(budget.spent(0), Some(Cut::Records));
    }

    #[test]
    fn what_is_searched_is_bounded_in_depth_and_bytes_and_by_what_the_client_has_left() {
        let mut budget = budget();
        assert_eq!((budget.spent(1), budget.spent(2)), (None, Some(Cut::Depth)));
        budget.charge(99);
        assert_eq!(budget.spent(0), None);
        budget.charge(99);
        assert_eq!(budget.spent(0), Some(Cut::Bytes));
        budget.look.client = std::sync::Arc::new(|_| false);
        budget.charge(1);
        assert_eq!(budget.spent(0), Some(Cut::Client));
    }
}
