//! Writes what a batch changed about people: one upsert, and the removal of those who were erased.

use crate::{
    People,
    apply::{PeopleChanges, PersonRow},
    rows,
};
use foldstream_store::{Database, DatabaseError, ReadModel, RowOf, Table};
use sqlx::PgConnection;

impl ReadModel for People {
    const MODEL: &'static str = "people";
    const TABLES_SQL: &'static str = include_str!("../tables.sql");
    const TABLES: &'static [Table] = &[Table { name: "person", rows: include_str!("../queries/rows_person.sql") }];

    async fn write(changes: &PeopleChanges, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let erased: Vec<&str> =
            changes.people.iter().filter(|(_, row)| row.is_none()).map(|(person_id, _)| person_id.as_str()).collect();
        if !erased.is_empty() {
            sqlx::query(include_str!("../queries/delete.sql")).bind(erased).execute(&mut *connection).await?;
        }
        let rows: Vec<(&str, &PersonRow)> =
            changes.people.iter().filter_map(|(person_id, row)| Some((person_id.as_str(), row.as_ref()?))).collect();
        if rows.is_empty() {
            return Ok(());
        }
        sqlx::query(include_str!("../queries/upsert.sql"))
            .bind(rows.iter().map(|(person_id, _)| *person_id).collect::<Vec<_>>())
            .bind(rows.iter().map(|(_, row)| row.first_name.as_str()).collect::<Vec<_>>())
            .bind(rows.iter().map(|(_, row)| row.last_name.as_str()).collect::<Vec<_>>())
            .bind(rows.iter().map(|(_, row)| row.company_name.as_str()).collect::<Vec<_>>())
            .bind(rows.iter().map(|(_, row)| row.recorded_at).collect::<Vec<_>>())
            .bind(rows.iter().map(|(_, row)| row.event_id).collect::<Vec<_>>())
            .bind(rows.iter().map(|(_, row)| row.source_partition).collect::<Vec<_>>())
            .bind(rows.iter().map(|(_, row)| row.source_offset).collect::<Vec<_>>())
            .execute(connection)
            .await?;
        Ok(())
    }

    async fn rows_of(changes: &PeopleChanges, database: &Database) -> Result<Option<Vec<RowOf>>, DatabaseError> {
        rows::rows_of(changes, database).await.map(Some)
    }
}
