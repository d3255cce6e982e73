//! What a projection and its store are to the loop.

use crate::dead_letter::DeadLetter;
use foldstream_log::TopicEvent;
use foldstream_log::{Recorded, TopicPartition};
use std::error::Error;

/// A fold of topics into tables.
pub trait Projection: Send + Sync + 'static {
    type Event: TopicEvent;
    /// What the records of a batch change, folded before it is written: a row appears at most once.
    type Changes: Default + Send + Sync;

    /// Names the consumer group and the positions; it never changes.
    const NAME: &'static str;

    /// Folds one record. Pure: no clock, no I/O, no randomness, no log.
    fn apply(changes: &mut Self::Changes, record: &Recorded<Self::Event>) -> Step;

    /// Whether this record ends its key: nothing before it may be kept. So it does not wait behind a dead letter, and with
    /// it go all dead letters of its key, on whatever topic, and what is parked behind them.
    fn erases(_record: &Recorded<Self::Event>) -> bool {
        false
    }
}

/// What a fold makes of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It is in the changes.
    Applied,
    /// It means nothing to this fold.
    Skip,
    /// It cannot be used; the reason.
    DeadLetter(String),
    /// This version of the fold must not go past it; the reason. Its partition stops.
    Halt(String),
}

/// A partition's step forward. It is also the fence: it holds only while the position stands at `start`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advance {
    pub partition: TopicPartition,
    pub start: i64,
    pub end: i64,
    /// Append time of the newest record in it; none where only the position moves.
    pub appended_at_ms: Option<i64>,
}

/// What one transaction writes.
#[derive(Debug)]
pub struct Commit<C> {
    pub changes: C,
    pub dead_letters: Vec<DeadLetter>,
    pub parked: Vec<ParkedRecord>,
    /// Keys whose dead letters and parked records are void.
    pub released: Vec<(TopicPartition, Vec<u8>)>,
    /// Keys of which nothing from before may be kept, on whatever topic.
    pub erased: Vec<String>,
    pub advances: Vec<Advance>,
}

/// A record that waits behind a dead letter of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedRecord {
    pub partition: TopicPartition,
    pub offset: i64,
    pub appended_at_ms: i64,
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
    /// Whether that dead letter is written by the same transaction.
    pub behind_new: bool,
}

/// What somebody wants done with a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Fold it again, then what is parked behind it.
    Redrive,
    /// Drop it, then fold what is parked behind it.
    Discard,
}

/// A dead letter somebody asked about, and the first of what is parked behind it.
#[derive(Debug, Clone)]
pub struct RedriveRequest {
    pub dead_letter: i64,
    pub action: Action,
    pub partition: TopicPartition,
    /// Where the dead letter lies; its record may be settled already, while others still wait.
    pub offset: i64,
    pub settled: bool,
    pub key: Option<Vec<u8>>,
    /// Whether its key was parked when it failed.
    pub parks: bool,
    /// In the order of the log: the dead letter's own unless it is settled, then parked ones.
    pub records: Vec<StoredRecord>,
    /// Whether more is parked behind these.
    pub more: bool,
}

/// A record as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    pub offset: i64,
    pub appended_at_ms: i64,
    pub value: Option<Vec<u8>>,
}

/// What became of a piece of a queue.
#[derive(Debug)]
pub struct Settlement<'a, C> {
    pub request: &'a RedriveRequest,
    pub changes: C,
    /// Holds while the position stands where the owner thinks it does; moves nothing.
    pub fence: Advance,
    /// How many of the records leave the queue: the first ones.
    pub leaving: usize,
    /// Keys of which nothing from before may be kept, on whatever topic.
    pub erased: Vec<String>,
    pub settled: Settled,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// Nothing is left: the key is parked no longer.
    Emptied,
    /// More is parked behind.
    Continues,
    /// The last of those that leave the queue failed: it is the dead letter now, and the request is over.
    Failed(DeadLetter),
}

/// Where rows and positions live together.
pub trait Store<C>: Send + Sync + 'static {
    /// Which version of the projection it holds; each version has a consumer group of its own.
    fn version(&self) -> i32 {
        FIRST_VERSION
    }

    /// Where each partition starts; a partition never seen starts at 0.
    fn positions(
        &self,
        projection: &'static str,
        partitions: &[TopicPartition],
    ) -> impl Future<Output = Result<Vec<(TopicPartition, i64)>, StoreError>> + Send;

    /// The keys that are parked in these partitions.
    fn parked(
        &self,
        projection: &'static str,
        partitions: &[TopicPartition],
    ) -> impl Future<Output = Result<Vec<(TopicPartition, Vec<u8>)>, StoreError>> + Send;

    /// Which of these keys a record has ended ([`Projection::erases`]).
    fn ended(
        &self,
        projection: &'static str,
        keys: &[Vec<u8>],
    ) -> impl Future<Output = Result<Vec<Vec<u8>>, StoreError>> + Send;

    /// Writes all of it or nothing.
    fn commit(
        &self,
        projection: &'static str,
        commit: &Commit<C>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The oldest open request about a dead letter of these partitions, with at most this many records.
    fn next_request(
        &self,
        projection: &'static str,
        partitions: &[TopicPartition],
        most_records: usize,
    ) -> impl Future<Output = Result<Option<RedriveRequest>, StoreError>> + Send;

    /// Writes all of it or nothing.
    fn settle(
        &self,
        projection: &'static str,
        settlement: &Settlement<'_, C>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// The version that is there from the beginning.
const FIRST_VERSION: i32 = 1;

/// The name of a version of a projection: the first bears the projection's own.
pub(crate) fn name_of_version(projection: &str, version: i32) -> String {
    if version == FIRST_VERSION { projection.to_owned() } else { format!("{projection}-v{version}") }
}

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the position of {projection} is not where the batch starts: another owner is ahead")]
    Fenced { projection: &'static str },
    #[error("what is parked in {projection} is not what this owner knows: somebody else removed some of it")]
    Unparked { projection: &'static str },
    #[error("the store refused a value (SQLSTATE {code})")]
    BadData { code: String, source: Box<dyn Error + Send + Sync> },
    #[error("the store is away or busy (SQLSTATE {code})")]
    Unavailable { code: String, source: Box<dyn Error + Send + Sync> },
    #[error("the store cannot do this (SQLSTATE {code})")]
    Broken { code: String, source: Box<dyn Error + Send + Sync> },
}
