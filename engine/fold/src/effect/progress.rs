//! How far an effect is in a partition, as it stands in the metadata of the group's offset.
//!
//! The offset itself is the oldest record that is not settled. The metadata says up to where records were taken in, and
//! of which keys some of those are not settled yet: of each the first such record, and how often and when it was tried.
//! Everything else before `reached` is done. A key is told by a hash: two that share one are a delivery more after a
//! restart, never one less.
//!
//! Invariant: what is written fits into the 4096 bytes that brokers take unless told otherwise
//! (`offset.metadata.max.bytes`), and reads back as it was.

use foldstream_log::Noted;

/// How far apart the first record that is not settled and the last one taken in may lie.
pub(crate) const MOST_BEHIND: i64 = 999_999_999;
/// How long a record waits at most for its next attempt.
pub(crate) const LONGEST_PAUSE_MS: i64 = 24 * 60 * 60 * 1000;
/// More attempts are counted as this many.
const MOST_ATTEMPTS: u32 = 999;
const FORMAT: &str = "e1";

/// The key of a record, where it has one.
pub(crate) type Key = Option<Vec<u8>>;

/// 48 bits of a stable hash of a record key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct KeyHash(u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpenKey {
    pub(crate) key: KeyHash,
    /// Its first record that is not settled: all before it are.
    pub(crate) offset: i64,
    /// How often that record was tried.
    pub(crate) attempts: u32,
    /// When it is to be tried again; none where that is now.
    pub(crate) due_ms: Option<i64>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Every record before it is settled.
    pub(crate) next_offset: i64,
    /// Every record before it is settled, or of an open key.
    pub(crate) reached: i64,
    /// In the order of their offsets.
    pub(crate) open: Vec<OpenKey>,
}

impl KeyHash {
    pub(crate) fn of(key: &Key) -> Self {
        let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, key.as_deref().unwrap_or_default());
        Self(id.as_u64_pair().0 >> 16)
    }
}

impl Progress {
    /// Nothing is known but where to start.
    pub(crate) fn at(next_offset: i64) -> Self {
        Self { next_offset, reached: next_offset, open: Vec::new() }
    }

    /// As it stands with the group's offset. A note that is none of ours (somebody has reset the offset) says nothing:
    /// then everything from the offset on is to be done.
    pub(crate) fn of(noted: &Noted) -> Self {
        parse(noted).unwrap_or_else(|| Self::at(noted.next_offset))
    }

    /// As it is written: `e1 reached base`, and for each open key ` hash:offset:attempts:due`; offsets as distance from
    /// the group's, times in milliseconds from the base.
    pub(crate) fn note(&self) -> Noted {
        let base_ms = self.open.iter().filter_map(|open| open.due_ms).min().unwrap_or(0);
        let mut note = format!("{FORMAT} {} {base_ms}", self.reached - self.next_offset);
        for open in &self.open {
            let offset = open.offset - self.next_offset;
            let attempts = open.attempts.min(MOST_ATTEMPTS);
            let due = open.due_ms.map(|due_ms| (due_ms - base_ms).min(LONGEST_PAUSE_MS).to_string());
            note.push_str(&format!(" {:x}:{offset}:{attempts}:{}", open.key.0, due.unwrap_or_default()));
        }
        Noted { next_offset: self.next_offset, note }
    }
}

fn parse(noted: &Noted) -> Option<Progress> {
    let mut parts = noted.note.split(' ');
    if parts.next() != Some(FORMAT) {
        return None;
    }
    let reached = noted.next_offset.checked_add(parts.next()?.parse().ok()?)?;
    let base_ms: i64 = parts.next()?.parse().ok()?;
    let open = |part: &str| {
        let mut fields = part.split(':');
        let key = KeyHash(u64::from_str_radix(fields.next()?, 16).ok()?);
        let offset = noted.next_offset.checked_add(fields.next()?.parse().ok()?)?;
        let attempts = fields.next()?.parse().ok()?;
        let due_ms = match fields.next()? {
            "" => None,
            after_ms => Some(base_ms.checked_add(after_ms.parse().ok()?)?),
        };
        fields.next().is_none().then_some(OpenKey { key, offset, attempts, due_ms })
    };
    let open = parts.map(open).collect::<Option<Vec<_>>>()?;
    Some(Progress { next_offset: noted.next_offset, reached, open })
}

#[cfg(test)]
mod tests {
    use super::{super::lane::MOST_OPEN_KEYS, *};
    use proptest::prelude::*;

    const MOST_BYTES: usize = 4096;
    const NOW_MS: i64 = 1_795_000_000_000;

    fn progress() -> impl Strategy<Value = Progress> {
        let due = prop::option::of(0..=LONGEST_PAUSE_MS);
        let open = (0..1u64 << 48, 0..=MOST_BEHIND, 0..=MOST_ATTEMPTS, due);
        let keys = prop::collection::vec(open, 0..=MOST_OPEN_KEYS);
        (0..i64::MAX / 2, keys).prop_map(|(next_offset, keys)| {
            let open = |(key, offset, attempts, due_ms): (u64, i64, u32, Option<i64>)| OpenKey {
                key: KeyHash(key),
                offset: next_offset + offset,
                attempts,
                due_ms: due_ms.map(|due_ms| NOW_MS + due_ms),
            };
            Progress { next_offset, reached: next_offset + MOST_BEHIND, open: keys.into_iter().map(open).collect() }
        })
    }

    proptest! {
        #[test]
        fn what_is_written_fits_and_reads_back_as_it_was(progress in progress()) {
            let noted = progress.note();
            prop_assert!(noted.note.len() <= MOST_BYTES, "{} bytes", noted.note.len());
            prop_assert_eq!(Progress::of(&noted), progress);
        }

        #[test]
        fn no_note_panics(note in ".{0,80}", next_offset in 0..i64::MAX) {
            let _ = Progress::of(&Noted { next_offset, note });
        }
    }

    #[test]
    fn the_longest_there_can_be_fits() {
        let open = |index| OpenKey {
            key: KeyHash((1 << 48) - 1),
            offset: MOST_BEHIND,
            attempts: u32::MAX,
            due_ms: Some(NOW_MS + LONGEST_PAUSE_MS * i64::from(index > 0)),
        };
        let open = (0..MOST_OPEN_KEYS).map(open).collect();
        let note = Progress { next_offset: 0, reached: i64::MAX, open }.note().note;
        assert!(note.len() <= MOST_BYTES, "{} bytes", note.len());
    }

    #[test]
    fn a_note_of_somebody_else_says_nothing() {
        for note in ["", "e2 5 0", "e1", "e1 5", "e1 5 0 zz:1:0:", "e1 5 0 1:1:0", "e1 5 0 1:1:0::", "parcels:0:7"] {
            let noted = Noted { next_offset: 7, note: note.to_owned() };
            assert_eq!(Progress::of(&noted), Progress::at(7), "{note}");
        }
    }

    #[test]
    fn the_hash_of_a_key_is_the_same_on_every_machine() {
        assert_eq!(format!("{:x}", KeyHash::of(&Some(b"ada".to_vec())).0), "c2aa3ecac1f3");
    }
}
