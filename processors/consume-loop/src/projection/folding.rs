//! Entries to one transaction: the fold of a slice of a batch. Pure.

use super::{Advance, Projection, Step};
use crate::decoding::{Decoded, Entry};
use foldstream_wire::{PartitionEnd, TopicPartition};
use std::collections::HashMap;

/// What the fold of a slice came to.
pub(crate) struct Folded<C> {
    pub(crate) changes: C,
    /// Index into the batch, and the reason.
    pub(crate) dead: Vec<(usize, String)>,
    pub(crate) advances: Vec<Advance>,
    /// Partitions that must not go further, and why.
    pub(crate) halted: Vec<(TopicPartition, String)>,
    pub(crate) applied: usize,
}

/// Folds entries whose partitions stand at `next`. Entries of partitions that are not there are left out (not ours any
/// more, or halted), as are entries before `next` (folded already). `ends` moves positions past what is never shown;
/// it is given with the last slice of a batch only.
pub(crate) fn fold<P: Projection>(
    entries: &[Entry<P::Event>],
    next: &HashMap<TopicPartition, i64>,
    ends: &[PartitionEnd],
) -> Folded<P::Changes> {
    let mut changes = P::Changes::default();
    let mut dead = Vec::new();
    let mut halted: HashMap<TopicPartition, String> = HashMap::new();
    let mut reached: HashMap<TopicPartition, Advance> = HashMap::new();
    let mut applied = 0;
    for entry in entries {
        let Some(start) = next.get(&entry.partition).copied().filter(|start| entry.offset >= *start) else { continue };
        if halted.contains_key(&entry.partition) {
            continue;
        }
        let step = match &entry.decoded {
            Decoded::Event(record) => P::apply(&mut changes, record),
            Decoded::Poison(reason) => Step::DeadLetter(reason.clone()),
            Decoded::Unknown(reason) => Step::Halt(reason.clone()),
        };
        match step {
            Step::Applied => applied += 1,
            Step::Skip => {}
            Step::DeadLetter(reason) => dead.push((entry.index, reason)),
            Step::Halt(reason) => {
                let reason = format!("{}:{}: {reason}", entry.partition, entry.offset);
                halted.insert(entry.partition, reason);
                continue;
            }
        }
        let advance = reached.entry(entry.partition).or_insert(Advance {
            partition: entry.partition,
            start,
            end: start,
            appended_at_ms: None,
        });
        advance.end = entry.offset + 1;
        advance.appended_at_ms = advance.appended_at_ms.max(Some(entry.appended_at_ms));
    }
    for end in ends {
        let Some(start) = next.get(&end.partition).copied() else { continue };
        if halted.contains_key(&end.partition) || end.next_offset <= start {
            continue;
        }
        let advance = reached.entry(end.partition).or_insert(Advance {
            partition: end.partition,
            start,
            end: start,
            appended_at_ms: None,
        });
        advance.end = advance.end.max(end.next_offset);
    }
    let mut advances: Vec<Advance> = reached.into_values().collect();
    // Always in the same order, so that two owners never wait for each other's rows crosswise.
    advances.sort_unstable_by_key(|advance| advance.partition);
    let mut halted: Vec<_> = halted.into_iter().collect();
    halted.sort_unstable();
    Folded { changes, dead, advances, halted, applied }
}

#[cfg(test)]
mod tests {
    use super::*;
    use foldstream_events::{Flow, LocationReported, LocationsEvent};
    use foldstream_wire::Recorded;
    use proptest::prelude::*;

    /// Keeps the offsets it saw; refuses offset 13, halts at offset 17.
    struct Offsets;

    impl Projection for Offsets {
        type Event = LocationsEvent;
        type Changes = Vec<(i32, i64)>;
        const FLOW: Flow = Flow { service: "offsets", reads: &["locations"], writes: &[], keeps_keys: true };

        fn apply(changes: &mut Self::Changes, record: &Recorded<LocationsEvent>) -> Step {
            match record.offset {
                13 => Step::DeadLetter("unlucky".to_owned()),
                17 => Step::Halt("too new".to_owned()),
                offset => {
                    changes.push((record.partition, offset));
                    Step::Applied
                }
            }
        }
    }

    fn partition(partition: i32) -> TopicPartition {
        TopicPartition { topic: "locations", partition }
    }

    fn entry(number: i32, offset: i64) -> Entry<LocationsEvent> {
        let event = LocationReported {
            event_id: foldstream_events::derived_event_id("test"),
            person_id: "ada".to_owned(),
            occurred_at: Default::default(),
            latitude: 0.0,
            longitude: 0.0,
            accuracy_m: None,
        };
        Entry {
            partition: partition(number),
            offset,
            appended_at_ms: 1000 + offset,
            index: 0,
            header: None,
            decoded: Decoded::Event(Recorded {
                topic: "locations",
                partition: number,
                offset,
                appended_at_ms: 1000 + offset,
                key: "ada".to_owned(),
                event: Some(event.into()),
            }),
        }
    }

    #[test]
    fn what_was_folded_or_is_not_ours_is_left_out() {
        let entries = [entry(0, 4), entry(0, 5), entry(1, 9), entry(0, 8)];
        let next = HashMap::from([(partition(0), 5)]);
        let folded = fold::<Offsets>(&entries, &next, &[PartitionEnd { partition: partition(1), next_offset: 10 }]);
        assert_eq!(folded.changes, [(0, 5), (0, 8)]);
        assert_eq!(
            folded.advances,
            [Advance { partition: partition(0), start: 5, end: 9, appended_at_ms: Some(1008) }]
        );
    }

    #[test]
    fn a_halt_stops_its_partition_before_the_record_and_no_other() {
        let entries = [entry(0, 16), entry(0, 17), entry(0, 18), entry(1, 16)];
        let next = HashMap::from([(partition(0), 16), (partition(1), 0)]);
        let ends = [PartitionEnd { partition: partition(0), next_offset: 19 }];
        let folded = fold::<Offsets>(&entries, &next, &ends);
        assert_eq!(folded.changes, [(0, 16), (1, 16)]);
        assert_eq!(folded.advances[0].end, 17);
        assert_eq!(folded.halted, [(partition(0), "locations:0:17: too new".to_owned())]);
    }

    #[test]
    fn an_end_moves_a_position_past_what_is_never_shown() {
        let next = HashMap::from([(partition(0), 16), (partition(1), 3)]);
        let ends = [
            PartitionEnd { partition: partition(0), next_offset: 19 },
            PartitionEnd { partition: partition(1), next_offset: 3 },
        ];
        let folded = fold::<Offsets>(&[], &next, &ends);
        assert_eq!(folded.advances, [Advance { partition: partition(0), start: 16, end: 19, appended_at_ms: None }]);
    }

    proptest! {
        /// Folding slice by slice, wherever it is cut, comes to the same as folding at once; a record delivered
        /// twice counts once.
        #[test]
        fn cuts_and_repeats_change_nothing(
            offsets in prop::collection::vec((0..3i32, 0..40i64), 0..60),
            cut in 0..60usize,
        ) {
            let mut sorted = offsets;
            sorted.sort_unstable();
            sorted.dedup();
            let entries: Vec<_> = sorted.iter().map(|(number, offset)| entry(*number, *offset)).collect();
            let start: HashMap<_, _> = (0..3).map(|number| (partition(number), 0)).collect();
            let whole = fold::<Offsets>(&entries, &start, &[]);

            let cut = cut.min(entries.len());
            let first = fold::<Offsets>(&entries[..cut], &start, &[]);
            let mut next = start.clone();
            for advance in &first.advances {
                next.insert(advance.partition, advance.end);
            }
            for (halted, _) in &first.halted {
                next.remove(halted);
            }
            // The second slice starts over from the beginning: everything before the cut is a repeat.
            let second = fold::<Offsets>(&entries, &next, &[]);
            let mut glued = first.changes;
            glued.extend(second.changes);
            glued.sort_unstable();
            let mut expected = whole.changes;
            expected.sort_unstable();
            prop_assert_eq!(glued, expected);
            prop_assert_eq!(first.dead.len() + second.dead.len(), whole.dead.len());
        }
    }
}
