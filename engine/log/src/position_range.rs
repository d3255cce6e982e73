//! `topic:partition:offset`, or `topic:partition:first-last`: records that lie one behind the other, as what was written in
//! one go is told and asked for.
//!
//! Unlike [`Positions`](crate::Positions), which say how far something has come, several ranges of a partition never become
//! one that reaches further: each of them is somebody's record.

use crate::position::{Position, PositionError};
use std::{collections::BTreeMap, fmt, str::FromStr};

/// The records of a partition from one offset to another, both included.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PositionRange {
    pub topic: String,
    pub partition: i32,
    pub first: i64,
    pub last: i64,
}

impl PositionRange {
    /// Ranges that hold these positions and nothing else. Where that takes more than `most`, each partition has one instead,
    /// in which records of others may lie.
    #[must_use]
    pub fn holding(positions: impl IntoIterator<Item = Position>, most: usize) -> Vec<Self> {
        let mut offsets: BTreeMap<(String, i32), Vec<i64>> = BTreeMap::new();
        for Position { topic, partition, offset } in positions {
            offsets.entry((topic, partition)).or_default().push(offset);
        }
        let (mut exact, mut whole) = (Vec::new(), Vec::new());
        for ((topic, partition), mut offsets) in offsets {
            offsets.sort_unstable();
            let range = |run: &[i64]| {
                let (first, last) = (*run.first()?, *run.last()?);
                Some(Self { topic: topic.clone(), partition, first, last })
            };
            exact.extend(offsets.chunk_by(|a, b| b - a <= 1).filter_map(range));
            whole.extend(range(&offsets));
        }
        if exact.len() > most { whole } else { exact }
    }

    /// Several, joined by commas.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, PositionError> {
        text.split(',').map(|part| part.trim().parse()).collect()
    }

    /// The last of its records.
    #[must_use]
    pub fn end(&self) -> Position {
        Position { topic: self.topic.clone(), partition: self.partition, offset: self.last }
    }
}

impl From<Position> for PositionRange {
    fn from(Position { topic, partition, offset }: Position) -> Self {
        Self { topic, partition, first: offset, last: offset }
    }
}

impl fmt::Display for PositionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.topic, self.partition, self.first)?;
        if self.last > self.first { write!(f, "-{}", self.last) } else { Ok(()) }
    }
}

impl FromStr for PositionRange {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let error = || PositionError { text: text.chars().take(100).collect() };
        // A topic's name may have a hyphen: only what stands behind the last colon is an offset.
        let hyphen = text.rfind(':').and_then(|colon| text[colon..].find('-').map(|hyphen| colon + hyphen));
        let Some(hyphen) = hyphen else { return text.parse::<Position>().map(Self::from) };
        let first: Position = text[..hyphen].parse().map_err(|_| error())?;
        // Read as an offset is: plain digits only.
        let last: Position =
            format!("{}:{}:{}", first.topic, first.partition, &text[hyphen + 1..]).parse().map_err(|_| error())?;
        let range = Self { topic: first.topic, partition: first.partition, first: first.offset, last: last.offset };
        if range.first <= range.last { Ok(range) } else { Err(error()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn position(partition: i32, offset: i64) -> Position {
        Position { topic: "parcels".to_owned(), partition, offset }
    }

    fn listed(ranges: &[PositionRange]) -> String {
        ranges.iter().map(PositionRange::to_string).collect::<Vec<_>>().join(",")
    }

    proptest! {
        /// Nothing collapses: every position is held, and up to the bound nothing else is.
        #[test]
        fn ranges_hold_what_they_were_made_of(
            written in prop::collection::vec((0..3i32, 0..40i64), 1..60),
            most in 0..40usize,
        ) {
            let ranges = PositionRange::holding(written.iter().map(|(partition, offset)| position(*partition, *offset)), most);
            let held: BTreeSet<(i32, i64)> =
                ranges.iter().flat_map(|range| (range.first..=range.last).map(|offset| (range.partition, offset))).collect();
            let written: BTreeSet<(i32, i64)> = written.into_iter().collect();
            prop_assert!(held.is_superset(&written));
            prop_assert!(ranges.len() <= most.max(3));
            if PositionRange::holding(written.iter().map(|(partition, offset)| position(*partition, *offset)), usize::MAX).len() <= most {
                prop_assert_eq!(held, written);
            }
        }

        #[test]
        fn written_and_read_back_is_the_same(
            parts in prop::collection::vec(("[a-zA-Z0-9._-]{1,40}", 0..1000i32, 0..1000i64, 0..1000i64), 1..8),
        ) {
            let ranges: Vec<PositionRange> = parts
                .into_iter()
                .map(|(topic, partition, first, more)| PositionRange { topic, partition, first, last: first + more })
                .collect();
            prop_assert_eq!(PositionRange::parse_list(&listed(&ranges)).unwrap(), ranges);
        }

        #[test]
        fn no_text_panics(text in ".{0,60}") {
            let _ = PositionRange::parse_list(&text);
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in ["", "t:0:5-3", "t:0:-5", "t:0:5-", "t:0:5-6-7", "t:0:5-+6", "t-1:0", "t:0:1,"] {
            assert!(PositionRange::parse_list(text).is_err(), "{text}");
        }
        assert_eq!(
            listed(&PositionRange::parse_list("parcel-commands:0:5, t-1:0:7-9").unwrap()),
            "parcel-commands:0:5,t-1:0:7-9"
        );
    }
}
