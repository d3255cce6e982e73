//! How far a processor is in the time of its events, as it stands in the metadata of its offsets, behind where what it wrote
//! lies. There the two move together: whoever goes on from an offset goes on from its time, and whoever sets a group back
//! sets its time back too.

/// How far a processor is in event time, milliseconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventTimes {
    /// The newest event of the partition.
    pub newest_ms: Option<i64>,
    /// Everything before this was taken as late.
    pub watermark_ms: Option<i64>,
}

/// Parts the times from what stands before them; no topic's name has a blank.
const MARK: &str = " t";

impl EventTimes {
    /// More than a note of them has.
    pub(super) const MOST_BYTES: usize = 48;

    pub(crate) fn note(self) -> String {
        let text = |time: Option<i64>| time.map(|time| time.to_string()).unwrap_or_default();
        format!("{MARK}{},{}", text(self.newest_ms), text(self.watermark_ms))
    }

    /// What stands before the times, and the times, where there are any.
    pub(super) fn split(note: &str) -> (&str, Option<Self>) {
        let Some((before, times)) = note.rsplit_once(MARK) else { return (note, None) };
        let parse = |text: &str| if text.is_empty() { Ok(None) } else { text.parse().map(Some) };
        let times = times.split_once(',').and_then(|(newest, watermark)| {
            Some(Self { newest_ms: parse(newest).ok()?, watermark_ms: parse(watermark).ok()? })
        });
        if times.is_some() { (before, times) } else { (note, None) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        position::Position,
        reader::{Committed, LedTo, Noted},
    };
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_noted_reads_back_as_it_was(
            newest_ms: Option<i64>,
            watermark_ms: Option<i64>,
            followed: bool,
            partitions in 0..3000i32,
        ) {
            let mut led_to = LedTo::default();
            let position = |partition| Position { topic: "orders".to_owned(), partition, offset: 7 };
            led_to.extend((0..partitions).map(position));
            let event_times = followed.then_some(EventTimes { newest_ms, watermark_ms });
            let committed = Committed { next_offset: 7, led_to, event_times };
            let noted = committed.noted();
            prop_assert!(noted.note.len() <= 4096, "{} bytes", noted.note.len());
            prop_assert_eq!(Committed::from(noted), committed);
        }

        #[test]
        fn no_note_panics(note in ".{0,40}( t[0-9,-]{0,20})?") {
            let _ = Committed::from(Noted { next_offset: 7, note });
        }
    }

    #[test]
    fn a_note_without_times_has_none() {
        for note in ["", "*", "orders:0:7", "orders:0:7 t", "orders:0:7 t1", "orders:0:7 tx,"] {
            let committed = Committed::from(Noted { next_offset: 7, note: note.to_owned() });
            assert_eq!(committed.event_times, None, "{note}");
        }
    }
}
