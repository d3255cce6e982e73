//! The merge behind a page: a partition is a lane, and of the lanes' next records the newest (or oldest) is taken.
//!
//! Within a partition order is by offset; across partitions by (timestamp, partition, offset) of what comes next in
//! each. So a record can be taken only when the next one of every lane is known: a lane that has none at hand, and
//! something unread, is dry, and is read on before the merge goes on.

use crate::{
    fetch::{Record, Stretch},
    place::PlaceIn,
};
use serde::Serialize;
use std::{collections::VecDeque, sync::Arc};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Order {
    /// Newest first: from the ends backwards.
    #[default]
    Newest,
    /// Oldest first: from the beginnings on.
    Oldest,
}

/// What a page says of a partition: of the records from `from` up to, not including, `to`, it holds every one that was
/// asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Covered {
    pub partition: i32,
    pub from: i64,
    pub to: i64,
    /// The end of the partition when the first page was made.
    pub end: i64,
}

#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) partition: i32,
    order: Order,
    /// Unread are the offsets from `low` up to, not including, `high`; reading moves one of them to the other.
    low: i64,
    high: i64,
    /// Where the page began.
    began: i64,
    end: i64,
    stable_end: i64,
    /// At hand, the next one in front.
    records: VecDeque<Arc<Record>>,
}

impl Lane {
    /// A lane over the offsets from `low` up to, not including, `high`.
    pub(crate) fn new(order: Order, partition: i32, (low, high): (i64, i64), (end, stable_end): (i64, i64)) -> Self {
        let low = low.min(high);
        let began = match order {
            Order::Newest => high,
            Order::Oldest => low,
        };
        Self { partition, order, low, high, began, end, stable_end, records: VecDeque::new() }
    }

    pub(crate) fn is_read(&self) -> bool {
        self.low >= self.high
    }

    pub(crate) fn is_dry(&self) -> bool {
        self.records.is_empty() && !self.is_read()
    }

    pub(crate) fn has_more(&self) -> bool {
        !self.records.is_empty() || !self.is_read()
    }

    /// The next so many offsets.
    pub(crate) fn ahead(&self, offsets: i64) -> Stretch {
        let (start, end) = match self.order {
            Order::Newest => (self.low.max(self.high.saturating_sub(offsets)), self.high),
            Order::Oldest => (self.low, self.high.min(self.low.saturating_add(offsets))),
        };
        Stretch { partition: self.partition, start, end, stable_end: self.stable_end }
    }

    /// Takes in what was read of the stretch ahead, in the order of offsets.
    pub(crate) fn take_in(&mut self, stretch: &Stretch, records: impl DoubleEndedIterator<Item = Arc<Record>>) {
        match self.order {
            Order::Newest => {
                self.high = stretch.start;
                self.records.extend(records.rev());
            }
            Order::Oldest => {
                self.low = stretch.end;
                self.records.extend(records);
            }
        }
    }

    /// The offset at which a next page goes on.
    pub(crate) fn at(&self) -> i64 {
        match (self.order, self.records.front()) {
            (Order::Newest, Some(next)) => next.fetched.offset + 1,
            (Order::Newest, None) => self.high,
            (Order::Oldest, Some(next)) => next.fetched.offset,
            (Order::Oldest, None) => self.low,
        }
    }

    pub(crate) fn place(&self) -> PlaceIn {
        PlaceIn { at: self.at(), end: self.end }
    }

    pub(crate) fn covered(&self) -> Covered {
        let (from, to) = match self.order {
            Order::Newest => (self.at(), self.began),
            Order::Oldest => (self.began, self.at()),
        };
        Covered { partition: self.partition, from, to, end: self.end }
    }
}

/// Takes the record that comes next; none when a lane is dry or all are empty.
pub(crate) fn take_next(order: Order, lanes: &mut [Lane]) -> Option<Arc<Record>> {
    if lanes.iter().any(Lane::is_dry) {
        return None;
    }
    let key = |lane: &&mut Lane| {
        lane.records
            .front()
            .map(|record| (record.fetched.timestamp_ms, record.fetched.partition, record.fetched.offset))
    };
    let lanes = lanes.iter_mut().filter(|lane| !lane.records.is_empty());
    let lane = match order {
        Order::Newest => lanes.max_by_key(key),
        Order::Oldest => lanes.min_by_key(key),
    };
    lane?.records.pop_front()
}

#[cfg(test)]
mod tests;
