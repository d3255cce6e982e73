//! The topics, declared: the one place that says how a topic must be.
//!
//! `foldstream topics apply` makes the cluster agree with this list and `topics check` names every difference.
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
    /// The services that write to it. More than one only where facts come in by several doors.
    pub writers: &'static [&'static str],
}

pub const REPLICATION_FACTOR: i32 = 3;
/// The largest record of an event, and the largest a decoder accepts.
pub const MAX_RECORD_BYTES: usize = 1_048_576;
/// The largest record there is: a dead letter has to hold the largest event, and its own fields around it.
pub const MAX_DEAD_LETTER_BYTES: usize = 2 * MAX_RECORD_BYTES;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Everything about people is keyed and partitioned alike, so that one instance decides on a person alone.
const PEOPLE_PARTITIONS: i32 = 6;

pub static PERSON_COMMANDS: Topic = Topic {
    name: "person-commands",
    key: "person_id",
    partitions: PEOPLE_PARTITIONS,
    cleanup: Cleanup::Expire { after_ms: 7 * DAY_MS },
    max_record_bytes: MAX_RECORD_BYTES,
    writers: &["api", "replay"],
};

pub static PERSON_OUTCOMES: Topic = Topic {
    name: "person-outcomes",
    key: "person_id",
    partitions: PEOPLE_PARTITIONS,
    cleanup: Cleanup::Expire { after_ms: 7 * DAY_MS },
    max_record_bytes: MAX_RECORD_BYTES,
    writers: &["people-processor"],
};

pub static PEOPLE: Topic = Topic {
    name: "people",
    key: "person_id",
    partitions: PEOPLE_PARTITIONS,
    cleanup: Cleanup::KeepAll,
    max_record_bytes: MAX_RECORD_BYTES,
    writers: &["people-processor"],
};

pub static PERSON_PROFILES: Topic = Topic {
    name: "person-profiles",
    key: "person_id",
    partitions: PEOPLE_PARTITIONS,
    cleanup: Cleanup::Compact { max_lag_ms: DAY_MS },
    max_record_bytes: MAX_RECORD_BYTES,
    writers: &["people-processor"],
};

pub static PEOPLE_PROCESSOR_STATE: Topic = Topic {
    name: "people-processor-state",
    key: "person_id",
    partitions: PEOPLE_PARTITIONS,
    cleanup: Cleanup::Compact { max_lag_ms: DAY_MS },
    max_record_bytes: MAX_RECORD_BYTES,
    writers: &["people-processor"],
};

pub static LOCATIONS: Topic = Topic {
    name: "locations",
    key: "person_id",
    // Like the topics of people: erasing a person and locating one meet in the same partition number.
    partitions: PEOPLE_PARTITIONS,
    cleanup: Cleanup::KeepAll,
    max_record_bytes: MAX_RECORD_BYTES,
    writers: &["api", "replay"],
};

pub static SOURCE_PROGRESS: Topic = Topic {
    name: "source-progress",
    key: "source_id",
    partitions: 6,
    cleanup: Cleanup::Compact { max_lag_ms: DAY_MS },
    max_record_bytes: MAX_RECORD_BYTES,
    writers: &["replay"],
};

/// What processors could not use. It may hold commands, and so personal data: it is kept as long as they are.
pub static DEAD_LETTERS: Topic = Topic {
    name: "dead-letters",
    key: "origin",
    partitions: 6,
    cleanup: Cleanup::Expire { after_ms: 7 * DAY_MS },
    max_record_bytes: MAX_DEAD_LETTER_BYTES,
    writers: &["people-processor"],
};

/// Every topic there is.
pub static TOPICS: &[&Topic] = &[
    &PERSON_COMMANDS,
    &PERSON_OUTCOMES,
    &PEOPLE,
    &PERSON_PROFILES,
    &PEOPLE_PROCESSOR_STATE,
    &LOCATIONS,
    &SOURCE_PROGRESS,
    &DEAD_LETTERS,
];

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
            }
            Cleanup::Compact { max_lag_ms } => {
                settings.push(("cleanup.policy", "compact".to_owned()));
                settings.push(("retention.ms", "-1".to_owned()));
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
