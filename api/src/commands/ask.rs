//! Appends a command and waits for its outcome, whatever its aggregate is.

use crate::{
    commands::{aggregate::Aggregate, answer::Answer, preferences::Preferences},
    http::problem::Problem,
    state::Api,
};
use foldstream_browse::BrowseError;
use foldstream_log::{TopicEvent, WriteError};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// How long brokers may take to say where the outcomes end, once in the life of a process.
const READY: Duration = Duration::from_secs(2);

/// Appends a command of this aggregate and waits for its outcome.
pub(crate) async fn ask(
    api: &Api,
    aggregate: &'static Aggregate,
    command: impl TopicEvent,
    asked: &Preferences,
) -> Result<Answer, Problem> {
    // Before it is appended: the outcome must not slip by.
    if !asked.respond_async && !api.outcomes.ready(asked.deadline.max(Instant::now() + READY)).await {
        return Err(unavailable(BrowseError::Late { doing: "following outcomes" }));
    }
    let command = api.parts.writer.append(&command).await.map_err(|error| not_written(error, 1))?;
    let outcome = match asked.respond_async {
        true => None,
        false => api.outcomes.of(&command, asked.deadline).await,
    };
    Ok(Answer { aggregate, command, outcome })
}

/// The log cannot be asked what was decided.
pub(crate) fn unavailable(cause: BrowseError) -> Problem {
    Problem::Unavailable { what: "the log".into(), cause: Arc::new(cause) }
}

/// What went wrong when nothing of `total` events was acknowledged.
pub(crate) fn not_written(error: WriteError, total: usize) -> Problem {
    match error {
        WriteError::Schema(cause) if cause.is_retriable() => {
            Problem::Unavailable { what: "the schema registry".into(), cause: Arc::new(cause) }
        }
        cause @ WriteError::NotAcknowledged { .. } => Problem::NotAcknowledged {
            total,
            not_acknowledged: (0..total).collect(),
            positions: String::new(),
            cause: Arc::new(cause),
        },
        cause => Problem::Internal { cause: Arc::new(cause) },
    }
}
