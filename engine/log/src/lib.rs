//! Bytes <-> events on Kafka: the crate that knows the Kafka client, Avro and the schema registry.
//!
//! | to do | use |
//! |---|---|
//! | fold the records of topics, as a member of a group or up to an end | [`Reader`] |
//! | append events | [`Writer`]; in Kafka transactions [`TransactionalWriter`] |
//! | append records once more, as they were, all or none and once | [`Republisher`] |
//! | bring states to the end of their changelog | [`restore()`] |
//! | make the cluster agree with the declared topics | [`Cluster`] |
//! | know which schema an id stands for | [`Registry`]; for the records of a page [`Schemas`] |
//! | show any record as a person reads it | [`describe`]; what stands in a field of it [`WriterSchema::any_at`] |
//!
//! Questions about topics are not answered here: they are `foldstream-browse`'s.
//!
//! Decoding is strict: a record that is not exactly what its schema says is an error that says why.

mod avro_cursor;
mod avro_json;
mod avro_scalar;
mod avro_select;
pub mod avro_shape;
mod catalogue;
mod client_log;
mod cluster;
mod codec;
mod config;
mod content;
mod decimal;
mod encoding;
mod events;
mod fetched;
mod flow;
mod framing;
// As its generator writes it: a test compares the two.
#[rustfmt::skip]
pub mod generated;
mod headers;
mod ids;
mod message;
mod murmur2;
mod personal;
mod plain;
mod position;
mod position_range;
mod prefix;
mod reader;
mod registry;
mod republisher;
mod restore;
mod rules;
mod schemas;
mod segment_end;
mod showing;
mod topic;
mod transactional_writer;
mod writer;

pub use avro_scalar::{Scalar, Span};
pub use avro_select::{FieldPath, PathError, Selected};
pub use catalogue::Catalogue;
pub use cluster::{Cluster, ClusterError, Difference, FoundTopic, differences};
pub use codec::{DecodeError, EncodeError, Recorded, decode, decode_key, encode, unframe};
pub use config::Config;
pub use content::{Content, Form, Opaque};
pub use decimal::Decimal;
pub use encoding::{Encoding, ReadAs, Reading};
pub use events::{Fact, FieldRule, RecordType, TopicEvent};
pub use fetched::{FetchedRecord, RecordError};
pub use flow::{Flow, ServiceKind};
pub use framing::{Foreign, Framing, Part, SchemaId};
pub use generated::{DEAD_LETTERS, DeadLetterHeader, DeadLettersEvent, RecordRefused};
pub use headers::{CAUSE, Cause, FOLD_VERSION, REDRIVE_OF, ReplyTo, SOURCE};
pub use ids::{derived_event_id, new_event_id, replayed_event_id};
pub use message::{Message, MessageError, MessageHeader, MessageSchema, as_text, describe, keys_shown_as, shown_key};
pub use murmur2::partition_of;
pub use personal::Personal;
pub use plain::text;
pub use position::{Position, PositionError, Positions, TopicPartition};
pub use position_range::PositionRange;
pub use prefix::{Prefix, PrefixError};
pub use reader::{
    Assignment, Batch, Committed, EventTimes, LedTo, Membership, Noted, PartitionEnd, RawRecord, Reader, ReaderError,
    ReaderEvent, ReaderOptions,
};
pub use registry::{AnySchema, Registered, Registry, RegistryError, SubjectVersion, WriterSchema};
pub use republisher::{Republication, RepublishError, Republished, Republisher};
pub use restore::restore;
pub use rules::{Characters, Checked, Limits, Rule, Violation};
pub use schemas::{Known, LookedUp, NoSchema, SchemaOf, Schemas};
pub use segment_end::is_segment_end;
pub use showing::{Extent, MOST_FIELDS, PREVIEW_CHARACTERS, PREVIEW_ITEMS, PREVIEW_MEMBERS, PREVIEW_VALUES, Showing};
pub use topic::{Cleanup, MAX_DEAD_LETTER_BYTES, MAX_RECORD_BYTES, REPLICATION_FACTOR, Topic, Writers};
pub use transactional_writer::{TransactionError, TransactionalOptions, TransactionalWriter};
pub use writer::{WriteError, Writer};

// For the macros, where they are expanded.
#[doc(hidden)]
pub use serde;
#[doc(hidden)]
pub use uuid::Uuid;
#[doc(hidden)]
pub type Time = chrono::DateTime<chrono::Utc>;
