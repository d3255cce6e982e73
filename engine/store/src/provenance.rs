//! From rows to the records they came from, and from a record to the rows it made.
//!
//! A row names the record that made it ([`Source`](crate::row::Source)). The other way round the fold itself is asked: what
//! [`Projection::apply`](foldstream_fold::Projection::apply) makes of the record alone are the rows, and the read model looks up what became of them
//! ([`ReadModel::rows_of`]). So what a record means is said in one place.
//!
//! Not told here: whether the projection has come that far, and whether it put the record aside. Whoever asks looks at
//! its position and at its dead letters first.

use crate::{
    database::{Database, DatabaseError},
    read_model::ReadModel,
    row::RowOf,
};
use foldstream_fold::Step;
use foldstream_log::{FetchedRecord, RecordError, Recorded, Registry, RegistryError, decode_key, is_segment_end};
use foldstream_log::{Topic, TopicEvent};
use std::{error::Error, future::Future, pin::Pin};

/// What a projection makes of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    Rows(Vec<RowOf>),
    /// It means nothing to this projection.
    Nothing,
    /// It cannot be used; why.
    Unusable {
        reason: String,
    },
    /// The read model does not tell which rows are whose.
    Untold,
}

#[derive(Debug, thiserror::Error)]
pub enum ProvenanceError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("the schema of the record cannot be asked for")]
    Registry { source: RegistryError },
}

/// A projection that can be asked what it makes of a record.
#[derive(Debug, Clone, Copy)]
pub struct Provenance {
    pub projection: &'static str,
    topics: fn() -> &'static [&'static Topic],
    made: for<'a> fn(&'a Database, &'a Registry, &'a FetchedRecord) -> Making<'a>,
}

type Making<'a> = Pin<Box<dyn Future<Output = Result<Made, ProvenanceError>> + Send + 'a>>;

impl Provenance {
    #[must_use]
    pub const fn of<P>() -> Self
    where
        P: ReadModel,
    {
        Self {
            projection: P::NAME,
            topics: P::Event::topics,
            made: |database, registry, record| Box::pin(made_by::<P>(database, registry, record)),
        }
    }

    /// Whether it folds the records of this topic.
    #[must_use]
    pub fn reads(&self, topic: &str) -> bool {
        (self.topics)().iter().any(|read| read.name == topic)
    }

    /// What it makes of this record, and what became of that in these tables.
    pub async fn made(
        &self,
        database: &Database,
        registry: &Registry,
        record: &FetchedRecord,
    ) -> Result<Made, ProvenanceError> {
        (self.made)(database, registry, record).await
    }
}

async fn made_by<P>(database: &Database, registry: &Registry, record: &FetchedRecord) -> Result<Made, ProvenanceError>
where
    P: ReadModel,
{
    let Some(topic) = P::Event::topics().iter().find(|topic| topic.name == record.topic) else {
        return Ok(Made::Nothing);
    };
    if is_segment_end(record.key.as_deref(), record.value.as_deref()) {
        return Ok(Made::Nothing);
    }
    let key = match decode_key(record.key.as_deref()) {
        Ok(key) => key.to_owned(),
        Err(error) => return Ok(Made::Unusable { reason: error.to_string() }),
    };
    let event = match record.event::<P::Event>(registry).await {
        Ok(event) => Some(event),
        Err(RecordError::NoValue) => None,
        Err(RecordError::Schema(source)) if source.is_retriable() => return Err(ProvenanceError::Registry { source }),
        Err(error) => return Ok(Made::Unusable { reason: cause_of(&error) }),
    };
    let recorded = Recorded {
        topic: topic.name,
        partition: record.partition,
        offset: record.offset,
        appended_at_ms: record.timestamp_ms,
        key,
        event,
    };
    let mut changes = P::Changes::default();
    match P::apply(&mut changes, &recorded) {
        Step::Applied => Ok(P::rows_of(&changes, database).await?.map_or(Made::Untold, Made::Rows)),
        Step::Skip => Ok(Made::Nothing),
        Step::DeadLetter(reason) | Step::Halt(reason) => Ok(Made::Unusable { reason }),
    }
}

/// What a dead letter would say of it.
fn cause_of(error: &RecordError) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}
