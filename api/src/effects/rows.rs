//! The rows that a record made, per projection, and what became of them.
//!
//! First is asked where the projection stands and whether it put the record aside; only where neither holds the record
//! back the tables say what became of its rows. They are looked at last, so they are never older than that.

use crate::{
    http::{
        place::message_link,
        problem::{DeadLetterFound, DeadLetterId, Problem},
    },
    resources::link_of_row,
    state::Api,
};
use foldstream_events::CATALOGUE;
use foldstream_log::{FetchedRecord, Position};
use foldstream_store::{
    Checkpoint, Fate, Made, Provenance, ProvenanceError, RowOf, View,
    dead_letters::{BlockedRecord, blocked},
};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// What a projection made of a message: a row, or why there is none.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct RowResource {
    #[schema(example = "locations-projection")]
    projection: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "current_location")]
    table: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// Where the row is served, as far as it is
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    /// `current`: the row is as this message made it (a sum: it is counted in it). `superseded`: another message counts
    /// in its place. `erased`: the row is gone. `not_yet`: the projection has not come that far. `dead_letter`: it could
    /// not be used. `parked`: it waits behind one that could not. `none`: it made no row. `unknown`: the read model does
    /// not tell
    #[schema(example = "superseded")]
    state: &'static str,
    /// The message whose row it is now
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/messages/locations/3/1730")]
    superseded_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The record that could not be used
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_letter: Option<DeadLetterFound>,
    /// Of one that has not come that far: where it goes on
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "locations:3:1700")]
    next: Option<String>,
    /// How many offsets it still has to pass, with this one
    #[serde(skip_serializing_if = "Option::is_none")]
    behind: Option<i64>,
    /// How far it is behind the topic, in milliseconds; absent when not known
    #[serde(skip_serializing_if = "Option::is_none")]
    lag_ms: Option<u64>,
}

/// What keeps a projection from having applied a record.
enum Waits {
    NotYet { next_offset: i64, lag_ms: Option<u64> },
    Blocked(Box<BlockedRecord>),
}

/// What every projection that reads its topic made of a record.
pub(super) async fn rows_of(api: &Api, record: &FetchedRecord) -> Result<Vec<RowResource>, Problem> {
    let position = record.position();
    let mut rows = Vec::new();
    for projection in api.parts.provenances.iter().filter(|one| one.reads(&record.topic)) {
        let view = api.parts.applied.now(projection.projection).await?;
        let waits = waits(api, projection, &view, &position).await?;
        let made = projection.made(&view.database, &api.parts.registry, record).await.map_err(failed)?;
        rows.extend(described(projection.projection, made, waits.as_ref(), &position));
    }
    Ok(rows)
}

/// What keeps the projection from having applied the record, if anything does.
async fn waits(api: &Api, projection: &Provenance, view: &View, position: &Position) -> Result<Option<Waits>, Problem> {
    let here =
        |checkpoint: &&Checkpoint| checkpoint.topic == position.topic && checkpoint.partition == position.partition;
    let next_offset = view.checkpoints.iter().find(here).map_or(0, |checkpoint| checkpoint.next_offset);
    if next_offset <= position.offset {
        let lag_ms = match CATALOGUE.topic(&position.topic) {
            Some(topic) => api.log_ends.lag_ms(topic, &view.checkpoints).await,
            None => None,
        };
        return Ok(Some(Waits::NotYet { next_offset, lag_ms }));
    }
    let blocked = blocked(&view.database, projection.projection, &[position.clone().into()]).await?;
    Ok(blocked.map(|record| Waits::Blocked(Box::new(record))))
}

/// One line a row; one without a row where there is none to name.
fn described(projection: &'static str, made: Made, waits: Option<&Waits>, position: &Position) -> Vec<RowResource> {
    let line = |state, reason| RowResource { projection, state, reason, ..RowResource::default() };
    let mut lines: Vec<RowResource> = match made {
        Made::Nothing => return vec![line("none", Some("it means nothing to this read model".to_owned()))],
        Made::Untold => vec![line("unknown", Some("this read model does not tell which rows are whose".to_owned()))],
        Made::Unusable { reason } if waits.is_none() => {
            vec![line("none", Some(format!("it could not be used and was dropped as a dead letter: {reason}")))]
        }
        Made::Unusable { .. } => vec![line("none", None)],
        Made::Rows(rows) => rows.into_iter().map(|row| RowResource { projection, ..of_row(row, position) }).collect(),
    };
    if let Some(waits) = waits {
        for line in &mut lines {
            line.wait(waits, position);
        }
    }
    lines
}

fn of_row(row: RowOf, position: &Position) -> RowResource {
    let RowOf { table, key, fate } = row;
    let mut line = RowResource { table: Some(table), ..RowResource::default() };
    match fate {
        Fate::Current => line.state = "current",
        Fate::Superseded { by } => {
            line.state = "superseded";
            let by = Position { topic: position.topic.clone(), partition: by.partition, offset: by.offset };
            line.superseded_by = Some(message_link(&by));
        }
        Fate::Erased => line.state = "erased",
        Fate::Unused { reason } => {
            line.state = "none";
            line.reason = Some(reason.to_owned());
        }
    }
    if matches!(fate, Fate::Current | Fate::Superseded { .. }) {
        line.resource = link_of_row(table, &key);
    }
    line.key = Some(key);
    line
}

impl RowResource {
    /// What holds the record back counts, and not what the tables hold meanwhile.
    fn wait(&mut self, waits: &Waits, position: &Position) {
        let RowResource { projection, table, key, .. } = std::mem::take(self);
        *self = Self { projection, table, key, ..Self::default() };
        match waits {
            Waits::NotYet { next_offset, lag_ms } => {
                self.state = "not_yet";
                self.next = Some(Position { offset: *next_offset, ..position.clone() }.to_string());
                self.behind = Some(position.offset + 1 - next_offset);
                self.lag_ms = *lag_ms;
            }
            Waits::Blocked(record) => {
                self.state = if record.dead_letter() == *position { "dead_letter" } else { "parked" };
                self.dead_letter = Some(DeadLetterFound {
                    id: DeadLetterId::Stored(record.id),
                    position: record.dead_letter().to_string(),
                    reason: record.reason.clone(),
                });
            }
        }
    }
}

fn failed(error: ProvenanceError) -> Problem {
    match error {
        ProvenanceError::Database(error) => error.into(),
        registry @ ProvenanceError::Registry { .. } => {
            Problem::Unavailable { what: "the schema registry".into(), cause: Arc::new(registry) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use foldstream_store::Source;

    const PROJECTION: &str = "locations-projection";

    fn position() -> Position {
        "locations:3:17".parse().unwrap()
    }

    fn rows() -> Made {
        let row = |table, fate| RowOf { table, key: "p/1".to_owned(), fate };
        let by = Source { partition: 3, offset: 20 };
        Made::Rows(vec![
            row("location_history", Fate::Current),
            row("current_location", Fate::Superseded { by }),
            row("person", Fate::Erased),
        ])
    }

    #[test]
    fn a_row_says_what_became_of_it() {
        let lines = described(PROJECTION, rows(), None, &position());
        let states: Vec<&str> = lines.iter().map(|line| line.state).collect();
        assert_eq!(states, ["current", "superseded", "erased"]);
        assert_eq!(lines[0].resource.as_deref(), Some("/api/locations/p%2F1"));
        assert_eq!(lines[1].superseded_by.as_deref(), Some("/messages/locations/3/20"));
        assert_eq!((lines[2].resource.as_deref(), lines[2].projection), (None, PROJECTION));
    }

    #[test]
    fn what_has_not_arrived_is_told_and_not_what_stands_there() {
        let waits = Waits::NotYet { next_offset: 15, lag_ms: Some(40) };
        for line in described(PROJECTION, rows(), Some(&waits), &position()) {
            assert_eq!((line.state, line.behind, line.lag_ms), ("not_yet", Some(3), Some(40)));
            assert_eq!((line.next.as_deref(), line.key.as_deref()), (Some("locations:3:15"), Some("p/1")));
            assert_eq!((line.resource, line.superseded_by), (None, None));
        }
        // What means nothing need not be waited for.
        assert_eq!(described(PROJECTION, Made::Nothing, Some(&waits), &position())[0].state, "none");
        assert_eq!(described(PROJECTION, Made::Untold, Some(&waits), &position())[0].state, "not_yet");
        assert_eq!(described(PROJECTION, Made::Untold, None, &position())[0].state, "unknown");
    }

    #[test]
    fn what_cannot_be_used_is_dropped_when_it_is_no_dead_letter_any_more() {
        let unusable = || Made::Unusable { reason: "no schema id".to_owned() };
        let lines = described(PROJECTION, unusable(), None, &position());
        assert!(lines[0].reason.as_deref().unwrap().ends_with("dropped as a dead letter: no schema id"), "{lines:?}");
        let waits = Waits::NotYet { next_offset: 0, lag_ms: None };
        assert_eq!(described(PROJECTION, unusable(), Some(&waits), &position())[0].state, "not_yet");
    }
}
