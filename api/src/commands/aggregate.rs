//! An aggregate as the API knows it: where wishes about it go, where they are answered, and what a rejection is in HTTP.
//!
//! How an outcome reads is the processor's own ([`Decides::outcome_of`]): nothing of an outcome is named here.

use foldstream_fold::{Aggregate as Decides, CommandDecided};
use foldstream_log::{FetchedRecord, RecordError, Registry, Topic};
use futures::future::BoxFuture;

#[derive(Debug)]
pub(crate) struct Aggregate {
    pub(crate) commands: &'static Topic,
    pub(crate) outcomes: &'static Topic,
    /// Below this path, by its key, one of it is served.
    pub(crate) path: &'static str,
    /// What its rules are in HTTP. One that is not named here is a conflict.
    pub(crate) refusals: &'static [(&'static str, Refusal)],
    /// `read_outcome` of its decider.
    pub(crate) read_outcome: ReadOutcome,
}

/// How a rejection is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// 404
    NotFound,
    /// 410
    Gone,
    /// 409
    Conflict,
}

pub(crate) type ReadOutcome =
    for<'a> fn(&'a FetchedRecord, &'a Registry) -> BoxFuture<'a, Result<Option<CommandDecided>, RecordError>>;

/// The outcome that a record is; none where it is an event.
pub(crate) fn read_outcome<'a, D: Decides>(
    record: &'a FetchedRecord,
    registry: &'a Registry,
) -> BoxFuture<'a, Result<Option<CommandDecided>, RecordError>> {
    Box::pin(async move { Ok(D::outcome_of(&record.event(registry).await?)) })
}

impl Aggregate {
    pub(crate) fn refusal(&self, rule: &str) -> Refusal {
        self.refusals.iter().find(|(name, _)| *name == rule).map_or(Refusal::Conflict, |(_, refusal)| *refusal)
    }

    /// Where the one of this key is served.
    pub(crate) fn href(&self, key: &str) -> String {
        format!("{}/{key}", self.path)
    }
}
