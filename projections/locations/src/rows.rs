//! What became of the rows that a report or an erasure made.
//!
//! A report is found in the history by the id of its event, for which there is an index; there is none for the place of
//! its record, and rows of the history are many.

use crate::apply::{LocationChanges, LocationRow};
use foldstream_store::{Database, DatabaseError, Fate, RowOf, Source};

const DROPPED: &str = "no row is of this record: it was dropped as a dead letter";
const LATE: &str = "an earlier record tells of a later time: this one came late";
const UNMARKED: &str = "the person is not marked as erased: the record was dropped as a dead letter";

/// The rows of the reports in these changes, and those that an erasure took.
pub(super) async fn rows_of(changes: &LocationChanges, database: &Database) -> Result<Vec<RowOf>, DatabaseError> {
    let mut rows = Vec::new();
    for person_id in changes.erased.keys() {
        let key = || person_id.clone();
        let (marked, removed) = match is_erased(database, person_id).await? {
            true => (Fate::Current, Fate::Erased),
            false => (Fate::Unused { reason: UNMARKED }, Fate::Unused { reason: UNMARKED }),
        };
        rows.push(RowOf { table: "erased_person", key: key(), fate: marked });
        rows.push(RowOf { table: "location_history", key: key(), fate: removed });
        rows.push(RowOf { table: "current_location", key: key(), fate: removed });
    }
    for report in &changes.history {
        rows.extend(of_report(database, report).await?);
    }
    Ok(rows)
}

async fn of_report(database: &Database, report: &LocationRow) -> Result<[RowOf; 2], DatabaseError> {
    let history: Vec<Source> = sqlx::query_as(include_str!("../queries/sources_of_event.sql"))
        .bind(report.event_id)
        .fetch_all(database.pool())
        .await
        .map_err(|error| DatabaseError::query("locations/sources_of_event", error))?;
    let current: Option<Source> = sqlx::query_as(include_str!("../queries/source_of_current.sql"))
        .bind(&report.person_id)
        .fetch_optional(database.pool())
        .await
        .map_err(|error| DatabaseError::query("locations/source_of_current", error))?;
    let own = Source { partition: report.source_partition, offset: report.source_offset };
    let without_row = match is_erased(database, &report.person_id).await? {
        true => Fate::Erased,
        false => Fate::Unused { reason: DROPPED },
    };
    let reported = if history.contains(&own) { Fate::Current } else { without_row };
    let stands = current.map_or(without_row, |stands| current_fate(own, stands));
    Ok([
        RowOf { table: "location_history", key: report.event_id.to_string(), fate: reported },
        RowOf { table: "current_location", key: report.person_id.clone(), fate: stands },
    ])
}

/// A person has one partition. The row is of the latest report by its own time, which may lie before this one.
fn current_fate(own: Source, stands: Source) -> Fate {
    match stands.offset.cmp(&own.offset) {
        std::cmp::Ordering::Equal => Fate::Current,
        std::cmp::Ordering::Greater => Fate::Superseded { by: stands },
        std::cmp::Ordering::Less => Fate::Unused { reason: LATE },
    }
}

async fn is_erased(database: &Database, person_id: &str) -> Result<bool, DatabaseError> {
    let erased: Option<String> = sqlx::query_scalar(include_str!("../queries/erased.sql"))
        .bind(vec![person_id])
        .fetch_optional(database.pool())
        .await
        .map_err(|error| DatabaseError::query("locations/erased", error))?;
    Ok(erased.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_that_came_late_was_never_where_somebody_is() {
        let at = |offset| Source { partition: 0, offset };
        assert_eq!(current_fate(at(5), at(5)), Fate::Current);
        assert_eq!(current_fate(at(5), at(9)), Fate::Superseded { by: at(9) });
        assert_eq!(current_fate(at(5), at(4)), Fate::Unused { reason: LATE });
    }
}
