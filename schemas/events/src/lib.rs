//! What crosses a wire: the events, the topics they live on, and the rules their fields obey.
//!
//! Pure data and pure functions. The Avro schemas under `avro/<topic>/` are the source of truth; `generated.rs`
//! is made from them. Every door into the system (HTTP, replay, a foreign producer's record) is held to the same
//! rules, those in `rules.rs`.
//!
//! Not here: bytes, Kafka, the registry (see `foldstream-log`).

mod evolution;
mod flow;
// As its generator writes it: its test compares the two.
#[rustfmt::skip]
mod generated;
mod ids;
mod position;
mod rules;
mod topic_events;
mod topics;

pub use evolution::{SchemaFault, WrittenVersion, evolution_faults, golden_faults, schema_faults};
pub use flow::{Flow, ServiceKind};
pub use generated::{
    AnsweredCommand, ChangePerson, DeadLetterHeader, ErasePerson, LocationReported, PersonChanged,
    PersonCommandDecided, PersonErased, PersonProfileRecorded, PersonRegistered, PersonState, RecordRefused,
    RegisterPerson, SourceProgressed,
};
pub use ids::{derived_event_id, new_event_id, replayed_event_id};
pub use position::{Position, PositionError, Positions};
pub use rules::{
    Latitude, Longitude, MAX_ID_CHARS, MAX_NAME_CHARS, Violation, checked_accuracy, checked_id, checked_latitude,
    checked_longitude, checked_name,
};
pub use topic_events::{
    DeadLettersEvent, Fact, LocationsEvent, PeopleEvent, PeopleProcessorStateEvent, PersonCommandsEvent,
    PersonOutcomesEvent, PersonProfilesEvent, RecordType, SourceProgressEvent, TopicEvent, record_types,
};
pub use topics::{
    Cleanup, DEAD_LETTERS, LOCATIONS, MAX_DEAD_LETTER_BYTES, MAX_RECORD_BYTES, PEOPLE, PEOPLE_PROCESSOR_STATE,
    PERSON_COMMANDS, PERSON_OUTCOMES, PERSON_PROFILES, REPLICATION_FACTOR, SOURCE_PROGRESS, TOPICS, Topic,
};

// For `events_of`, where it is expanded.
#[doc(hidden)]
pub use serde;
#[doc(hidden)]
pub use uuid::Uuid;
#[doc(hidden)]
pub type Time = chrono::DateTime<chrono::Utc>;
