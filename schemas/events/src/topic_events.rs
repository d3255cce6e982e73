//! An enum per topic: the event types a topic carries, chosen by the writer schema's record name.
//!
//! A new event type on a topic is one line here, after its `.avsc`.

use crate::{
    ChangePerson, DEAD_LETTERS, ErasePerson, LOCATIONS, LocationReported, PEOPLE, PEOPLE_PROCESSOR_STATE,
    PERSON_COMMANDS, PERSON_OUTCOMES, PERSON_PROFILES, PersonChanged, PersonCommandDecided, PersonErased,
    PersonProfileRecorded, PersonRegistered, PersonState, RecordRefused, RegisterPerson, SOURCE_PROGRESS,
    SourceProgressed, Topic, Violation, rules::Checked,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// One Avro record schema that may stand on a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordType {
    pub topic: &'static str,
    /// Namespace and name, as in the schema.
    pub full_name: &'static str,
    /// The `.avsc`, as text.
    pub schema: &'static str,
}

impl RecordType {
    /// The registry subject (TopicRecordNameStrategy).
    #[must_use]
    pub fn subject(&self) -> String {
        format!("{}-{}", self.topic, self.full_name)
    }
}

/// The events of a topic, or of several that are read or written together ([`events_of`](crate::events_of)).
pub trait TopicEvent: Sized + Send + Sync + 'static {
    /// The topics these events stand on.
    fn topics() -> &'static [&'static Topic];

    /// The record types these topics carry.
    fn record_types() -> Vec<&'static RecordType>;

    /// Which of the record types this event is; it names the topic.
    fn record_type(&self) -> &'static RecordType;

    /// The record key: the aggregate's id.
    fn key(&self) -> &str;

    fn event_id(&self) -> Uuid;

    fn occurred_at(&self) -> DateTime<Utc>;

    /// Whether every field obeys its rule.
    fn check(&self) -> Result<(), Violation>;

    /// Reads the event of this record name; `None` when the topic knows no such event.
    fn deserialize<'de, D: Deserializer<'de>>(
        topic: &str,
        full_name: &str,
        deserializer: D,
    ) -> Option<Result<Self, D::Error>>;

    /// Writes the record inside, without naming the variant.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
}

/// A record to be appended: an event, or a tombstone that erases its key from a compacted topic.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact<E> {
    Event(E),
    Tombstone { topic: &'static Topic, key: String },
}

macro_rules! topic_events {
    ($(#[$doc:meta])* $events:ident on $topic:ident keyed by $key:ident {
        $($event:ident: $full_name:literal in $file:literal,)+
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub enum $events {
            $($event($event),)+
        }

        impl $events {
            /// The record types of this topic, in the order of the variants.
            pub const RECORD_TYPES: &'static [RecordType] = &[$(RecordType {
                topic: $topic.name,
                full_name: $full_name,
                schema: include_str!(concat!("../avro/", $file)),
            },)+];
        }

        impl TopicEvent for $events {
            fn topics() -> &'static [&'static Topic] {
                static TOPICS: &[&Topic] = &[&$topic];
                TOPICS
            }

            fn record_types() -> Vec<&'static RecordType> {
                Self::RECORD_TYPES.iter().collect()
            }

            fn record_type(&self) -> &'static RecordType {
                let full_name = match self {
                    $(Self::$event(_) => $full_name,)+
                };
                // The names come from the same list as the record types, so the default is never taken.
                Self::RECORD_TYPES.iter().find(|record| record.full_name == full_name).unwrap_or(&Self::RECORD_TYPES[0])
            }

            fn key(&self) -> &str {
                match self {
                    $(Self::$event(event) => &event.$key,)+
                }
            }

            fn event_id(&self) -> Uuid {
                match self {
                    $(Self::$event(event) => event.event_id,)+
                }
            }

            fn occurred_at(&self) -> DateTime<Utc> {
                match self {
                    $(Self::$event(event) => event.occurred_at,)+
                }
            }

            fn check(&self) -> Result<(), Violation> {
                match self {
                    $(Self::$event(event) => event.check(),)+
                }
            }

            fn deserialize<'de, D: Deserializer<'de>>(
                topic: &str,
                full_name: &str,
                deserializer: D,
            ) -> Option<Result<Self, D::Error>> {
                match full_name {
                    $($full_name if topic == $topic.name => {
                        Some($event::deserialize(deserializer).map(Self::$event))
                    })+
                    _ => None,
                }
            }

            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$event(event) => Serialize::serialize(event, serializer),)+
                }
            }
        }

        $(impl From<$event> for $events {
            fn from(event: $event) -> Self {
                Self::$event(event)
            }
        })+
    };
}

/// An enum over the events of several topics, for a service that reads or writes them together.
///
/// ```
/// foldstream_events::events_of! {
///     /// What a projection of both reads.
///     pub enum Both { Locations(foldstream_events::LocationsEvent), People(foldstream_events::PeopleEvent) }
/// }
/// use foldstream_events::TopicEvent;
/// assert_eq!(Both::topics().len(), 2);
/// ```
#[macro_export]
macro_rules! events_of {
    ($(#[$doc:meta])* $visibility:vis enum $union:ident { $($variant:ident($events:ty)),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        $visibility enum $union {
            $($variant($events),)+
        }

        impl $crate::TopicEvent for $union {
            fn topics() -> &'static [&'static $crate::Topic] {
                static TOPICS: std::sync::LazyLock<Vec<&'static $crate::Topic>> = std::sync::LazyLock::new(|| {
                    [$(<$events as $crate::TopicEvent>::topics()),+].concat()
                });
                &TOPICS
            }

            fn record_types() -> Vec<&'static $crate::RecordType> {
                [$(<$events as $crate::TopicEvent>::record_types()),+].concat()
            }

            fn record_type(&self) -> &'static $crate::RecordType {
                match self { $(Self::$variant(event) => $crate::TopicEvent::record_type(event),)+ }
            }

            fn key(&self) -> &str {
                match self { $(Self::$variant(event) => $crate::TopicEvent::key(event),)+ }
            }

            fn event_id(&self) -> $crate::Uuid {
                match self { $(Self::$variant(event) => $crate::TopicEvent::event_id(event),)+ }
            }

            fn occurred_at(&self) -> $crate::Time {
                match self { $(Self::$variant(event) => $crate::TopicEvent::occurred_at(event),)+ }
            }

            fn check(&self) -> Result<(), $crate::Violation> {
                match self { $(Self::$variant(event) => $crate::TopicEvent::check(event),)+ }
            }

            fn deserialize<'de, D: $crate::serde::Deserializer<'de>>(
                topic: &str,
                full_name: &str,
                deserializer: D,
            ) -> Option<Result<Self, D::Error>> {
                $(if <$events as $crate::TopicEvent>::topics().iter().any(|declared| declared.name == topic) {
                    return <$events as $crate::TopicEvent>::deserialize(topic, full_name, deserializer)
                        .map(|event| event.map(Self::$variant));
                })+
                None
            }

            fn serialize<S: $crate::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self { $(Self::$variant(event) => $crate::TopicEvent::serialize(event, serializer),)+ }
            }
        }

        $(impl From<$events> for $union {
            fn from(event: $events) -> Self {
                Self::$variant(event)
            }
        })+
    };
}

topic_events! {
    /// What `locations` carries.
    LocationsEvent on LOCATIONS keyed by person_id {
        LocationReported: "foldstream.locations.LocationReported" in "locations/LocationReported.avsc",
    }
}

topic_events! {
    /// What `person-commands` carries.
    PersonCommandsEvent on PERSON_COMMANDS keyed by person_id {
        RegisterPerson: "foldstream.people.RegisterPerson" in "person-commands/RegisterPerson.avsc",
        ChangePerson: "foldstream.people.ChangePerson" in "person-commands/ChangePerson.avsc",
        ErasePerson: "foldstream.people.ErasePerson" in "person-commands/ErasePerson.avsc",
    }
}

topic_events! {
    /// What `person-outcomes` carries.
    PersonOutcomesEvent on PERSON_OUTCOMES keyed by person_id {
        PersonCommandDecided: "foldstream.people.PersonCommandDecided" in "person-outcomes/PersonCommandDecided.avsc",
    }
}

topic_events! {
    /// What `people` carries.
    PeopleEvent on PEOPLE keyed by person_id {
        PersonRegistered: "foldstream.people.PersonRegistered" in "people/PersonRegistered.avsc",
        PersonChanged: "foldstream.people.PersonChanged" in "people/PersonChanged.avsc",
        PersonErased: "foldstream.people.PersonErased" in "people/PersonErased.avsc",
    }
}

topic_events! {
    /// What `people-processor-state` carries.
    PeopleProcessorStateEvent on PEOPLE_PROCESSOR_STATE keyed by person_id {
        PersonState: "foldstream.people.PersonState" in "people-processor-state/PersonState.avsc",
    }
}

topic_events! {
    /// What `dead-letters` carries.
    DeadLettersEvent on DEAD_LETTERS keyed by origin {
        RecordRefused: "foldstream.dead_letters.RecordRefused" in "dead-letters/RecordRefused.avsc",
    }
}

topic_events! {
    /// What `person-profiles` carries.
    PersonProfilesEvent on PERSON_PROFILES keyed by person_id {
        PersonProfileRecorded: "foldstream.people.PersonProfileRecorded" in "person-profiles/PersonProfileRecorded.avsc",
    }
}

topic_events! {
    /// What `source-progress` carries.
    SourceProgressEvent on SOURCE_PROGRESS keyed by source_id {
        SourceProgressed: "foldstream.sources.SourceProgressed" in "source-progress/SourceProgressed.avsc",
    }
}

/// Every record type of every topic.
pub fn record_types() -> impl Iterator<Item = &'static RecordType> {
    [
        PersonCommandsEvent::RECORD_TYPES,
        PersonOutcomesEvent::RECORD_TYPES,
        PeopleEvent::RECORD_TYPES,
        PersonProfilesEvent::RECORD_TYPES,
        PeopleProcessorStateEvent::RECORD_TYPES,
        LocationsEvent::RECORD_TYPES,
        SourceProgressEvent::RECORD_TYPES,
        DeadLettersEvent::RECORD_TYPES,
    ]
    .into_iter()
    .flatten()
}
