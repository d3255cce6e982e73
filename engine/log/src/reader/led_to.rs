//! Where what a processor wrote lies, as it stands in the metadata of its offsets: readers who wait for what they wrote
//! follow it.
//!
//! Invariant: what is noted fits into what brokers take. Above that nothing is told any more but that it may lie
//! anywhere on the topics the processor writes: a reader then waits for their ends, longer than it must and never too
//! short. A processor that keeps its keys writes to one partition of each topic, but for dead letters, and never comes there.

use super::event_times::EventTimes;
use crate::position::{Position, Positions};

/// Where that lies what a processor wrote because of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedTo {
    /// The furthest record of each partition written to.
    Known(Positions),
    /// More partitions than brokers keep metadata for: anywhere on the topics it writes.
    Anywhere,
}

impl Default for LedTo {
    fn default() -> Self {
        Self::Known(Positions::default())
    }
}

impl LedTo {
    /// What brokers take as an offset's metadata unless told otherwise (`offset.metadata.max.bytes`). They refuse more,
    /// and with it the whole transaction.
    const MOST_BYTES: usize = 4096;
    const ANYWHERE: &'static str = "*";

    /// Adds positions. Once there were too many, it stays at that: whoever follows it waits for more than it must, and
    /// never for less.
    pub fn extend(&mut self, positions: impl IntoIterator<Item = Position>) {
        let Self::Known(known) = self else { return };
        positions.into_iter().for_each(|position| known.insert(position));
        if known.to_string().len() > Self::MOST_BYTES - EventTimes::MOST_BYTES {
            *self = Self::Anywhere;
        }
    }

    /// As it stands in the metadata.
    pub(crate) fn note(&self) -> String {
        match self {
            Self::Known(positions) => positions.to_string(),
            Self::Anywhere => Self::ANYWHERE.to_owned(),
        }
    }

    pub(super) fn of_note(note: &str) -> Self {
        match note {
            "" => Self::default(),
            // Metadata that is no positions was not written by a processor: then it may have led anywhere.
            note => note.parse().map_or(Self::Anywhere, Self::Known),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrote(partitions: i32) -> LedTo {
        let mut led_to = LedTo::default();
        led_to.extend((0..partitions).map(|partition| Position {
            topic: "orders".to_owned(),
            partition,
            offset: 1_000_000,
        }));
        led_to
    }

    #[test]
    fn what_is_noted_fits_and_reads_back_as_it_was() {
        for partitions in [0, 1, 50, 200, 5000] {
            let led_to = wrote(partitions);
            let note = led_to.note();
            assert!(note.len() <= 4096, "{partitions}: {} bytes", note.len());
            assert_eq!(LedTo::of_note(&note), led_to, "{partitions}");
        }
        assert!(matches!(wrote(50), LedTo::Known(_)));
        assert_eq!(wrote(5000), LedTo::Anywhere);
    }

    #[test]
    fn what_may_lie_anywhere_is_never_narrowed_down_again() {
        let mut led_to = wrote(5000);
        led_to.extend([Position { topic: "orders".to_owned(), partition: 0, offset: 7 }]);
        assert_eq!(led_to, LedTo::Anywhere);
    }

    #[test]
    fn what_a_note_of_somebody_else_led_to_may_lie_anywhere() {
        assert_eq!(LedTo::of_note("by hand"), LedTo::Anywhere);
        assert_eq!(LedTo::of_note(""), LedTo::default());
    }
}
