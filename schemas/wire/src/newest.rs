//! The newest records of a topic, over all partitions: a backwards merge from the last stable offsets.
//!
//! Within a partition order is by offset; across partitions the next record taken is the one with the greatest
//! (timestamp, partition, offset) among the partitions' next-older records. Our topics carry append times, so this is
//! the true newest N. Offsets have gaps, so a partition that yields too few records is read further back, twice as
//! far each time.

use crate::{
    browser::{BrowserError, FetchedRecord, Window, ranges, read_windows},
    client_log::Plain,
};
use rdkafka::consumer::BaseConsumer;
use serde::Serialize;
use std::time::Instant;

/// The newest records, newest first.
#[derive(Debug)]
pub struct NewestPage {
    pub records: Vec<FetchedRecord>,
    /// False only when time ran out before the page was proven to be the newest.
    pub complete: bool,
    pub covered: Vec<Covered>,
}

/// What a page says of a partition: it holds every record from `from` up to, not including, `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Covered {
    pub partition: i32,
    pub from: i64,
    pub to: i64,
    /// The last stable offset when the page was read.
    pub end: i64,
}

/// A partition read from its end towards its beginning.
struct Tail {
    partition: i32,
    low: i64,
    end: i64,
    /// Everything from here to `end` has been read.
    start: i64,
    /// Read but not taken, oldest first.
    records: Vec<FetchedRecord>,
}

impl Tail {
    /// Whether the next-older record is unknown: more must be read before the merge can go on.
    fn is_dry(&self) -> bool {
        self.records.is_empty() && self.start > self.low
    }

    /// The stretch before what was read.
    fn older(&self, count: i64) -> Window {
        Window { partition: self.partition, start: self.low.max(self.start - count), end: self.start }
    }

    fn covered(&self) -> Covered {
        let from = self.records.last().map_or(self.start, |untaken| untaken.offset + 1);
        Covered { partition: self.partition, from, to: self.end, end: self.end }
    }
}

pub(crate) fn newest(
    consumer: &BaseConsumer<Plain>,
    topic: &str,
    limit: usize,
    deadline: Instant,
) -> Result<NewestPage, BrowserError> {
    let mut tails: Vec<Tail> = ranges(consumer, topic)?
        .into_iter()
        .map(|range| Tail {
            partition: range.partition,
            low: range.low,
            end: range.end,
            start: range.end,
            records: Vec::new(),
        })
        .collect();
    let mut taken = Vec::with_capacity(limit);
    let mut step = i64::try_from(limit).unwrap_or(i64::MAX).max(16);
    let mut complete = true;
    loop {
        while taken.len() < limit && !tails.iter().any(Tail::is_dry) {
            let Some(record) = take_newest(&mut tails) else { break };
            taken.push(record);
        }
        let dry: Vec<Window> = tails.iter().filter(|tail| tail.is_dry()).map(|tail| tail.older(step)).collect();
        if taken.len() == limit || dry.is_empty() {
            break;
        }
        let read = read_windows(consumer, topic, &dry, deadline)?;
        if !read.complete {
            complete = false;
            break;
        }
        for window in dry {
            if let Some(tail) = tails.iter_mut().find(|tail| tail.partition == window.partition) {
                tail.start = window.start;
            }
        }
        for record in read.records {
            if let Some(tail) = tails.iter_mut().find(|tail| tail.partition == record.partition) {
                tail.records.push(record);
            }
        }
        step = step.saturating_mul(2);
    }
    Ok(NewestPage { records: taken, complete, covered: tails.iter().map(Tail::covered).collect() })
}

/// Takes the newest among the partitions' next-older records.
fn take_newest(tails: &mut [Tail]) -> Option<FetchedRecord> {
    let order = |record: &FetchedRecord| (record.timestamp_ms, record.partition, record.offset);
    tails
        .iter_mut()
        .filter(|tail| !tail.records.is_empty())
        .max_by_key(|tail| tail.records.last().map(order))?
        .records
        .pop()
}
