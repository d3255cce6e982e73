//! A topic that carries every record of the engine that topics may carry, so that those are proven before one does.

use foldstream_events::CATALOGUE;
use foldstream_log::{
    Cleanup, MAX_RECORD_BYTES, RecordType, Topic, Writers,
    generated::{
        COMMAND_DECIDED_RULES, COMMAND_DECIDED_SCHEMA, CommandDecided, STATE_KEPT_RULES, STATE_KEPT_SCHEMA, StateKept,
    },
    topic_events,
};

static CARRIED: Topic = Topic {
    name: "carried",
    key: "the record's",
    partitions: 6,
    cleanup: Cleanup::KeepAll,
    max_record_bytes: MAX_RECORD_BYTES,
    writers: Writers::EveryProcessor,
};

topic_events! {
    /// What topics may carry of the engine's.
    CarriedEvent on CARRIED {
        CommandDecided keyed by aggregate_id:
            "foldstream.engine.CommandDecided", COMMAND_DECIDED_SCHEMA, COMMAND_DECIDED_RULES;
        StateKept keyed by state_key: "foldstream.engine.StateKept", STATE_KEPT_SCHEMA, STATE_KEPT_RULES;
    }
}

/// The record types of every topic, and of this one.
pub(crate) fn record_types() -> impl Iterator<Item = &'static RecordType> {
    CATALOGUE.record_types().chain(CarriedEvent::RECORD_TYPES)
}
