//! The rules of a lane, one at a time, and a whole life of one: arrivals, results, commits, crashes, in any order.

use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

fn arrival(offset: i64, key: &str) -> Arrival<i64> {
    Arrival { offset, key: Some(key.as_bytes().to_vec()), bytes: 100, record: offset }
}

fn lane() -> Lane<i64> {
    Lane::resume(Progress::at(0))
}

fn starts(lane: &mut Lane<i64>, now_ms: i64) -> Vec<(i64, u32)> {
    std::iter::from_fn(|| lane.start(now_ms)).map(|start| (start.offset, start.attempt)).collect()
}

fn commit(lane: &mut Lane<i64>) {
    lane.commit();
    lane.committed();
}

#[test]
fn a_record_goes_out_only_when_the_one_before_it_of_its_key_is_committed() {
    let mut lane = lane();
    [arrival(0, "a"), arrival(1, "a"), arrival(2, "b")].into_iter().for_each(|arrival| lane.take(arrival));
    assert_eq!(starts(&mut lane, 0), [(0, 1), (2, 1)]);
    lane.settle(0);
    assert_eq!(starts(&mut lane, 0), []);
    assert_eq!(lane.commit().next_offset, 1, "what is settled is to be committed");
    lane.settle(2);
    assert_eq!(starts(&mut lane, 0), []);
    lane.committed();
    assert_eq!(starts(&mut lane, 0), [(1, 1)]);
}

#[test]
fn a_key_that_waits_holds_back_itself_alone() {
    let mut lane = lane();
    [arrival(0, "a"), arrival(1, "a"), arrival(2, "b")].into_iter().for_each(|arrival| lane.take(arrival));
    assert_eq!(starts(&mut lane, 0), [(0, 1), (2, 1)]);
    lane.retry(0, 50);
    lane.settle(2);
    commit(&mut lane);
    lane.take(arrival(3, "b"));
    assert_eq!(starts(&mut lane, 49), [(3, 1)]);
    assert_eq!(lane.next_due_ms(), Some(50));
    let progress = lane.progress();
    assert_eq!((progress.next_offset, progress.reached), (0, 4));
    assert_eq!(starts(&mut lane, 50), [(0, 2)]);
}

#[test]
fn a_partition_without_room_goes_on_when_there_is_some() {
    let mut lane = lane();
    let keys = i64::try_from(MOST_OPEN_KEYS).unwrap();
    (0..keys + 2).for_each(|offset| lane.take(arrival(offset, &offset.to_string())));
    assert!(lane.is_full());
    lane.stand(keys + 5);
    assert_eq!(lane.progress().reached, keys);
    assert_eq!(starts(&mut lane, 0).len(), MOST_OPEN_KEYS);
    lane.settle(3);
    commit(&mut lane);
    assert!(lane.is_full());
    assert_eq!(starts(&mut lane, 0), [(keys, 1)]);
    lane.settle(5);
    commit(&mut lane);
    assert!(!lane.is_full());
    assert_eq!(lane.progress().reached, keys + 5);
}

#[test]
fn records_of_one_key_are_bounded_in_bytes() {
    let mut lane = lane();
    let large = |offset| Arrival { bytes: MOST_QUEUED_BYTES, ..arrival(offset, "a") };
    lane.take(large(0));
    assert!(!lane.is_full(), "one record must find room, however large");
    lane.take(large(1));
    assert!(lane.is_full());
    assert_eq!(lane.progress().reached, 1);
}

#[test]
fn the_next_owner_goes_on_where_the_last_one_was() {
    let mut lane = lane();
    for (offset, key) in [(0, "done"), (1, "tried"), (2, "done"), (3, "tried"), (4, "out"), (5, "done")] {
        lane.take(arrival(offset, key));
    }
    starts(&mut lane, 0);
    lane.settle(0);
    lane.retry(1, 500);
    commit(&mut lane);
    starts(&mut lane, 0);
    lane.settle(2);
    commit(&mut lane);
    starts(&mut lane, 0);
    lane.settle(5);
    let left = lane.progress();
    assert_eq!((left.next_offset, left.reached), (1, 6));

    let mut lane = Lane::resume(left.clone());
    for (offset, key) in [(1, "tried"), (2, "done"), (3, "tried"), (4, "out")] {
        lane.take(arrival(offset, key));
        assert_eq!(starts(&mut lane, 1000), [], "not all is read again");
        assert_eq!(lane.progress(), left);
    }
    // The last record the other one had read is gone: the partition stands behind it all the same.
    lane.stand(6);
    assert_eq!(starts(&mut lane, 499), [(4, 1)]);
    assert_eq!(starts(&mut lane, 500), [(1, 2)]);
    lane.settle(1);
    commit(&mut lane);
    assert_eq!(starts(&mut lane, 500), [(3, 1)]);
}

#[test]
fn a_first_record_that_was_compacted_away_takes_nothing_with_it() {
    let open = OpenKey { key: KeyHash::of(&Some(b"a".to_vec())), offset: 2, attempts: 7, due_ms: Some(900) };
    let mut lane = Lane::resume(Progress { next_offset: 2, reached: 9, open: vec![open] });
    lane.take(arrival(5, "b"));
    lane.take(arrival(7, "a"));
    lane.take(arrival(9, "b"));
    assert_eq!(starts(&mut lane, 0), [(7, 1), (9, 1)], "5 is done, 7 is another record than the one that was tried");
}

/// A world around a lane: a log, an outside that counts, a committed progress, and owners that come and go.
struct World {
    log: Vec<String>,
    committed: Progress,
    lane: Lane<i64>,
    read: i64,
    now_ms: i64,
    out: Vec<i64>,
    delivered: Vec<i64>,
    settled_and_committed: HashMap<i64, u32>,
    settled: Vec<i64>,
    /// A commit that is under way, and what it settles.
    under_way: Option<(Progress, Vec<i64>)>,
}

#[derive(Debug, Clone)]
enum Move {
    Read(usize),
    Start,
    Settle(usize),
    Retry(usize, i64),
    Commit,
    Committed,
    /// Whether the commit that is under way happened all the same.
    Crash(bool),
    Wait(i64),
}

impl World {
    fn new(log: Vec<String>) -> Self {
        Self {
            log,
            committed: Progress::at(0),
            lane: lane(),
            read: 0,
            now_ms: 0,
            out: Vec::new(),
            delivered: Vec::new(),
            settled_and_committed: HashMap::new(),
            settled: Vec::new(),
            under_way: None,
        }
    }

    fn read(&mut self, records: usize) {
        for _ in 0..records {
            let Some(key) = self.log.get(usize::try_from(self.read).unwrap()) else { return };
            self.lane.take(arrival(self.read, key));
            self.read += 1;
        }
    }

    fn start(&mut self) {
        let Some(start) = self.lane.start(self.now_ms) else { return };
        let key = |offset: i64| &self.log[usize::try_from(offset).unwrap()];
        let earlier = (0..start.offset).filter(|offset| key(*offset) == key(start.offset));
        for offset in earlier {
            assert!(self.settled_and_committed.contains_key(&offset), "{} is out before {offset}", start.offset);
        }
        assert!(!self.settled_and_committed.contains_key(&start.offset), "{} goes out though it is done", start.offset);
        assert!(!self.out.contains(&start.offset), "{} is out twice", start.offset);
        self.delivered.push(start.offset);
        self.out.push(start.offset);
    }

    fn commit(&mut self) {
        if self.under_way.is_none() {
            let progress = self.lane.commit();
            assert_eq!(Progress::of(&progress.note()), progress);
            assert!(progress.open.len() <= MOST_OPEN_KEYS);
            self.under_way = Some((progress, std::mem::take(&mut self.settled)));
        }
    }

    /// The brokers have it.
    fn happened(&mut self) -> bool {
        let Some((progress, settled)) = self.under_way.take() else { return false };
        self.committed = progress;
        for offset in settled {
            let times = self.settled_and_committed.entry(offset).or_default();
            *times += 1;
            assert_eq!(*times, 1, "{offset} was answered twice");
        }
        true
    }

    fn crash(&mut self, happened: bool) {
        if happened {
            self.happened();
        }
        self.under_way = None;
        self.lane = Lane::resume(self.committed.clone());
        self.read = self.committed.next_offset;
        self.out.clear();
        self.settled.clear();
    }

    fn make(&mut self, step: &Move) {
        match step {
            Move::Read(records) => self.read(*records),
            Move::Start => self.start(),
            Move::Settle(which) if !self.out.is_empty() => {
                let offset = self.out.remove(which % self.out.len());
                self.lane.settle(offset);
                self.settled.push(offset);
            }
            Move::Retry(which, pause_ms) if !self.out.is_empty() => {
                let offset = self.out.remove(which % self.out.len());
                self.lane.retry(offset, self.now_ms + pause_ms);
            }
            Move::Settle(_) | Move::Retry(..) => {}
            Move::Commit => self.commit(),
            Move::Committed => {
                if self.happened() {
                    self.lane.committed();
                }
            }
            Move::Crash(happened) => self.crash(*happened),
            Move::Wait(pause_ms) => self.now_ms += pause_ms,
        }
    }
}

fn step() -> impl Strategy<Value = Move> {
    prop_oneof![
        3 => (1..20usize).prop_map(Move::Read),
        6 => Just(Move::Start),
        4 => (0..100usize).prop_map(Move::Settle),
        2 => (0..100usize, 1..50i64).prop_map(|(which, pause_ms)| Move::Retry(which, pause_ms)),
        2 => Just(Move::Commit),
        2 => Just(Move::Committed),
        1 => any::<bool>().prop_map(Move::Crash),
        2 => (1..40i64).prop_map(Move::Wait),
    ]
}

proptest! {
    #[test]
    fn every_record_is_settled_once_in_the_order_of_its_key_whatever_happens(
        log in prop::collection::vec("[a-f]", 0..60),
        steps in prop::collection::vec(step(), 0..300),
    ) {
        let mut world = World::new(log.clone());
        steps.iter().for_each(|step| world.make(step));
        // From here on nothing fails any more.
        for _ in 0..4 * log.len() + 4 {
            [Move::Read(log.len()), Move::Wait(50)].iter().for_each(|step| world.make(step));
            (0..log.len()).for_each(|_| world.start());
            while !world.out.is_empty() {
                world.make(&Move::Settle(0));
            }
            [Move::Commit, Move::Committed].iter().for_each(|step| world.make(step));
        }
        let all = i64::try_from(log.len()).unwrap();
        prop_assert_eq!(world.settled_and_committed.len(), log.len());
        prop_assert_eq!(&world.committed, &Progress::at(all));
        prop_assert!((0..all).all(|offset| world.delivered.contains(&offset)));
    }
}
