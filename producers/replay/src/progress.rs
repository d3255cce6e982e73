//! How far a source has come, as `source-progress` says: the only memory of the replay.

use crate::error::ReplayError;
use chrono::{DateTime, Utc};
use foldstream_browse::Brokers;
use foldstream_events::{SOURCE_PROGRESS, SourceProgressEvent, SourceProgressed};
use foldstream_log::Registry;
use foldstream_log::derived_event_id;
use std::time::Duration;

/// Longer than a foreign transaction on the same partition can stay open.
const PATIENCE: Duration = Duration::from_secs(20);

/// The newest committed progress; none when the source was never replayed. To be read after fencing: before that, an
/// older writer may still be about to commit.
pub(crate) async fn read(
    brokers: &Brokers,
    registry: &Registry,
    source_id: &str,
) -> Result<Option<SourceProgressed>, ReplayError> {
    let unreadable = |source| ReplayError::ReadProgress { source_id: source_id.to_owned(), source };
    let unusable = |source| ReplayError::DecodeProgress { source_id: source_id.to_owned(), source };
    let record = brokers.last_of_key(SOURCE_PROGRESS.name, source_id, PATIENCE).await.map_err(unreadable)?;
    let Some(record) = record.filter(|record| record.value.is_some()) else { return Ok(None) };
    let SourceProgressEvent::SourceProgressed(progress) = record.event(registry).await.map_err(unusable)?;
    Ok(Some(progress))
}

/// The event that says everything before `next_sequence` is written.
pub(crate) fn progressed(
    source_id: &str,
    next_sequence: u64,
    time_shift_us: i64,
    now: DateTime<Utc>,
) -> SourceProgressEvent {
    SourceProgressEvent::from(SourceProgressed {
        event_id: derived_event_id(&format!("{source_id}/progress/{next_sequence}")),
        source_id: source_id.to_owned(),
        occurred_at: now,
        // Sequences count rows of a data set; none has 2^63.
        next_sequence: i64::try_from(next_sequence).unwrap_or(i64::MAX),
        time_shift_us,
    })
}
