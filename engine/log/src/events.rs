//! Events as the engine sees them: the record types of a topic, an enum over them, and what is appended.
//!
//! Which event types there are is told by the `.avsc` and made into enums by the generator (`dev/generator`). The variant is
//! chosen by the name of the schema a record was written with.

use crate::{
    rules::{Rule, Violation},
    topic::Topic,
};
use chrono::{DateTime, Utc};
use serde::{Deserializer, Serializer};
use uuid::Uuid;

/// One Avro record schema that may stand on a topic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RecordType {
    pub topic: &'static str,
    /// Namespace and name, as in the schema.
    pub full_name: &'static str,
    /// The field that is the record key.
    pub key: &'static str,
    /// The `.avsc` without its rules, as text: what is registered.
    pub schema: &'static str,
    /// The fields that obey a rule, in the order of the schema.
    pub rules: &'static [FieldRule],
}

/// The rule of a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FieldRule {
    pub field: &'static str,
    pub rule: &'static Rule,
}

impl RecordType {
    /// The registry subject (TopicRecordNameStrategy).
    #[must_use]
    pub fn subject(&self) -> String {
        format!("{}-{}", self.topic, self.full_name)
    }
}

/// The events of a topic, or of several that are read or written together ([`events_of`](crate::events_of!)).
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

/// An enum of the events a topic carries. Written by the generator, which makes it from the `.avsc` and the catalogue.
#[macro_export]
macro_rules! topic_events {
    ($(#[$doc:meta])* $events:ident on $topic:ident {
        $($event:ident keyed by $key:ident: $full_name:literal, $schema:expr, $rules:expr;)+
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub enum $events {
            $($event($event),)+
        }

        impl $events {
            /// The record types of this topic, in the order of the variants.
            pub const RECORD_TYPES: &'static [$crate::RecordType] = &[$($crate::RecordType {
                topic: $topic.name,
                full_name: $full_name,
                key: stringify!($key),
                schema: $schema,
                rules: $rules,
            },)+];
        }

        impl $crate::TopicEvent for $events {
            fn topics() -> &'static [&'static $crate::Topic] {
                static TOPICS: &[&$crate::Topic] = &[&$topic];
                TOPICS
            }

            fn record_types() -> Vec<&'static $crate::RecordType> {
                Self::RECORD_TYPES.iter().collect()
            }

            fn record_type(&self) -> &'static $crate::RecordType {
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

            fn event_id(&self) -> $crate::Uuid {
                match self {
                    $(Self::$event(event) => event.event_id,)+
                }
            }

            fn occurred_at(&self) -> $crate::Time {
                match self {
                    $(Self::$event(event) => event.occurred_at,)+
                }
            }

            fn check(&self) -> Result<(), $crate::Violation> {
                match self {
                    $(Self::$event(event) => $crate::Checked::check(event),)+
                }
            }

            fn deserialize<'de, D: $crate::serde::Deserializer<'de>>(
                topic: &str,
                full_name: &str,
                deserializer: D,
            ) -> Option<Result<Self, D::Error>> {
                match full_name {
                    $($full_name if topic == $topic.name => {
                        Some(<$event as $crate::serde::Deserialize>::deserialize(deserializer).map(Self::$event))
                    })+
                    _ => None,
                }
            }

            fn serialize<S: $crate::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$event(event) => $crate::serde::Serialize::serialize(event, serializer),)+
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

/// An enum over the events of several topics, for a service that reads or writes them together:
/// `events_of! { pub enum Both { Ones(OnesEvent), Others(OthersEvent) } }`.
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
