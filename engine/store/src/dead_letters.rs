//! Questions about dead letters, and wishes: what is there, what waits behind it, and what is to be done with it.
//!
//! Nothing is done here. A wish is a row; the owner of the partition finds it and does it between its batches, in its
//! own fenced transaction (`parked.rs`).

use crate::database::{Database, DatabaseError};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use foldstream_fold::Action;
use foldstream_log::{CAUSE, Position, PositionRange, Positions, TopicPartition};
use serde_json::Value;
use std::fmt;

/// Which dead letters; all of them where nothing is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub projection: Option<String>,
    pub topic: Option<String>,
    /// One of these.
    pub keys: Option<Vec<Vec<u8>>>,
    /// A part of the reason.
    pub reason_contains: Option<String>,
}

/// A dead letter as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct DeadLetterSummary {
    pub id: i64,
    pub projection: String,
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub appended_at: DateTime<Utc>,
    pub key: Option<Vec<u8>>,
    pub reason: String,
    pub failed_at: DateTime<Utc>,
    /// Its own record is done with; others still wait behind it.
    pub settled: bool,
    /// How many records wait behind it.
    pub parked: i64,
    /// What is asked for: `redrive` or `discard`.
    pub action: Option<String>,
    pub requested_at: Option<DateTime<Utc>>,
    /// Why what was asked for failed.
    pub failure: Option<String>,
}

/// A dead letter with everything that is kept of it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct StoredDeadLetter {
    #[sqlx(flatten)]
    pub summary: DeadLetterSummary,
    pub value: Option<Vec<u8>>,
    headers: Value,
}

/// A record that is not applied: it is a dead letter, or waits behind one.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct BlockedRecord {
    /// The dead letter's.
    pub id: i64,
    topic: String,
    partition: i32,
    offset: i64,
    pub reason: String,
    record_offset: i64,
}

/// The dead letter behind which a key waits.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ParkedKey {
    pub id: i64,
    topic: String,
    partition: i32,
    offset: i64,
    pub reason: String,
    /// Its own record is done with.
    pub settled: bool,
    headers: Value,
}

/// A dead letter about which nobody does anything as things stand: no service folds its version.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Unserved {
    pub id: i64,
    projection: String,
    version: Option<i32>,
    state: Option<String>,
}

impl fmt::Display for Unserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id: _, projection, version, state } = self;
        match (version, state.as_deref()) {
            (Some(version), Some("loading")) => write!(
                f,
                "version {version} of {projection} is loading and served by nobody: `foldstream projections rebuild \
                 {projection}` goes on with it, `foldstream projections drop {projection} {version}` removes it"
            ),
            (Some(version), _) => write!(f, "version {version} of {projection} is being dropped, and this with it"),
            (None, _) => write!(f, "it is of a verification of {projection}, and goes with that"),
        }
    }
}

impl DeadLetterSummary {
    #[must_use]
    pub fn position(&self) -> Position {
        Position { topic: self.topic.clone(), partition: self.partition, offset: self.offset }
    }
}

impl StoredDeadLetter {
    /// The headers as they were; names may repeat.
    #[must_use]
    pub fn headers(&self) -> Vec<(String, Option<Vec<u8>>)> {
        headers(&self.headers)
    }
}

impl ParkedKey {
    /// Where the dead letter lies.
    #[must_use]
    pub fn dead_letter(&self) -> Position {
        Position { topic: self.topic.clone(), partition: self.partition, offset: self.offset }
    }

    /// The record that led to the dead letter, where its headers name one.
    #[must_use]
    pub fn cause(&self) -> Option<Position> {
        let (_, cause) = headers(&self.headers).into_iter().find(|(name, _)| name == CAUSE)?;
        String::from_utf8(cause?).ok()?.parse().ok()
    }
}

impl BlockedRecord {
    /// Where the dead letter lies.
    #[must_use]
    pub fn dead_letter(&self) -> Position {
        Position { topic: self.topic.clone(), partition: self.partition, offset: self.offset }
    }

    /// The record that was asked about.
    #[must_use]
    pub fn record(&self) -> Position {
        Position { topic: self.topic.clone(), partition: self.partition, offset: self.record_offset }
    }
}

/// Dead letters, newest first, those before the id `after`.
pub async fn list(
    database: &Database,
    filter: &Filter,
    after: Option<i64>,
    rows: u32,
) -> Result<Vec<DeadLetterSummary>, DatabaseError> {
    sqlx::query_as(include_str!("../queries/dead-letter/list.sql"))
        .bind(&filter.projection)
        .bind(&filter.topic)
        .bind(&filter.keys)
        .bind(&filter.reason_contains)
        .bind(after)
        .bind(i64::from(rows))
        .fetch_all(database.pool())
        .await
        .map_err(|error| DatabaseError::query("dead-letter/list", error))
}

/// The dead letter of this id.
pub async fn find(database: &Database, id: i64) -> Result<Option<StoredDeadLetter>, DatabaseError> {
    sqlx::query_as(include_str!("../queries/dead-letter/find.sql"))
        .bind(id)
        .fetch_optional(database.pool())
        .await
        .map_err(|error| DatabaseError::query("dead-letter/find", error))
}

/// The offsets of the first records that wait behind a dead letter.
pub async fn parked_offsets(database: &Database, id: i64, rows: u32) -> Result<Vec<i64>, DatabaseError> {
    sqlx::query_scalar(include_str!("../queries/parked/offsets.sql"))
        .bind(id)
        .bind(i64::from(rows))
        .fetch_all(database.pool())
        .await
        .map_err(|error| DatabaseError::query("parked/offsets", error))
}

/// Leaves the wish; gives the ids of those dead letters that are there.
pub async fn request(database: &Database, ids: &[i64], action: Action) -> Result<Vec<i64>, DatabaseError> {
    sqlx::query_scalar(include_str!("../queries/dead-letter/request.sql"))
        .bind(ids)
        .bind(match action {
            Action::Redrive => "redrive",
            Action::Discard => "discard",
        })
        .fetch_all(database.pool())
        .await
        .map_err(|error| DatabaseError::query("dead-letter/request", error))
}

/// Those of these dead letters about which something is still asked, and why it failed if it did. Of the others the
/// wish is fulfilled: they are gone.
pub async fn requested(database: &Database, ids: &[i64]) -> Result<Vec<(i64, Option<String>)>, DatabaseError> {
    sqlx::query_as(include_str!("../queries/dead-letter/requested.sql"))
        .bind(ids)
        .fetch_all(database.pool())
        .await
        .map_err(|error| DatabaseError::query("dead-letter/requested", error))
}

/// Those of these dead letters that no service does anything about.
pub async fn unserved(database: &Database, ids: &[i64]) -> Result<Vec<Unserved>, DatabaseError> {
    sqlx::query_as(include_str!("../queries/dead-letter/unserved.sql"))
        .bind(ids)
        .fetch_all(database.pool())
        .await
        .map_err(|error| DatabaseError::query("dead-letter/unserved", error))
}

/// The first record in these ranges that a projection has not applied because it is a dead letter, or waits behind one.
pub async fn blocked(
    database: &Database,
    projection: &str,
    ranges: &[PositionRange],
) -> Result<Option<BlockedRecord>, DatabaseError> {
    sqlx::query_as(include_str!("../queries/parked/blocked.sql"))
        .bind(projection)
        .bind(ranges.iter().map(|range| range.topic.as_str()).collect::<Vec<_>>())
        .bind(ranges.iter().map(|range| range.partition).collect::<Vec<_>>())
        .bind(ranges.iter().map(|range| range.first).collect::<Vec<_>>())
        .bind(ranges.iter().map(|range| range.last).collect::<Vec<_>>())
        .fetch_optional(database.pool())
        .await
        .map_err(|error| DatabaseError::query("parked/blocked", error))
}

/// Whether a projection has put anything aside in the partitions of these positions.
pub async fn anything_aside(database: &Database, projection: &str, places: &Positions) -> Result<bool, DatabaseError> {
    if places.is_empty() {
        return Ok(false);
    }
    let places: Vec<Position> = places.iter().collect();
    sqlx::query_scalar(include_str!("../queries/parked/anything.sql"))
        .bind(projection)
        .bind(places.iter().map(|place| place.topic.as_str()).collect::<Vec<_>>())
        .bind(places.iter().map(|place| place.partition).collect::<Vec<_>>())
        .fetch_one(database.pool())
        .await
        .map_err(|error| DatabaseError::query("parked/anything", error))
}

/// What the key waits behind in a partition, where it does.
pub async fn parked_key(
    database: &Database,
    projection: &str,
    place: TopicPartition,
    key: &[u8],
) -> Result<Option<ParkedKey>, DatabaseError> {
    sqlx::query_as(include_str!("../queries/parked/of_key.sql"))
        .bind(projection)
        .bind(place.topic)
        .bind(place.partition)
        .bind(key)
        .fetch_optional(database.pool())
        .await
        .map_err(|error| DatabaseError::query("parked/of_key", error))
}

/// As they are stored; names may repeat.
fn headers(stored: &Value) -> Vec<(String, Option<Vec<u8>>)> {
    let pair = |pair: &Value| {
        let value = pair.get(1).and_then(Value::as_str).and_then(|value| STANDARD.decode(value).ok());
        Some((pair.get(0)?.as_str()?.to_owned(), value))
    };
    stored.as_array().into_iter().flatten().filter_map(pair).collect()
}
