//! Batches against what the fold makes of them.

use super::*;
use foldstream_log::Recorded;
use foldstream_log::{DeadLettersEvent, RecordRefused};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Keeps the offsets it saw; refuses offset 13, halts at offset 17.
struct Offsets;

impl Projection for Offsets {
    type Event = DeadLettersEvent;
    type Changes = Vec<(i32, i64)>;
    const NAME: &'static str = "offsets";

    fn apply(changes: &mut Self::Changes, record: &Recorded<DeadLettersEvent>) -> Step {
        match record.offset {
            13 => Step::DeadLetter("unlucky".to_owned()),
            17 => Step::Halt("too new".to_owned()),
            offset => {
                changes.push((record.partition, offset));
                Step::Applied
            }
        }
    }

    fn erases(record: &Recorded<DeadLettersEvent>) -> bool {
        record.event.is_none()
    }
}

fn partition(partition: i32) -> TopicPartition {
    TopicPartition { topic: "dead-letters", partition }
}

fn entry(number: i32, offset: i64) -> Entry<DeadLettersEvent> {
    keyed(number, offset, "ada")
}

fn keyed(number: i32, offset: i64, key: &str) -> Entry<DeadLettersEvent> {
    let event = RecordRefused {
        event_id: foldstream_log::derived_event_id("test"),
        origin: key.to_owned(),
        occurred_at: Default::default(),
        service: String::new(),
        topic: String::new(),
        partition: 0,
        offset: 0,
        key: None,
        value: None,
        headers: Vec::new(),
        reason: String::new(),
    };
    Entry {
        partition: partition(number),
        offset,
        appended_at_ms: 1000 + offset,
        index: usize::try_from(offset).unwrap(),
        header: None,
        reply_to: None,
        decoded: Decoded::Event(Recorded {
            topic: "dead-letters",
            partition: number,
            offset,
            appended_at_ms: 1000 + offset,
            key: key.to_owned(),
            // Offset 23 erases its key.
            event: (offset != 23).then(|| event.into()),
        }),
    }
}

/// The key of an entry; of one that could not be decoded none.
fn key_of(entry: &Entry<DeadLettersEvent>) -> Option<&[u8]> {
    match &entry.decoded {
        Decoded::Event(record) => Some(record.key.as_bytes()),
        _ => None,
    }
}

fn folded<'a>(
    entries: &'a [Entry<DeadLettersEvent>],
    next: &HashMap<TopicPartition, i64>,
    ends: &[PartitionEnd],
) -> Folded<'a, Vec<(i32, i64)>> {
    fold::<Offsets>(entries, key_of, Before { next, parked: &ParkedKeys::default(), ended: &HashSet::new() }, ends)
}

#[test]
fn what_was_folded_or_is_not_ours_is_left_out() {
    let entries = [entry(0, 4), entry(0, 5), entry(1, 9), entry(0, 8)];
    let next = HashMap::from([(partition(0), 5)]);
    let folded = folded(&entries, &next, &[PartitionEnd { partition: partition(1), next_offset: 10 }]);
    assert_eq!(folded.changes, [(0, 5), (0, 8)]);
    assert_eq!(folded.advances, [Advance { partition: partition(0), start: 5, end: 9, appended_at_ms: Some(1008) }]);
}

#[test]
fn a_halt_stops_its_partition_before_the_record_and_no_other() {
    let entries = [entry(0, 16), entry(0, 17), entry(0, 18), entry(1, 16)];
    let next = HashMap::from([(partition(0), 16), (partition(1), 0)]);
    let ends = [PartitionEnd { partition: partition(0), next_offset: 19 }];
    let folded = folded(&entries, &next, &ends);
    assert_eq!(folded.changes, [(0, 16), (1, 16)]);
    assert_eq!(folded.advances[0].end, 17);
    assert_eq!(folded.halted, [(partition(0), "dead-letters:0:17: too new".to_owned())]);
}

#[test]
fn an_end_moves_a_position_past_what_is_never_shown() {
    let next = HashMap::from([(partition(0), 16), (partition(1), 3)]);
    let ends = [
        PartitionEnd { partition: partition(0), next_offset: 19 },
        PartitionEnd { partition: partition(1), next_offset: 3 },
    ];
    let folded = folded(&[], &next, &ends);
    assert_eq!(folded.advances, [Advance { partition: partition(0), start: 16, end: 19, appended_at_ms: None }]);
}

#[test]
fn a_dead_letter_parks_its_key_in_its_partition_and_no_other() {
    let entries = [keyed(0, 13, "ada"), keyed(0, 14, "bob"), keyed(0, 15, "ada"), keyed(1, 15, "ada")];
    let next = HashMap::from([(partition(0), 0), (partition(1), 0)]);
    let folded = folded(&entries, &next, &[]);
    assert_eq!(folded.changes, [(0, 14), (1, 15)]);
    let parked: Vec<_> = folded.parked.iter().map(|parked| (parked.index, parked.behind)).collect();
    assert_eq!(parked, [(15, Behind::New)]);
    assert_eq!(folded.keys, [KeyChange { partition: partition(0), key: b"ada".to_vec(), parked: true }]);
    assert_eq!(folded.advances[0].end, 16, "parked records are passed");
}

#[test]
fn a_record_without_a_key_parks_nothing() {
    let mut nameless = entry(0, 12);
    nameless.decoded = Decoded::Poison("the record has no key".to_owned());
    let entries = [nameless, entry(0, 14)];
    let next = HashMap::from([(partition(0), 0)]);
    let folded = folded(&entries, &next, &[]);
    assert_eq!((folded.changes, folded.dead.len()), (vec![(0, 14)], 1));
    assert!(folded.parked.is_empty() && folded.keys.is_empty());
}

#[test]
fn a_record_that_a_newer_version_could_use_waits_like_the_others_of_its_key() {
    let mut parked = ParkedKeys::default();
    parked.change(&KeyChange { partition: partition(0), key: b"ada".to_vec(), parked: true });
    let entries = [keyed(0, 17, "ada"), keyed(0, 18, "bob")];
    let next = HashMap::from([(partition(0), 0)]);
    let folded =
        fold::<Offsets>(&entries, key_of, Before { next: &next, parked: &parked, ended: &HashSet::new() }, &[]);
    assert_eq!(folded.changes, [(0, 18)]);
    assert_eq!(folded.parked[0].behind, Behind::Stored);
    assert!(folded.halted.is_empty());
}

#[test]
fn an_erasure_does_not_wait_and_drops_what_does() {
    let entries =
        [keyed(0, 13, "ada"), keyed(0, 20, "ada"), keyed(0, 21, "bob"), keyed(0, 23, "ada"), keyed(0, 24, "ada")];
    let next = HashMap::from([(partition(0), 0)]);
    let folded = folded(&entries, &next, &[]);
    assert_eq!(folded.changes, [(0, 21), (0, 23), (0, 24)]);
    assert!(folded.dead.is_empty() && folded.parked.is_empty());
    assert_eq!(folded.released, [(partition(0), &b"ada"[..])]);
    assert_eq!(folded.erased, ["ada"]);
    assert_eq!(folded.keys, [KeyChange { partition: partition(0), key: b"ada".to_vec(), parked: false }]);
}

#[test]
fn of_a_key_that_ended_what_cannot_be_used_is_not_kept_and_nothing_waits_behind_it() {
    let entries = [keyed(0, 13, "ada"), keyed(0, 14, "ada"), keyed(1, 13, "bob"), keyed(1, 14, "bob")];
    let next = HashMap::from([(partition(0), 0), (partition(1), 0)]);
    let ended = HashSet::from([b"ada".to_vec()]);
    let before = Before { next: &next, parked: &ParkedKeys::default(), ended: &ended };
    let folded = fold::<Offsets>(&entries, key_of, before, &[]);
    assert_eq!((folded.changes, folded.dropped), (vec![(0, 14)], 1));
    assert_eq!(folded.dead.iter().map(|dead| dead.place.1).collect::<Vec<_>>(), [Some(&b"bob"[..])]);
    assert_eq!(folded.parked.iter().map(|parked| parked.place.1).collect::<Vec<_>>(), [Some(&b"bob"[..])]);
    assert_eq!(folded.advances[0].end, 15, "what is not kept is passed");
}

/// What became of each record, by partition and offset, and the state between two slices.
#[derive(Debug, Default, PartialEq)]
struct Fates {
    applied: BTreeSet<(i32, i64)>,
    dead: Vec<(String, usize)>,
    /// In the order in which they were parked.
    parked: Vec<(String, usize)>,
}

impl Fates {
    /// Takes a slice as the store would.
    fn take(
        &mut self,
        entries: &[Entry<DeadLettersEvent>],
        next: &mut HashMap<TopicPartition, i64>,
        parked: &mut ParkedKeys,
    ) {
        let folded = fold::<Offsets>(entries, key_of, Before { next, parked, ended: &HashSet::new() }, &[]);
        let name = |(partition, key): Place<'_>| format!("{partition} {}", String::from_utf8_lossy(key.unwrap()));
        for released in &folded.released {
            let released = name((released.0, Some(released.1)));
            self.dead.retain(|(key, _)| *key != released);
            self.parked.retain(|(key, _)| *key != released);
        }
        self.applied.extend(folded.changes);
        self.dead.extend(folded.dead.iter().map(|dead| (name(dead.place), dead.index)));
        self.parked.extend(folded.parked.iter().map(|parked| (name(parked.place), parked.index)));
        folded.keys.iter().for_each(|change| parked.change(change));
        next.extend(folded.advances.iter().map(|advance| (advance.partition, advance.end)));
        next.retain(|partition, _| !folded.halted.iter().any(|(halted, _)| halted == partition));
    }

    fn sorted(mut self) -> Self {
        self.dead.sort_unstable();
        self.parked.sort_by(|one, other| one.0.cmp(&other.0));
        self
    }
}

proptest! {
    /// Folding slice by slice, wherever it is cut, comes to the same as folding at once; a record delivered
    /// twice counts once.
    #[test]
    fn cuts_and_repeats_change_nothing(
        offsets in prop::collection::vec((0..3i32, 0..40i64, 0..3usize), 0..80),
        cuts in prop::collection::vec(0..80usize, 0..4),
    ) {
        let entries = entries(offsets);
        let start: HashMap<_, _> = (0..3).map(|number| (partition(number), 0)).collect();
        let (mut whole, mut glued) = (Fates::default(), Fates::default());
        whole.take(&entries, &mut start.clone(), &mut ParkedKeys::default());
        let (mut next, mut parked) = (start, ParkedKeys::default());
        let mut cuts = cuts;
        cuts.sort_unstable();
        // Each slice starts over from the beginning: everything before its cut is a repeat.
        for cut in cuts.into_iter().chain([entries.len()]) {
            glued.take(&entries[..cut.min(entries.len())], &mut next, &mut parked);
        }
        prop_assert_eq!(glued.sorted(), whole.sorted());
    }

    /// After its dead letter nothing of a key is applied and everything of it is parked, in order, up to a record
    /// that ends it; every other key is as if there were no dead letter.
    #[test]
    fn a_key_waits_and_the_others_do_not(offsets in prop::collection::vec((0..3i32, 0..40i64, 0..3usize), 0..80)) {
        // Without the halt, which stops partitions.
        let entries: Vec<_> = entries(offsets).into_iter().filter(|entry| entry.offset != 17).collect();
        let mut next: HashMap<_, _> = (0..3).map(|number| (partition(number), 0)).collect();
        let mut fates = Fates::default();
        fates.take(&entries, &mut next, &mut ParkedKeys::default());
        for number in 0..3 {
            for key in KEYS {
                let of_key = entries.iter().filter(|entry| {
                    entry.partition == partition(number) && key_of(entry) == Some(key.as_bytes())
                });
                let offsets: Vec<i64> = of_key.map(|entry| entry.offset).collect();
                let fails = offsets.iter().position(|offset| *offset == 13).unwrap_or(offsets.len());
                let erased = offsets.iter().position(|offset| *offset == 23).filter(|erased| *erased > fails);
                let waiting = match erased {
                    Some(_) => &[],
                    None => offsets.get(fails + 1..).unwrap_or_default(),
                };
                let live = offsets[..fails].iter().chain(&offsets[erased.unwrap_or(offsets.len())..]);
                let name = format!("{} {key}", partition(number));
                let parked: Vec<i64> = fates.parked.iter().filter(|(key, _)| *key == name)
                    .map(|(_, index)| i64::try_from(*index).unwrap()).collect();
                prop_assert_eq!(parked, waiting);
                for offset in live {
                    prop_assert!(fates.applied.contains(&(number, *offset)));
                }
                let dead = fates.dead.iter().filter(|(key, _)| *key == name).count();
                prop_assert_eq!(dead, usize::from(fails < offsets.len() && erased.is_none()));
            }
        }
        prop_assert_eq!(fates.applied.len() + fates.parked.len() + fates.dead.len() + dropped(&entries), entries.len());
    }
}

const KEYS: [&str; 3] = ["ada", "bob", "eve"];

/// Each partition's in the order of its offsets; an offset has one key.
fn entries(mut offsets: Vec<(i32, i64, usize)>) -> Vec<Entry<DeadLettersEvent>> {
    offsets.sort_unstable();
    offsets.dedup_by_key(|(number, offset, _)| (*number, *offset));
    offsets.iter().map(|(number, offset, key)| keyed(*number, *offset, KEYS[*key])).collect()
}

/// How many records were dropped because a later one of their key ended while it was parked.
fn dropped(entries: &[Entry<DeadLettersEvent>]) -> usize {
    let dropped = |entry: &&Entry<DeadLettersEvent>| {
        let same =
            |other: &&Entry<DeadLettersEvent>| other.partition == entry.partition && key_of(other) == key_of(entry);
        let at = |offset| entries.iter().filter(same).any(|other| other.offset == offset);
        at(13) && at(23) && (13..23).contains(&entry.offset)
    };
    entries.iter().filter(dropped).count()
}
