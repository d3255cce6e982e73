//! What a declared topic is. Which ones there are is declared elsewhere, and handed in (`catalogue.rs`).
//!
//! `foldstream topics apply` makes the cluster agree with the catalogue and `topics check` names every difference.
//! The partition count of a topic never changes: keys would move to other partitions and lose their order.

/// What the brokers do with old records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleanup {
    /// Keep everything for ever: read models are folded from the first record again.
    KeepAll,
    /// Keep everything for this long: what has been answered needs no folding again.
    Expire { after_ms: u64 },
    /// Keep the newest record of each key; older ones are gone after at most this long.
    Compact {
        /// Upper bound on how long an overwritten or erased record's bytes remain, in milliseconds.
        max_lag_ms: u64,
    },
}

/// The declaration of a topic.
#[derive(Debug, PartialEq, Eq)]
pub struct Topic {
    pub name: &'static str,
    /// What the record key is, in words.
    pub key: &'static str,
    pub partitions: i32,
    pub cleanup: Cleanup,
    pub max_record_bytes: usize,
    pub writers: Writers,
}

/// Who writes to a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writers {
    /// These services. More than one only where facts come in by several doors.
    Services(&'static [&'static str]),
    /// Every processor there is: the topic is the engine's.
    EveryProcessor,
}

/// Of how many segments a topic that expires is, at least.
const SEGMENTS_OF_RETENTION: u64 = 7;

pub const REPLICATION_FACTOR: i32 = 3;
/// The largest record of an event, and the largest a decoder accepts.
pub const MAX_RECORD_BYTES: usize = 1_048_576;
/// The largest record there is: a dead letter has to hold the largest event, and its own fields around it.
pub const MAX_DEAD_LETTER_BYTES: usize = 2 * MAX_RECORD_BYTES;

impl Topic {
    /// The topic's settings as the brokers spell them.
    #[must_use]
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = vec![
            ("min.insync.replicas", "2".to_owned()),
            ("message.timestamp.type", "LogAppendTime".to_owned()),
            ("max.message.bytes", self.max_record_bytes.to_string()),
        ];
        match self.cleanup {
            Cleanup::KeepAll => {
                settings.push(("cleanup.policy", "delete".to_owned()));
                settings.push(("retention.ms", "-1".to_owned()));
            }
            Cleanup::Expire { after_ms } => {
                settings.push(("cleanup.policy", "delete".to_owned()));
                settings.push(("retention.ms", after_ms.to_string()));
                // Brokers delete whole segments, so a record stays up to this much longer than declared.
                settings.push(("segment.ms", (after_ms / SEGMENTS_OF_RETENTION).to_string()));
            }
            Cleanup::Compact { max_lag_ms } => {
                settings.push(("cleanup.policy", "compact".to_owned()));
                settings.push(("retention.ms", "-1".to_owned()));
                settings.push(("max.compaction.lag.ms", max_lag_ms.to_string()));
            }
        }
        settings
    }
}
