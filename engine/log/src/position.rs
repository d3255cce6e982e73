//! `topic:partition:offset`, and several joined by commas: the currency of "has it arrived yet".
//!
//! A set of positions holds the greatest offset of each partition: having arrived at that one means having arrived
//! at all before it.

use std::{collections::BTreeMap, fmt, str::FromStr};

/// Where one record lies in the log.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
}

/// A partition of a declared topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    pub topic: &'static str,
    pub partition: i32,
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.topic, self.partition)
    }
}

/// The furthest position of each partition, never empty when parsed from text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Positions(BTreeMap<(String, i32), i64>);

/// Text that is no position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a position: expected topic:partition:offset, several joined by commas")]
pub struct PositionError {
    pub text: String,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.topic, self.partition, self.offset)
    }
}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let error = || PositionError { text: text.chars().take(100).collect() };
        let mut parts = text.rsplitn(3, ':');
        let (Some(offset), Some(partition), Some(topic)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(error());
        };
        // Plain digits only: `+1` and `-1` parse as integers but are no offsets.
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let is_topic = |name: &str| {
            (1..=249).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        };
        if !is_topic(topic) || !is_number(partition) || !is_number(offset) {
            return Err(error());
        }
        Ok(Self {
            topic: topic.to_owned(),
            partition: partition.parse().map_err(|_| error())?,
            offset: offset.parse().map_err(|_| error())?,
        })
    }
}

impl Positions {
    /// Adds a position; of two in the same partition the further one stays.
    pub fn insert(&mut self, position: Position) {
        let furthest = self.0.entry((position.topic, position.partition)).or_insert(position.offset);
        *furthest = position.offset.max(*furthest);
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The positions in the order of topic and partition.
    pub fn iter(&self) -> impl Iterator<Item = Position> + '_ {
        self.0.iter().map(|((topic, partition), offset)| Position {
            topic: topic.clone(),
            partition: *partition,
            offset: *offset,
        })
    }
}

impl FromIterator<Position> for Positions {
    fn from_iter<I: IntoIterator<Item = Position>>(positions: I) -> Self {
        let mut all = Self::default();
        positions.into_iter().for_each(|position| all.insert(position));
        all
    }
}

impl fmt::Display for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, position) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            write!(f, "{position}")?;
        }
        Ok(())
    }
}

impl FromStr for Positions {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        text.split(',').map(|part| part.trim().parse()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn written_and_read_back_is_the_same(
            parts in prop::collection::vec(("[a-zA-Z0-9._-]{1,40}", 0..1000i32, 0..i64::MAX), 1..8),
        ) {
            let positions: Positions = parts
                .into_iter()
                .map(|(topic, partition, offset)| Position { topic, partition, offset })
                .collect();
            prop_assert_eq!(positions.to_string().parse::<Positions>().unwrap(), positions);
        }

        #[test]
        fn no_text_panics(text in ".{0,60}") {
            let _ = text.parse::<Positions>();
        }
    }

    #[test]
    fn what_is_no_position_is_refused() {
        for text in [
            "",
            "topic",
            "parcels:1",
            "parcels:1:-1",
            "parcels:+1:5",
            ":1:2",
            "a b:1:2",
            "t:1:2,",
            "t:1:99999999999999999999",
        ] {
            assert!(text.parse::<Positions>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_furthest_of_a_partition_stays() {
        let positions: Positions = "t:0:5,t:0:3,t:1:1".parse().unwrap();
        assert_eq!(positions.to_string(), "t:0:5,t:1:1");
    }
}
