//! Bytes <-> events on Kafka: the crate that knows the Kafka client, Avro and the schema registry.
//!
//! | to do | use |
//! |---|---|
//! | fold the records of topics, as a member of a group or up to an end | [`Reader`] |
//! | append events | [`Writer`]; in Kafka transactions [`TransactionalWriter`] |
//! | read for a fold without joining a group | [`Browser`]; what is appended from now on [`Tail`] |
//! | make the cluster agree with the declared topics | [`Cluster`] |
//! | know which schema an id stands for | [`Registry`]; for the records of a page [`Schemas`] |
//! | show any record as a person reads it | [`describe`]; one field of it [`WriterSchema::select`] |
//!
//! For people who want to look at a topic there is `foldstream-browse`.
//!
//! Decoding is strict: a record that is not exactly what its schema says is an error that says why.

mod avro_cursor;
mod avro_json;
mod avro_scalar;
mod avro_select;
mod browser;
mod caused;
mod client_log;
mod cluster;
mod codec;
mod config;
mod decimal;
mod fetched;
mod headers;
mod message;
mod murmur2;
mod reader;
mod registry;
mod schemas;
mod tail;
mod to_end;
mod transactional_writer;
mod writer;

pub use avro_scalar::{Scalar, Span};
pub use avro_select::{FieldPath, PathError, Selected};
pub use browser::{Browser, BrowserError, PartitionRange};
pub use caused::Caused;
pub use cluster::{Cluster, ClusterError, Difference, FoundTopic, differences};
pub use codec::{DecodeError, EncodeError, Recorded, decode, decode_key, encode, schema_id, unframe};
pub use config::Config;
pub use decimal::Decimal;
pub use fetched::{FetchedRecord, RecordError};
pub use headers::{CAUSE, Cause, REDRIVE_OF};
pub use message::{Message, MessageError, MessageSchema, describe};
pub use murmur2::partition_of;
pub use reader::{
    Assignment, Batch, Committed, LedTo, Membership, Noted, PartitionEnd, RawRecord, Reader, ReaderError, ReaderEvent,
    ReaderOptions, TopicPartition, group_of,
};
pub use registry::{Registered, Registry, RegistryError, WriterSchema};
pub use schemas::{Known, LookedUp, Schemas};
pub use tail::Tail;
pub use transactional_writer::{TransactionError, TransactionalOptions, TransactionalWriter};
pub use writer::{WriteError, Writer};
