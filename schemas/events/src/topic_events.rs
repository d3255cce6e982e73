//! An enum per topic: the event types a topic carries, chosen by the writer schema's record name.
//!
//! A new event type on a topic is one line here, after its `.avsc`.

use crate::{
    LOCATIONS, LocationReported, PERSON_PROFILES, PersonProfileRecorded, SOURCE_PROGRESS, SourceProgressed, Topic,
    Violation, rules::Checked,
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

/// The events of one topic.
pub trait TopicEvent: Sized + Send + Sync + 'static {
    /// The record types this topic carries, in the order of the variants.
    const RECORD_TYPES: &'static [RecordType];

    /// The topic's declaration.
    fn topic() -> &'static Topic;

    /// Which of `RECORD_TYPES` this event is.
    fn record_type(&self) -> &'static RecordType;

    /// The record key: the aggregate's id.
    fn key(&self) -> &str;

    fn event_id(&self) -> Uuid;

    fn occurred_at(&self) -> DateTime<Utc>;

    /// Whether every field obeys its rule.
    fn check(&self) -> Result<(), Violation>;

    /// Reads the event of this record name; `None` when the topic knows no such event.
    fn deserialize<'de, D: Deserializer<'de>>(full_name: &str, deserializer: D) -> Option<Result<Self, D::Error>>;

    /// Writes the record inside, without naming the variant.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
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

        impl TopicEvent for $events {
            const RECORD_TYPES: &'static [RecordType] = &[$(RecordType {
                topic: $topic.name,
                full_name: $full_name,
                schema: include_str!(concat!("../avro/", $file)),
            },)+];

            fn topic() -> &'static Topic {
                &$topic
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
                full_name: &str,
                deserializer: D,
            ) -> Option<Result<Self, D::Error>> {
                match full_name {
                    $($full_name => Some($event::deserialize(deserializer).map(Self::$event)),)+
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

topic_events! {
    /// What `locations` carries.
    LocationsEvent on LOCATIONS keyed by person_id {
        LocationReported: "foldstream.locations.LocationReported" in "locations/LocationReported.avsc",
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
    PersonProfilesEvent::RECORD_TYPES
        .iter()
        .chain(LocationsEvent::RECORD_TYPES)
        .chain(SourceProgressEvent::RECORD_TYPES)
}
