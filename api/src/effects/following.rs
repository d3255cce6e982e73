//! The records that processors wrote because of a record, and what followed from those.
//!
//! A processor is asked only once it has passed the record: then all it wrote because of it is committed. It either
//! decides on a record, or puts it aside on a topic that is keyed otherwise: so the partitions of the same number are
//! searched first, and all others only if nothing is there.

use crate::{
    effects::rows::{RowResource, rows_of},
    freshness::places::{Places, places},
    http::{place::message_link, problem::Problem},
    state::Api,
};
use foldstream_browse::Caused;
use foldstream_events::CATALOGUE;
use foldstream_log::{CAUSE, FetchedRecord, Flow, Position, ServiceKind, Topic, TopicPartition};
use futures::future::{BoxFuture, try_join_all};
use serde::Serialize;
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};
use utoipa::ToSchema;

/// How long all searches of a request may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many records one answer holds.
const MOST_RECORDS: usize = 200;

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
    /// False only when `led_to` may lack something: time was up, or there was too much
    complete: bool,
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
        }
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
    records_left: AtomicUsize,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self { deadline: Instant::now() + PATIENCE, records_left: AtomicUsize::new(MOST_RECORDS) }
    }

    fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Takes one record, if there may be one more.
    fn take(&self) -> bool {
        self.records_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}

/// Everything that followed from a record so far.
pub(super) fn effects_of<'a>(
    api: &'a Api,
    record: FetchedRecord,
    budget: &'a Budget,
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
                let found = written_by(api, flow, &record, budget).await?;
                effects.complete &= found.complete;
                for caused in found.records {
                    if !budget.take() {
                        effects.complete = false;
                        break;
                    }
                    effects.led_to.push(effects_of(api, caused, budget).await?);
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
async fn written_by(api: &Api, flow: &Flow, record: &FetchedRecord, budget: &Budget) -> Result<Caused, Problem> {
    let Places { near, far } = places(flow, &record.topic, record.partition);
    let found = search(api, flow, record, &near, budget).await?;
    match found.records.is_empty() {
        true => search(api, flow, record, &far, budget)
            .await
            .map(|more| Caused { records: more.records, complete: found.complete && more.complete }),
        false => Ok(found),
    }
}

async fn search(
    api: &Api,
    flow: &Flow,
    record: &FetchedRecord,
    places: &[TopicPartition],
    budget: &Budget,
) -> Result<Caused, Problem> {
    let searches = places.iter().map(|place| async move {
        let causes = record.position().into();
        let found = api.parts.browse.brokers().caused_by(flow.service, *place, &causes, budget.time_left()).await;
        found.map_err(Problem::from)
    });
    let found = try_join_all(searches).await?;
    let complete = found.iter().all(|caused| caused.complete);
    Ok(Caused { records: found.into_iter().flat_map(|caused| caused.records).collect(), complete })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_ends() {
        let budget = Budget::new();
        assert_eq!((0..MOST_RECORDS + 5).filter(|_| budget.take()).count(), MOST_RECORDS);
    }
}
