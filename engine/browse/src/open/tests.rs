//! What is taken in of partitions as their brokers answer, with room for all of it or for less.

use super::*;
use crate::{
    batches::tests::{encoded, record},
    stretch::{Keep, Looked, Room},
};
use kafka_protocol::records::Compression;
use proptest::{collection::vec, prelude::*};
use std::sync::Arc;

const MOST_BYTES: usize = usize::MAX;

fn stretch() -> Stretch {
    Stretch { partition: 3, start: 10, end: 20, stable_end: 20 }
}

fn everything(room: Room) -> Intake {
    Intake { keep: Arc::new(|_: &RecordView<'_>| Verdict::Wanted), looked: Arc::new(Looked::default()), room }
}

#[test]
fn what_retention_removes_meanwhile_is_named() {
    let begins_at = |low, open| {
        let answer = PartitionData::default()
            .with_partition_index(3)
            .with_error_code(ResponseError::OffsetOutOfRange.code())
            .with_log_start_offset(low);
        take_in(("t", MOST_BYTES), vec![open], vec![answer], &everything(Room::ENOUGH)).map(|mut open| open.remove(0))
    };
    let removed = |from, to| Gap { partition: 3, from, to };
    let open = begins_at(14, Open::at_the_start_of(stretch())).unwrap();
    assert_eq!((open.at, &open.removed[..]), (14, &[removed(10, 14)][..]));
    let open = begins_at(25, open).unwrap();
    assert_eq!((open.at, &open.removed[..]), (25, &[removed(10, 14), removed(14, 20)][..]));
    // The log ends before what was there a moment ago: another leader has less.
    assert!(matches!(begins_at(5, Open::at_the_start_of(stretch())), Err(BrowseError::Moved { .. })));
}

#[test]
fn behind_a_batch_that_cannot_be_read_the_rest_is_and_nothing_is_said_of_its_own() {
    let mut open = Open::at_the_start_of(stretch());
    let error = |offset, next_offset| BatchError { offset, reason: "damaged".to_owned(), next_offset };
    assert_eq!(open.pass(&error(12, None)), None);
    assert_eq!(open.pass(&error(4, Some(9))), None);
    assert_eq!(open.pass(&error(8, Some(12))), Some(()));
    assert_eq!(open.pass(&error(18, Some(25))), Some(()));
    let untold: Vec<_> = open.untold.iter().map(|untold| (untold.from, untold.to, untold.reason)).collect();
    let told_once = [(10, 12, Reason::Unreadable), (18, 20, Reason::Unreadable)];
    assert_eq!((untold, open.at), (told_once.to_vec(), 25));
    // For a tail, too, that is where the gaps are.
    let gap = |from, to| Gap { partition: 3, from, to };
    assert_eq!(open.into_read().gaps().collect::<Vec<_>>(), [gap(10, 12), gap(18, 20)]);
}

/// A partition of records of these sizes in batches of so many, a size of none being a gap; answers hold as many whole
/// batches as there were asked for, at least one.
struct Log {
    sizes: Vec<Option<usize>>,
    batch: usize,
    answer_bytes: usize,
}

impl Log {
    fn end(&self) -> i64 {
        i64::try_from(self.sizes.len()).unwrap()
    }

    fn answer(&self, at: i64) -> PartitionData {
        let (begin, mut bytes) = (usize::try_from(at).unwrap() / self.batch * self.batch, bytes::BytesMut::new());
        for first in (begin..self.sizes.len()).step_by(self.batch) {
            let offsets = first..self.sizes.len().min(first + self.batch);
            let there = offsets.filter_map(|offset| Some((i64::try_from(offset).unwrap(), self.sizes[offset]?)));
            let records: Vec<_> = there
                .map(|(offset, size)| kafka_protocol::records::Record {
                    value: Some(vec![7; size].into()),
                    ..record(offset, -1)
                })
                .collect();
            // Batches that end before are not sent.
            if records.last().is_some_and(|last| last.offset >= at) {
                bytes.extend_from_slice(&encoded(&records, Compression::None));
            }
            // As brokers do it: there is one batch at least, however few bytes are asked for.
            if !bytes.is_empty() && bytes.len() >= self.answer_bytes {
                break;
            }
        }
        PartitionData::default().with_partition_index(0).with_records(Some(bytes.freeze()))
    }

    /// Until the stretch is read, or there is no more room.
    fn read(&self, (start, end): (i64, i64), intake: &Intake) -> Read {
        let stretch = Stretch { partition: 0, start, end, stable_end: self.end() };
        let mut open = vec![Open::at_the_start_of(stretch)];
        while !open[0].is_read() {
            let answer = self.answer(open[0].at);
            open = take_in(("t", MOST_BYTES), open, vec![answer], intake).unwrap();
        }
        open.remove(0).into_read()
    }
}

proptest! {
    /// However heavy the records are: what is held of a stretch is no more than its room or one record, it is all that is
    /// wanted of the stretch as it is given back, and stretch by stretch that is everything.
    #[test]
    fn what_is_held_of_a_stretch_has_its_room(
        sizes in vec(prop_oneof![4 => (0..60usize).prop_map(Some), 1 => (500..4000usize).prop_map(Some), 1 => Just(None)], 1..60),
        (batch, answer_bytes) in (1..9usize, 0..3000usize),
        (room, newest, every) in (1..6000u64, any::<bool>(), 1..4i64),
    ) {
        // A mark at the end, so that the last batch reaches it.
        let sizes: Vec<_> = sizes.into_iter().chain([Some(1)]).collect();
        let log = Log { sizes, batch, answer_bytes };
        let order = if newest { crate::order::Order::Newest } else { crate::order::Order::Oldest };
        let keep: Keep = Arc::new(move |record: &RecordView<'_>| (record.offset % every == 0).into());
        let intake = Intake { keep, looked: Arc::default(), room: Room { order, bytes: room } };
        let (mut low, mut high, mut found) = (0, log.end(), Vec::new());
        while low < high {
            let read = log.read((low, high), &intake);
            let held: usize = read.records.iter().map(Record::bytes).sum();
            prop_assert!(held as u64 <= room || read.records.len() == 1, "{} in {}", held, room);
            prop_assert!(read.stretch.start < read.stretch.end);
            match order {
                Order::Newest => {
                    prop_assert_eq!(read.stretch.end, high);
                    high = read.stretch.start;
                }
                Order::Oldest => {
                    prop_assert_eq!(read.stretch.start, low);
                    low = read.stretch.end;
                }
            }
            let mut offsets: Vec<i64> = read.records.iter().map(|record| record.fetched.offset).collect();
            prop_assert!(offsets.iter().all(|offset| (read.stretch.start..read.stretch.end).contains(offset)));
            offsets.extend(std::mem::take(&mut found));
            found = offsets;
        }
        found.sort_unstable();
        let wanted: Vec<i64> = (0..).zip(&log.sizes).filter(|(offset, size)| size.is_some() && offset % every == 0).map(|(offset, _)| offset).collect();
        prop_assert_eq!(found, wanted);
    }

    /// What is not wanted is not held, but it is sent, and that has a bound, too.
    #[test]
    fn what_is_sent_of_a_stretch_has_a_bound(size in 100..400usize, room in 20..200u64, newest: bool) {
        let log = Log { sizes: vec![Some(size); 200], batch: 1, answer_bytes: 0 };
        let order = if newest { crate::order::Order::Newest } else { crate::order::Order::Oldest };
        let intake = Intake { keep: Arc::new(|_: &RecordView<'_>| Verdict::Other), looked: Arc::default(), room: Room { order, bytes: room } };
        let read = log.read((0, 200), &intake);
        let sent = intake.looked.bytes.load(Ordering::Relaxed);
        let batch = size as u64 + 100;
        prop_assert!(sent <= 3 * (intake.room.answered() + batch), "{} for {}", sent, room);
        prop_assert!(read.stretch.end - read.stretch.start >= 1);
    }
}
