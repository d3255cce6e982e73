//! A dead letter and what is parked behind it, folded again. Pure.
//!
//! Records are folded in order up to the first that fails; what is behind that one goes on waiting.

use super::{
    contract::{Action, Projection, RedriveRequest, Step},
    folding::ended_key,
};
use crate::decoding::Decoded;

/// What the fold of a piece of a queue came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refolded<C> {
    pub(crate) changes: C,
    /// How many of the records leave the queue, the one that failed included.
    pub(crate) leaving: usize,
    pub(crate) applied: usize,
    /// Keys that a record ended.
    pub(crate) erased: Vec<String>,
    /// Why the last of these failed.
    pub(crate) failed: Option<String>,
}

/// Folds what was asked for, `decoded` being its records.
pub(crate) fn refold<P: Projection>(request: &RedriveRequest, decoded: &[Decoded<P::Event>]) -> Refolded<P::Changes> {
    let mut changes = P::Changes::default();
    let (mut applied, mut erased) = (0, Vec::new());
    for (index, decoded) in decoded.iter().enumerate() {
        let is_dead_letter = index == 0 && !request.settled;
        let step = match (is_dead_letter, request.action) {
            (true, Action::Discard) => Step::Skip,
            (true, Action::Redrive) if request.is_overtaken() => Step::DeadLetter(
                "later records of its key were applied before keys were parked: it can only be discarded".to_owned(),
            ),
            _ => match decoded {
                Decoded::Event(record) => P::apply(&mut changes, record),
                Decoded::Poison(reason) => Step::DeadLetter(reason.clone()),
                // Its key waits anyway, so nothing is skipped by going on with the others.
                Decoded::Unknown(reason) => Step::Halt(reason.clone()),
            },
        };
        match step {
            Step::Applied => {
                applied += 1;
                erased.extend(ended_key::<P>(decoded).map(str::to_owned));
            }
            Step::Skip => {}
            Step::DeadLetter(reason) | Step::Halt(reason) => {
                return Refolded { changes, leaving: index + 1, applied, erased, failed: Some(reason) };
            }
        }
    }
    Refolded { changes, leaving: decoded.len(), applied, erased, failed: None }
}

impl<C: Default> Refolded<C> {
    /// The store refused the changes of the only record.
    pub(crate) fn refused(reason: String) -> Self {
        Self { changes: C::default(), leaving: 1, applied: 0, erased: Vec::new(), failed: Some(reason) }
    }
}

impl RedriveRequest {
    fn is_overtaken(&self) -> bool {
        self.key.is_some() && !self.parks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projection::StoredRecord;
    use foldstream_log::DeadLettersEvent;
    use foldstream_log::{Recorded, TopicPartition};
    use proptest::prelude::*;

    /// Keeps the offsets it saw.
    struct Offsets;

    impl Projection for Offsets {
        type Event = DeadLettersEvent;
        type Changes = Vec<i64>;
        const NAME: &'static str = "offsets";

        fn apply(changes: &mut Vec<i64>, record: &Recorded<DeadLettersEvent>) -> Step {
            changes.push(record.offset);
            Step::Applied
        }
    }

    const PLACE: TopicPartition = TopicPartition { topic: "dead-letters", partition: 0 };

    fn request(action: Action, records: usize) -> RedriveRequest {
        let records = (0..records).map(|offset| StoredRecord {
            offset: i64::try_from(offset).unwrap(),
            appended_at_ms: 0,
            value: None,
        });
        RedriveRequest {
            dead_letter: 7,
            action,
            partition: PLACE,
            offset: 0,
            settled: false,
            key: Some(b"ada".to_vec()),
            parks: true,
            records: records.collect(),
            more: false,
        }
    }

    fn decoded(good: &[bool]) -> Vec<Decoded<DeadLettersEvent>> {
        let one = |(offset, good): (i64, &bool)| match good {
            true => Decoded::Event(Recorded {
                topic: "dead-letters",
                partition: 0,
                offset,
                appended_at_ms: 0,
                key: "ada".to_owned(),
                event: None,
            }),
            false => Decoded::Poison(format!("bad {offset}")),
        };
        (0..).zip(good).map(one).collect()
    }

    proptest! {
        /// In order up to the first that fails; a discarded dead letter cannot fail.
        #[test]
        fn the_first_that_fails_is_the_last_to_leave(good in prop::collection::vec(prop::bool::weighted(0.8), 1..20), discard: bool) {
            let action = if discard { Action::Discard } else { Action::Redrive };
            let skipped = usize::from(discard);
            let refolded = refold::<Offsets>(&request(action, good.len()), &decoded(&good));
            let bad = good.iter().skip(skipped).position(|good| !good).map(|index| index + skipped);
            let applied = skipped..bad.unwrap_or(good.len());
            prop_assert_eq!(refolded.changes, applied.map(|index| i64::try_from(index).unwrap()).collect::<Vec<_>>());
            prop_assert_eq!(refolded.leaving, bad.map_or(good.len(), |bad| bad + 1));
            prop_assert_eq!(refolded.failed, bad.map(|bad| format!("bad {bad}")));
        }
    }

    #[test]
    fn a_settled_dead_letter_is_behind_us() {
        let mut two = request(Action::Discard, 2);
        two.settled = true;
        assert_eq!(refold::<Offsets>(&two, &decoded(&[true, true])).changes, [0, 1]);
    }

    #[test]
    fn what_was_overtaken_can_only_be_discarded() {
        let mut overtaken = request(Action::Redrive, 1);
        overtaken.parks = false;
        let refolded = refold::<Offsets>(&overtaken, &decoded(&[true]));
        assert!(refolded.changes.is_empty() && refolded.failed.unwrap().contains("discarded"));
        overtaken.action = Action::Discard;
        assert_eq!(refold::<Offsets>(&overtaken, &decoded(&[true])).failed, None);
    }
}
