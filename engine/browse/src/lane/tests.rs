//! The merge against a brute-force one, read in steps of any size and handed out in pages of any size.

use super::*;
use crate::uncompared::Reason;
use foldstream_log::FetchedRecord;
use proptest::{collection::vec, prelude::*};

/// A record that is there; offsets have gaps.
#[derive(Debug, Clone, Copy)]
struct There {
    offset: i64,
    time: i64,
    /// It passes the filter.
    wanted: bool,
    /// Nobody can tell whether it does.
    untold: bool,
}

type Log = Vec<Vec<There>>;

fn record(partition: i32, offset: i64, timestamp_ms: i64) -> Arc<Record> {
    let fetched = FetchedRecord {
        topic: "t".to_owned(),
        partition,
        offset,
        timestamp_ms,
        key: None,
        value: None,
        headers: Vec::new(),
    };
    Arc::new(Record { fetched, transaction: None })
}

/// Logs whose times are anything, or follow the offsets as far as brokers' clocks agree.
fn logs() -> impl Strategy<Value = (Log, bool)> {
    any::<bool>().prop_flat_map(|in_order_of_time| {
        let kind = (prop::bool::weighted(0.4), prop::bool::weighted(0.2));
        let step = (1..4i64, 0..20_000i64, 0..=CLOCKS_DIFFER_MS, kind);
        let partition = vec(step, 0..30).prop_map(move |steps| {
            let (mut next, mut clock) = (0, 0);
            let there = steps.into_iter().map(|(gap, time, behind, (wanted, untold))| {
                next += gap;
                clock += time;
                let time = if in_order_of_time { clock - behind } else { time / 1000 };
                There { offset: next - 1, time, wanted: wanted && !untold, untold }
            });
            there.collect()
        });
        (vec(partition, 1..6), Just(in_order_of_time))
    })
}

fn end_of(partition: &[There]) -> i64 {
    partition.last().map_or(0, |last| last.offset + 2)
}

fn lanes(log: &Log, order: Order, places: Option<&[(i32, PlaceIn)]>) -> Vec<Lane> {
    let lanes = log.iter().zip(0..).filter_map(|(partition, number)| {
        let end = end_of(partition);
        let (mut low, mut high) = (0, end);
        if let Some(places) = places {
            let (_, place) = places.iter().find(|(place, _)| *place == number)?;
            match order {
                Order::Newest => high = place.at,
                Order::Oldest => low = place.at,
            }
        }
        Some(Lane::new(order, number, (low, high), (end, end)))
    });
    lanes.collect()
}

/// A page, what could not be told on the way, and how many records were looked at for it.
struct Found {
    taken: Vec<(i32, i64)>,
    untold: Vec<(i32, Untold)>,
    looked_at: usize,
}

fn page((log, in_order_of_time): &(Log, bool), lanes: &mut [Lane], (order, limit, step): (Order, usize, i64)) -> Found {
    let mut found = Found { taken: Vec::new(), untold: Vec::new(), looked_at: 0 };
    while found.taken.len() < limit {
        let to_read = match take_next(order, lanes) {
            Next::Record(record) => {
                found.taken.push((record.fetched.partition, record.fetched.offset));
                continue;
            }
            Next::Read(to_read) => to_read,
            Next::End => break,
        };
        for lane in to_read {
            let stretch = lanes[lane].ahead(step);
            let there = log[stretch.partition as usize].iter();
            let within: Vec<_> = there.filter(|record| (stretch.start..stretch.end).contains(&record.offset)).collect();
            found.looked_at += within.len();
            let times = within.iter().map(|there| Times::at(there.time)).reduce(Times::and);
            let untold = within.iter().filter(|there| there.untold).map(|there| {
                let (from, timestamp_ms) = (there.offset, there.time);
                let untold = Untold { from, to: from + 1, timestamp_ms, reason: Reason::Unframed };
                (stretch.partition, untold)
            });
            found.untold.extend(untold);
            let wanted = within.iter().filter(|there| there.wanted);
            let records: Vec<_> = wanted.map(|there| record(stretch.partition, there.offset, there.time)).collect();
            lanes[lane].take_in(&stretch, times.filter(|_| *in_order_of_time), records.into_iter());
        }
    }
    found
}

fn brute_force(log: &Log, order: Order) -> Vec<(i32, i64)> {
    let mut rest: Vec<Vec<(i64, i32, i64)>> = log
        .iter()
        .zip(0..)
        .map(|(partition, number)| {
            let wanted = partition.iter().filter(|there| there.wanted);
            wanted.map(|there| (there.time, number, there.offset)).collect()
        })
        .collect();
    let mut merged = Vec::new();
    loop {
        let next = rest.iter().enumerate().filter_map(|(at, records)| match order {
            Order::Newest => Some((*records.last()?, at)),
            Order::Oldest => Some((*records.first()?, at)),
        });
        let next = match order {
            Order::Newest => next.max(),
            Order::Oldest => next.min(),
        };
        let Some(((_, partition, offset), at)) = next else { return merged };
        merged.push((partition, offset));
        match order {
            Order::Newest => drop(rest[at].pop()),
            Order::Oldest => drop(rest[at].remove(0)),
        }
    }
}

proptest! {
    #[test]
    fn pages_make_up_the_whole_merge(log in logs(), newest: bool, limit in 1..20usize, step in 1..12i64) {
        let order = if newest { Order::Newest } else { Order::Oldest };
        let mut places: Option<Vec<(i32, PlaceIn)>> = None;
        let (mut all, mut uncompared) = (Vec::new(), 0);
        loop {
            let mut lanes = lanes(&log.0, order, places.as_deref());
            let found = page(&log, &mut lanes, (order, limit, step));
            for lane in &lanes {
                let covered = lane.covered();
                let here = found.taken.iter().filter(|(partition, _)| *partition == covered.partition);
                let within = log.0[covered.partition as usize].iter().filter(|there| there.wanted && (covered.from..covered.to).contains(&there.offset));
                prop_assert_eq!(here.count(), within.count());
            }
            all.extend(found.taken);
            let covered: Vec<_> = lanes.iter().map(Lane::covered).collect();
            uncompared += within(&covered, found.untold, (order, "t")).count();
            let more: Vec<_> = lanes.iter().filter(|lane| lane.has_more()).map(|lane| (lane.partition, lane.place())).collect();
            if more.is_empty() {
                break;
            }
            places = Some(more);
        }
        prop_assert_eq!(all, brute_force(&log.0, order));
        // Each on one page, and none on two.
        let untold = log.0.iter().flatten().filter(|there| there.untold);
        prop_assert_eq!(uncompared, untold.count() as u64);
    }
}

/// A partition with a record each second, of which every hundredth is wanted, and one that is as long and has none.
#[test]
fn partitions_without_a_match_are_read_no_further_than_the_page_needs() {
    let partition = |every: Option<i64>| {
        let wanted = |offset| every.is_some_and(|every| offset % every == 0);
        (0..10_000)
            .map(|offset| There { offset, time: offset * 1000, wanted: wanted(offset), untold: false })
            .collect::<Vec<_>>()
    };
    for order in [Order::Newest, Order::Oldest] {
        let log = (vec![partition(Some(100)), partition(None)], true);
        let Found { taken: found, looked_at, .. } = page(&log, &mut lanes(&log.0, order, None), (order, 5, 16));
        assert_eq!(found, brute_force(&log.0, order)[..5]);
        assert!((800..1200).contains(&looked_at), "{order:?}: {looked_at}");
        let unordered = (log.0, false);
        let Found { taken: same, looked_at: all_of_one, .. } =
            page(&unordered, &mut lanes(&unordered.0, order, None), (order, 5, 16));
        assert_eq!(found, same);
        assert!(all_of_one > 10_000, "{order:?}: {all_of_one}");
    }
}
