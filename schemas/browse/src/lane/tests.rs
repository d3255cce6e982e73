//! The merge against a brute-force one, read in steps of any size and handed out in pages of any size.

use super::*;
use foldstream_wire::FetchedRecord;
use proptest::{collection::vec, prelude::*};

/// Of each partition the offsets and times of its records; offsets have gaps.
type Log = Vec<Vec<(i64, i64)>>;

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

fn logs() -> impl Strategy<Value = Log> {
    let partition = vec((1..4i64, 0..20i64), 0..30).prop_map(|steps| {
        let mut offset = 0;
        steps
            .into_iter()
            .map(|(gap, time)| {
                offset += gap;
                (offset - 1, time)
            })
            .collect()
    });
    vec(partition, 1..6)
}

fn end_of(partition: &[(i64, i64)]) -> i64 {
    partition.last().map_or(0, |(offset, _)| offset + 2)
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

fn page(log: &Log, lanes: &mut [Lane], (order, limit, step): (Order, usize, i64)) -> Vec<(i32, i64)> {
    let mut taken = Vec::new();
    while taken.len() < limit {
        if let Some(record) = take_next(order, lanes) {
            taken.push((record.fetched.partition, record.fetched.offset));
            continue;
        }
        let Some(dry) = lanes.iter_mut().find(|lane| lane.is_dry()) else { break };
        let stretch = dry.ahead(step);
        let within =
            log[stretch.partition as usize].iter().filter(|(offset, _)| (stretch.start..stretch.end).contains(offset));
        let records: Vec<_> = within.map(|(offset, time)| record(stretch.partition, *offset, *time)).collect();
        dry.take_in(&stretch, records.into_iter());
    }
    taken
}

fn brute_force(log: &Log, order: Order) -> Vec<(i32, i64)> {
    let mut rest: Vec<Vec<(i64, i32, i64)>> = log
        .iter()
        .zip(0..)
        .map(|(partition, number)| partition.iter().map(|(offset, time)| (*time, number, *offset)).collect())
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
        let mut all = Vec::new();
        loop {
            let mut lanes = lanes(&log, order, places.as_deref());
            let found = page(&log, &mut lanes, (order, limit, step));
            for lane in &lanes {
                let covered = lane.covered();
                let here = found.iter().filter(|(partition, _)| *partition == covered.partition);
                let within = log[covered.partition as usize].iter().filter(|(offset, _)| (covered.from..covered.to).contains(offset));
                prop_assert_eq!(here.count(), within.count());
            }
            all.extend(found);
            let more: Vec<_> = lanes.iter().filter(|lane| lane.has_more()).map(|lane| (lane.partition, lane.place())).collect();
            if more.is_empty() {
                break;
            }
            places = Some(more);
        }
        prop_assert_eq!(all, brute_force(&log, order));
    }
}
