//! The topics, declared: the one place that says how a topic must be.
//!
//! `foldstream topics apply` makes the cluster agree with this list and `topics check` names every difference.
//! The partition count of a topic never changes: keys would move to other partitions and lose their order.

/// What the brokers do with old records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleanup {
    /// Keep everything for ever: read models are folded from the first record again.
    KeepAll,
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
    /// The services that write to it. More than one only where facts come in by several doors.
    pub writers: &'static [&'static str],
}

pub const REPLICATION_FACTOR: i32 = 3;
/// The largest record a producer may send, and the largest a decoder accepts.
pub const MAX_RECORD_BYTES: usize = 1_048_576;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

pub static PERSON_PROFILES: Topic = Topic {
    name: "person-profiles",
    key: "person_id",
    partitions: 6,
    cleanup: Cleanup::Compact { max_lag_ms: DAY_MS },
    writers: &["api", "replay"],
};

pub static LOCATIONS: Topic = Topic {
    name: "locations",
    key: "person_id",
    partitions: 6,
    cleanup: Cleanup::KeepAll,
    writers: &["api", "replay"],
};

pub static SOURCE_PROGRESS: Topic = Topic {
    name: "source-progress",
    key: "source_id",
    partitions: 6,
    cleanup: Cleanup::Compact { max_lag_ms: DAY_MS },
    writers: &["replay"],
};

/// Every topic there is.
pub static TOPICS: &[&Topic] = &[&PERSON_PROFILES, &LOCATIONS, &SOURCE_PROGRESS];

impl Topic {
    /// The topic's settings as the brokers spell them.
    #[must_use]
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = vec![
            ("min.insync.replicas", "2".to_owned()),
            ("message.timestamp.type", "LogAppendTime".to_owned()),
            ("max.message.bytes", MAX_RECORD_BYTES.to_string()),
            ("retention.ms", "-1".to_owned()),
        ];
        match self.cleanup {
            Cleanup::KeepAll => settings.push(("cleanup.policy", "delete".to_owned())),
            Cleanup::Compact { max_lag_ms } => {
                settings.push(("cleanup.policy", "compact".to_owned()));
                settings.push(("max.compaction.lag.ms", max_lag_ms.to_string()));
            }
        }
        settings
    }

    /// The declared topic of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Topic> {
        TOPICS.iter().find(|topic| topic.name == name).copied()
    }
}
