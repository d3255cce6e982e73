//! Bytes <-> events on Kafka. The only crate that knows Kafka, Avro and the schema registry.
//!
//! | to do | use |
//! |---|---|
//! | fold the records of topics, as a member of a group or up to an end | [`Reader`] |
//! | append events | [`Writer`]; in Kafka transactions [`TransactionalWriter`] |
//! | look at records without joining a group | [`Browser`]; at what is appended from now on [`Tail`] |
//! | make the cluster agree with the declared topics | [`Cluster`] |
//! | know which schema an id stands for | [`Registry`] |
//!
//! Decoding is strict: a record that is not exactly what its schema says is an error that says why.

mod avro_json;
mod browser;
mod client_log;
mod cluster;
mod codec;
mod config;
mod headers;
mod message;
mod newest;
mod reader;
mod registry;
mod tail;
mod to_end;
mod transactional_writer;
mod writer;

pub use browser::{Browser, BrowserError, FetchedRecord, PartitionRange, RecordError};
pub use cluster::{Cluster, ClusterError, Difference};
pub use codec::{DecodeError, EncodeError, Recorded, decode, decode_key, encode, unframe};
pub use config::Config;
pub use headers::{CAUSE, Cause, REDRIVE_OF};
pub use message::{Message, MessageError, MessageSchema, describe};
pub use newest::{Covered, NewestPage};
pub use reader::{
    Assignment, Batch, Committed, Membership, PartitionEnd, RawRecord, Reader, ReaderError, ReaderEvent, ReaderOptions,
    TopicPartition,
};
pub use registry::{Registered, Registry, RegistryError, WriterSchema};
pub use tail::Tail;
pub use transactional_writer::{TransactionError, TransactionalOptions, TransactionalWriter};
pub use writer::{WriteError, Writer};
