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

/// Partitions that are not in it have nothing more.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    pub topic_id: Uuid,
    pub since_ms: Option<i64>,
    pub until_ms: Option<i64>,
    pub partitions: BTreeMap<i32, PlaceIn>,
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
        for time in [self.since_ms, self.until_ms] {
            // Zero stands for none, so a time is one more.
            put(&mut bytes, time.map_or(0, |time| time.unsigned_abs() + 1));
        }
        put(&mut bytes, self.partitions.len() as u64);
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
        let count = take(&mut rest).filter(|count| *count <= MOST_PARTITIONS)?;
        let mut partitions = BTreeMap::new();
        for _ in 0..count {
            let partition = i32::try_from(take(&mut rest)?).ok()?;
            let mut offset = || i64::try_from(take(&mut rest)?).ok();
            partitions.insert(partition, PlaceIn { at: offset()?, end: offset()? });
        }
        rest.is_empty().then_some(Self { topic_id: Uuid::from_bytes(*topic_id), since_ms, until_ms, partitions })
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
        let times = (option::of(0..i64::MAX), option::of(0..i64::MAX));
        (any::<u128>(), times, btree_map(0..=i32::MAX, place, 0..30)).prop_map(
            |(id, (since_ms, until_ms), partitions)| Place {
                topic_id: Uuid::from_u128(id),
                since_ms,
                until_ms,
                partitions,
            },
        )
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
