//! What became of the rows that a profile made.

use crate::apply::{PeopleChanges, PersonRow};
use foldstream_store::{Database, DatabaseError, Fate, RowOf, Source};

const DROPPED: &str = "the row is of an earlier record: this one was dropped as a dead letter";

/// The rows of the people in these changes.
pub(super) async fn rows_of(changes: &PeopleChanges, database: &Database) -> Result<Vec<RowOf>, DatabaseError> {
    let mut rows = Vec::new();
    for (person_id, row) in &changes.people {
        let stands: Option<Source> = sqlx::query_as(include_str!("../queries/source.sql"))
            .bind(person_id)
            .fetch_optional(database.pool())
            .await
            .map_err(|error| DatabaseError::query("people/source", error))?;
        rows.push(RowOf { table: "person", key: person_id.clone(), fate: fate(row.as_ref(), stands) });
    }
    Ok(rows)
}

/// A person has one partition, so the row is of the newest record that was folded. Only an erasure takes a row away; a
/// dropped dead letter before the first row, which looks the same here, is not told apart.
fn fate(row: Option<&PersonRow>, stands: Option<Source>) -> Fate {
    match (row, stands) {
        (_, None) => Fate::Erased,
        (Some(row), Some(by)) if row.source_offset == by.offset => Fate::Current,
        (Some(row), Some(by)) if row.source_offset > by.offset => Fate::Unused { reason: DROPPED },
        (_, Some(by)) => Fate::Superseded { by },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use uuid::Uuid;

    #[test]
    fn the_newest_profile_is_the_row() {
        let row = |source_offset| PersonRow {
            first_name: "Ada".to_owned(),
            last_name: "Lovelace".to_owned(),
            company_name: "Engines".to_owned(),
            recorded_at: DateTime::UNIX_EPOCH,
            event_id: Uuid::nil(),
            source_partition: 0,
            source_offset,
        };
        let stands = Source { partition: 0, offset: 5 };
        assert_eq!(fate(Some(&row(5)), Some(stands)), Fate::Current);
        assert_eq!(fate(Some(&row(4)), Some(stands)), Fate::Superseded { by: stands });
        assert_eq!(fate(Some(&row(6)), Some(stands)), Fate::Unused { reason: DROPPED });
        assert_eq!(fate(Some(&row(5)), None), Fate::Erased);
        assert_eq!(fate(None, None), Fate::Erased);
    }
}
