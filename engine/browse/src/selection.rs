//! Records that were found once and are to be found again: those of a page, exactly, or none.
//!
//! A selection is small, whatever the records weigh: which stretches the page covered, how many records of them it held,
//! and a digest of their offsets. What lies at an offset of a topic never changes, so whoever finds the same offsets again
//! has the same records; where one of them is gone meanwhile, that is told and not passed over.

use crate::{
    browse::Browse,
    budget::Budget,
    order::Order,
    page::{Page, PageError},
    place::{Place, PlaceIn, Times},
    question::Question,
    record::Record,
};
use foldstream_log::{FetchedRecord, Position, Schemas};
use integer_encoding::VarInt;
use std::sync::Arc;
use uuid::Uuid;

const KEY: Uuid = Uuid::from_u128(0x0b44_6f3b_5b0e_4d59_8f0e_9a7c_3b62_11d4);

/// Which records of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    place: Place,
    count: u64,
    digest: Uuid,
}

/// Why the records of a selection are not there.
#[derive(Debug, thiserror::Error)]
pub enum SelectionError {
    #[error("not all of the records are there any more, or the topic was made anew")]
    Changed,
    #[error(transparent)]
    Page(#[from] PageError),
}

/// The records of a selection, in its order.
#[derive(Debug)]
pub struct Selected {
    /// Kept for what they hold of the memory there is for looks.
    pages: Vec<Page>,
}

impl Selection {
    /// Those of a page, which lists the oldest first.
    #[must_use]
    pub fn of(page: &Page) -> Self {
        Self {
            place: page.covered_place(),
            count: page.records.len() as u64,
            digest: digest(page.records.iter().map(AsRef::as_ref)),
        }
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.count.encode_var_vec().as_slice(), self.digest.as_bytes(), &self.place.to_bytes()].concat()
    }

    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (count, size) = u64::decode_var(bytes)?;
        let (digest, place) = bytes.get(size..)?.split_first_chunk::<16>()?;
        Some(Self { place: Place::from_bytes(place)?, count, digest: Uuid::from_bytes(*digest) })
    }
}

impl Place {
    /// Where one record is found, as a question would that is about nothing else.
    #[must_use]
    pub fn of_one(topic_id: Uuid, position: &Position) -> Self {
        let place = PlaceIn { at: position.offset, end: position.offset.saturating_add(1) };
        Self { topic_id, times: Times::default(), partitions: [(position.partition, place)].into() }
    }
}

impl Browse {
    /// Finds the records of a selection again, by the question they were found by.
    ///
    /// It takes as many pages as it must; what that costs is bounded by what finding them the first time did.
    pub async fn select(
        &self,
        question: &Question,
        selection: &Selection,
        (schemas, budget): (&Schemas, &Budget),
    ) -> Result<Selected, SelectionError> {
        let mut question = Question { order: Order::Oldest, after: Some(selection.place.clone()), ..question.clone() };
        let mut left = selection.count;
        let mut pages = Vec::new();
        while question.after.is_some() {
            // One more than there are: more than there were is as much amiss as fewer.
            question.limit = usize::try_from(left.saturating_add(1)).unwrap_or(usize::MAX);
            let page = match self.page(question.clone(), schemas, budget).await {
                Ok(page) => page,
                Err(PageError::Expired(_)) => return Err(SelectionError::Changed),
                Err(error) => return Err(error.into()),
            };
            left = left.checked_sub(page.records.len() as u64).ok_or(SelectionError::Changed)?;
            question.after.clone_from(&page.next);
            pages.push(page);
        }
        let selected = Selected { pages };
        if left > 0 || digest(selected.all()) != selection.digest {
            return Err(SelectionError::Changed);
        }
        Ok(selected)
    }
}

/// What records come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    pub count: u64,
    /// Of keys and values.
    pub bytes: u64,
    pub first: Option<Position>,
    pub last: Option<Position>,
}

impl Tally {
    pub fn of<'a>(records: impl Iterator<Item = &'a FetchedRecord>) -> Self {
        let mut tally = Self::default();
        for record in records {
            let size = |part: &Option<Vec<u8>>| part.as_ref().map_or(0, |bytes| bytes.len() as u64);
            tally.count += 1;
            tally.bytes += size(&record.key) + size(&record.value);
            tally.first.get_or_insert_with(|| record.position());
            tally.last = Some(record.position());
        }
        tally
    }

    /// Together with those that follow.
    #[must_use]
    pub fn and(self, next: Self) -> Self {
        Self {
            count: self.count + next.count,
            bytes: self.bytes + next.bytes,
            first: self.first.or(next.first),
            last: next.last.or(self.last),
        }
    }
}

impl Page {
    #[must_use]
    pub fn tally(&self) -> Tally {
        Tally::of(self.records.iter().map(|record| &record.fetched))
    }
}

impl Selected {
    pub fn records(&self) -> impl Iterator<Item = &FetchedRecord> {
        self.all().map(|record| &record.fetched)
    }

    fn all(&self) -> impl Iterator<Item = &Record> {
        self.pages.iter().flat_map(|page| &page.records).map(Arc::as_ref)
    }
}

/// Of partitions and offsets, in their order.
fn digest<'a>(records: impl Iterator<Item = &'a Record>) -> Uuid {
    let place = |record: &Record| {
        let (partition, offset) = (record.fetched.partition.to_be_bytes(), record.fetched.offset.to_be_bytes());
        partition.into_iter().chain(offset)
    };
    Uuid::new_v5(&KEY, &records.flat_map(place).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(partition: i32, offset: i64) -> Record {
        let fetched = FetchedRecord {
            topic: "parcels".to_owned(),
            partition,
            offset,
            timestamp_ms: 0,
            key: None,
            value: None,
            headers: Vec::new(),
        };
        Record { fetched, transaction: None }
    }

    fn digest_of(offsets: &[(i32, i64)]) -> Uuid {
        let records: Vec<_> = offsets.iter().map(|(partition, offset)| record(*partition, *offset)).collect();
        digest(records.iter())
    }

    proptest! {
        #[test]
        fn reads_back_as_it_was_written(count: u64, digest: u128, topic_id: u128, partition in 0..i32::MAX, offset in 0..i64::MAX) {
            let position = Position { topic: "parcels".to_owned(), partition, offset };
            let place = Place::of_one(Uuid::from_u128(topic_id), &position);
            let selection = Selection { place, count, digest: Uuid::from_u128(digest) };
            prop_assert_eq!(Selection::from_bytes(&selection.to_bytes()), Some(selection));
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Selection::from_bytes(&bytes);
        }

        #[test]
        fn other_records_are_told_apart(
            one in prop::collection::vec((0..3i32, 0..50i64), 0..20),
            other in prop::collection::vec((0..3i32, 0..50i64), 0..20),
        ) {
            prop_assert_eq!(digest_of(&one) == digest_of(&other), one == other);
        }
    }
}
