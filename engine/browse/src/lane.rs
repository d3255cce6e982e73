//! The merge behind a page: a partition is a lane, and of the lanes' next records the newest (or oldest) is taken.
//!
//! Within a partition order is by offset; across partitions by (timestamp, partition, offset) of what comes next in
//! each. So a record can be taken only when the next one of every lane is known: a lane that has none at hand, and
//! something unread, is dry, and is read on before the merge goes on. Unless it cannot matter: where brokers stamp what
//! they append, whatever is still unread of a partition lies behind what was read of it in time too, and a dry lane
//! that has come past the record in question holds nothing up. So a filter that only one busy partition satisfies
//! does not have the others read to their beginnings.

use crate::{
    order::Order,
    place::PlaceIn,
    record::Record,
    stretch::{Stretch, Times, Untold},
    uncompared::Uncompared,
};
use foldstream_log::Position;
use serde::Serialize;
use std::{collections::VecDeque, sync::Arc};

/// Brokers' clocks differ: a record appended under another leader may lie this much before its place in time.
pub(crate) const CLOCKS_DIFFER_MS: i64 = 10_000;

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
    /// The farthest time that reading has come to, where times follow the offsets.
    come_to: Option<i64>,
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
        Self { partition, order, low, high, began, end, stable_end, come_to: None, records: VecDeque::new() }
    }

    pub(crate) fn is_read(&self) -> bool {
        self.low >= self.high
    }

    pub(crate) fn is_dry(&self) -> bool {
        self.records.is_empty() && !self.is_read()
    }

    /// Whether nothing that is still unread comes before a record of this time.
    fn is_past(&self, time_ms: i64) -> bool {
        self.come_to.is_some_and(|come_to| match self.order {
            Order::Newest => come_to.saturating_add(CLOCKS_DIFFER_MS) < time_ms,
            Order::Oldest => come_to.saturating_sub(CLOCKS_DIFFER_MS) > time_ms,
        })
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

    /// Takes in what was read of the stretch ahead, in the order of offsets, and what is known of the order of time.
    pub(crate) fn take_in(
        &mut self,
        stretch: &Stretch,
        times: Option<Times>,
        records: impl DoubleEndedIterator<Item = Arc<Record>>,
    ) {
        self.come_to = match self.order {
            Order::Newest => [self.come_to, times.map(|times| times.oldest)].into_iter().flatten().min(),
            Order::Oldest => [self.come_to, times.map(|times| times.newest)].into_iter().flatten().max(),
        };
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

/// What the merge does next.
#[derive(Debug)]
pub(crate) enum Next {
    Record(Arc<Record>),
    /// Nothing before these lanes, by their indices, are read on.
    Read(Vec<usize>),
    End,
}

/// Takes the record that comes next, or says what to read for it.
pub(crate) fn take_next(order: Order, lanes: &mut [Lane]) -> Next {
    let key = |lane: &Lane| {
        lane.records
            .front()
            .map(|record| (record.fetched.timestamp_ms, record.fetched.partition, record.fetched.offset))
    };
    let fronts = lanes.iter().enumerate().filter_map(|(index, lane)| Some((key(lane)?, index)));
    let dry = lanes.iter().filter(|lane| lane.is_dry()).filter_map(|lane| lane.come_to);
    let (next, least_far) = match order {
        Order::Newest => (fronts.max(), dry.max()),
        Order::Oldest => (fronts.min(), dry.min()),
    };
    // With nothing at hand, those go first that have come least far in time.
    let time = next.map(|((time, ..), _)| time).or(least_far);
    let in_the_way: Vec<_> = lanes
        .iter()
        .enumerate()
        .filter(|(_, lane)| lane.is_dry() && !time.is_some_and(|time| lane.is_past(time)))
        .map(|(index, _)| index)
        .collect();
    match next {
        _ if !in_the_way.is_empty() => Next::Read(in_the_way),
        Some((_, index)) => lanes[index].records.pop_front().map_or(Next::End, Next::Record),
        None => Next::End,
    }
}

/// What of this, each with its partition, lies in what is covered: the rest is read once more for the next page.
pub(crate) fn within(covered: &[Covered], untold: Vec<(i32, Untold)>, (order, topic): (Order, &str)) -> Uncompared {
    let in_covered = untold.into_iter().filter_map(|(partition, untold)| {
        let covered = covered.iter().find(|covered| covered.partition == partition)?;
        Some((partition, untold.within(&(covered.from..covered.to))?))
    });
    let mut untold: Vec<_> = in_covered.collect();
    untold.sort_unstable_by_key(|(partition, untold)| (untold.timestamp_ms, *partition, untold.from));
    if order == Order::Newest {
        untold.reverse();
    }
    let mut uncompared = Uncompared::default();
    for (partition, untold) in untold {
        let offset = match order {
            Order::Newest => untold.to - 1,
            Order::Oldest => untold.from,
        };
        uncompared.note_all(untold.count(), untold.reason, || Position { topic: topic.to_owned(), partition, offset });
    }
    uncompared
}

#[cfg(test)]
mod tests;
