//! Where a page ended: enough to go on exactly there, with nothing kept anywhere.
//!
//! The ends of the first page are pinned, so what arrives later belongs to no later page, and so are the times that
//! were asked for, because "since an hour ago" is another question a minute later. Bytes: the topic's id, the times,
//! then of each partition that has more its number, where to go on and its end, as varints.

use integer_encoding::VarInt;
use std::collections::BTreeMap;
use uuid::Uuid;

/// More partitions than a topic of any sense has.
const MOST_PARTITIONS: u64 = 100_000;
/// So much more is their number where the time of the question follows it.
const ASKED_AT: u64 = 1 << 20;

/// Partitions that are not in it have nothing more.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    pub topic_id: Uuid,
    pub times: Times,
    pub partitions: BTreeMap<i32, PlaceIn>,
}

/// What the times came to that were asked for, milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Times {
    pub since_ms: Option<i64>,
    pub until_ms: Option<i64>,
    /// When it was asked, where a condition speaks of an age.
    pub asked_at_ms: Option<i64>,
}

/// Where to go on in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlaceIn {
    /// Newest first: records before this offset are to come; oldest first: from this one on.
    pub at: i64,
    /// The end of the partition when the first page was made.
    pub end: i64,
}

impl Place {
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.topic_id.as_bytes().to_vec();
        let Times { since_ms, until_ms, asked_at_ms } = self.times;
        // Zero stands for none, so a time is one more.
        let of_time = |time: Option<i64>| time.map_or(0, |time| time.unsigned_abs() + 1);
        put(&mut bytes, of_time(since_ms));
        put(&mut bytes, of_time(until_ms));
        let count = self.partitions.len() as u64;
        match asked_at_ms {
            None => put(&mut bytes, count),
            asked_at_ms => {
                put(&mut bytes, count + ASKED_AT);
                put(&mut bytes, of_time(asked_at_ms));
            }
        }
        for (partition, place) in &self.partitions {
            put(&mut bytes, u64::from(partition.unsigned_abs()));
            put(&mut bytes, place.at.unsigned_abs());
            put(&mut bytes, place.end.unsigned_abs());
        }
        bytes
    }

    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (topic_id, mut rest) = bytes.split_first_chunk::<16>()?;
        let mut time = || Some(take(&mut rest)?.checked_sub(1).and_then(|time| i64::try_from(time).ok()));
        let (since_ms, until_ms) = (time()?, time()?);
        let count = take(&mut rest)?;
        let (count, asked_at_ms) = match count.checked_sub(ASKED_AT) {
            None => (count, None),
            Some(count) => {
                let asked_at_ms = take(&mut rest)?.checked_sub(1)?;
                (count, Some(i64::try_from(asked_at_ms).ok()?))
            }
        };
        if count > MOST_PARTITIONS {
            return None;
        }
        let mut partitions = BTreeMap::new();
        for _ in 0..count {
            let partition = i32::try_from(take(&mut rest)?).ok()?;
            let mut offset = || i64::try_from(take(&mut rest)?).ok();
            partitions.insert(partition, PlaceIn { at: offset()?, end: offset()? });
        }
        let times = Times { since_ms, until_ms, asked_at_ms };
        rest.is_empty().then_some(Self { topic_id: Uuid::from_bytes(*topic_id), times, partitions })
    }
}

fn put(bytes: &mut Vec<u8>, number: u64) {
    bytes.extend(number.encode_var_vec());
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let (number, size) = u64::decode_var(bytes)?;
    *bytes = &bytes[size..];
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::btree_map, option, prelude::*};

    fn places() -> impl Strategy<Value = Place> {
        let place = (0..=i64::MAX, 0..=i64::MAX).prop_map(|(at, end)| PlaceIn { at, end });
        let times = (option::of(0..i64::MAX), option::of(0..i64::MAX), option::of(0..i64::MAX));
        (any::<u128>(), times, btree_map(0..=i32::MAX, place, 0..30)).prop_map(
            |(id, (since_ms, until_ms, asked_at_ms), partitions)| Place {
                topic_id: Uuid::from_u128(id),
                times: Times { since_ms, until_ms, asked_at_ms },
                partitions,
            },
        )
    }

    /// Whoever has a cursor of an older process goes on with it.
    #[test]
    fn a_place_without_the_time_of_its_question_is_written_as_ever() {
        let times = Times { since_ms: Some(5), ..Times::default() };
        let place = Place { topic_id: Uuid::nil(), times, partitions: [(3, PlaceIn { at: 7, end: 9 })].into() };
        assert_eq!(place.to_bytes(), [&[0; 16][..], &[6, 0, 1, 3, 7, 9]].concat());
    }

    proptest! {
        #[test]
        fn reads_as_it_was_written(place in places()) {
            prop_assert_eq!(Place::from_bytes(&place.to_bytes()), Some(place));
        }

        #[test]
        fn no_shorter_and_no_longer_bytes_are_a_place(place in places(), more: u8) {
            let mut bytes = place.to_bytes();
            for length in 0..bytes.len() {
                prop_assert_ne!(Place::from_bytes(&bytes[..length]), Some(place.clone()));
            }
            bytes.push(more);
            prop_assert_eq!(Place::from_bytes(&bytes), None);
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = Place::from_bytes(&bytes);
        }
    }
}
