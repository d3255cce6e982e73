//! What a filter says of a record, and the records of which it could say nothing.
//!
//! A list that leaves such records out without a word would be taken for all there is. So each is counted with the reason,
//! and the first of them is named.

use foldstream_log::Position;
use serde::{Serialize, Serializer};
use std::{cmp::Reverse, collections::BTreeMap, fmt};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Wanted,
    Other,
    /// Whether it is wanted cannot be told.
    Uncompared(Reason),
}

impl Verdict {
    /// All must hold. What does not hold decides, whatever cannot be told beside it; it is asked no further then.
    pub(crate) fn of_all(mut told: impl Iterator<Item = Result<bool, Reason>>) -> Self {
        let mut untold = None;
        let is_refuted = told.any(|told| match told {
            Ok(holds) => !holds,
            Err(reason) => {
                untold.get_or_insert(reason);
                false
            }
        });
        match untold {
            _ if is_refuted => Self::Other,
            Some(reason) => Self::Uncompared(reason),
            None => Self::Wanted,
        }
    }
}

impl From<bool> for Verdict {
    fn from(wanted: bool) -> Self {
        if wanted { Self::Wanted } else { Self::Other }
    }
}

/// Why a filter could not be held against a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Reason {
    #[error("its schema cannot be had from the registry at the moment")]
    SchemaAway,
    #[error("its schema is not in the registry, or cannot be used")]
    NoSchema,
    #[error("it is not what its schema says, or more than is read of one")]
    Undecodable,
    #[error("it lies in a batch that is damaged, or larger than is read at once")]
    Unreadable,
    #[error("its schema is of a kind that is not read here")]
    OtherKind,
    #[error("it is bytes that name no schema")]
    Unframed,
    #[error("it is text, which has neither type nor fields")]
    Text,
    #[error("it is JSON, which has no type")]
    Json,
    #[error("it cannot be read as it was asked to be")]
    NotAs,
    #[error("some of it is personal, which is not shown and so not compared")]
    Masked,
}

impl Reason {
    /// Whether asking again soon may help.
    #[must_use]
    pub fn is_retriable(self) -> bool {
        self == Self::SchemaAway
    }
}

/// How many records were not compared, why, and which is the first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uncompared {
    counts: BTreeMap<Reason, u64>,
    first: Option<Position>,
}

impl Uncompared {
    pub fn note(&mut self, reason: Reason, position: impl FnOnce() -> Position) {
        self.note_all(1, reason, position);
    }

    /// So many at once, the first of them at this position.
    pub(crate) fn note_all(&mut self, count: u64, reason: Reason, position: impl FnOnce() -> Position) {
        *self.counts.entry(reason).or_default() += count;
        self.first.get_or_insert_with(position);
    }

    /// Those of a list that follows.
    pub fn extend(&mut self, more: Self) {
        for (reason, count) in more.counts {
            *self.counts.entry(reason).or_default() += count;
        }
        self.first = self.first.take().or(more.first);
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Whether asking again soon may help with some of them.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        self.counts.keys().any(|reason| reason.is_retriable())
    }

    /// The most frequent first.
    fn reasons(&self) -> Vec<(&Reason, u64)> {
        let mut reasons: Vec<_> = self.counts.iter().map(|(reason, count)| (reason, *count)).collect();
        reasons.sort_by_key(|(_, count)| Reverse(*count));
        reasons
    }
}

impl fmt::Display for Uncompared {
    /// In a sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let records = if self.count() == 1 { "record" } else { "records" };
        write!(f, "the filter could not be held against {} {records}", self.count())?;
        for (number, (reason, count)) in self.reasons().into_iter().enumerate() {
            write!(f, "{} {count}: {reason}", if number == 0 { ":" } else { ";" })?;
        }
        self.first.as_ref().map_or(Ok(()), |first| write!(f, "; the first is {first}"))
    }
}

/// Why a list may not be all that was asked for, in a sentence.
#[must_use]
pub fn not_told(uncompared: &Uncompared, unknown_paths: &[String]) -> String {
    let uncompared = (!uncompared.is_empty()).then(|| uncompared.to_string());
    let paths = unknown_paths.iter().map(|path| format!("no schema on the way has the path {path}"));
    uncompared.into_iter().chain(paths).collect::<Vec<_>>().join("; ")
}

impl Serialize for Uncompared {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown {
            count: u64,
            reasons: Vec<Counted>,
            first: Option<String>,
            retriable: bool,
        }
        #[derive(Serialize)]
        struct Counted {
            reason: String,
            count: u64,
        }
        let counted = |(reason, count): (&Reason, u64)| Counted { reason: reason.to_string(), count };
        let shown = Shown {
            count: self.count(),
            reasons: self.reasons().into_iter().map(counted).collect(),
            first: self.first.as_ref().map(ToString::to_string),
            retriable: self.is_retriable(),
        };
        shown.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(offset: i64) -> Position {
        Position { topic: "t".to_owned(), partition: 3, offset }
    }

    #[test]
    fn reasons_are_counted_and_the_first_record_is_named() {
        let mut uncompared = Uncompared::default();
        assert!(uncompared.is_empty());
        for (reason, offset) in [(Reason::Unframed, 9), (Reason::SchemaAway, 8), (Reason::SchemaAway, 4)] {
            let mut next = Uncompared::default();
            next.note(reason, || at(offset));
            uncompared.extend(next);
        }
        let expected = json!({
            "count": 3,
            "reasons": [
                {"reason": "its schema cannot be had from the registry at the moment", "count": 2},
                {"reason": "it is bytes that name no schema", "count": 1},
            ],
            "first": "t:3:9",
            "retriable": true,
        });
        assert_eq!(serde_json::to_value(&uncompared).unwrap(), expected);
        assert_eq!(
            uncompared.to_string(),
            "the filter could not be held against 3 records: 2: its schema cannot be had from the registry at the moment; \
             1: it is bytes that name no schema; the first is t:3:9"
        );
    }
}
