//! Writes what a batch changed about people: one upsert, and the removal of those who were erased.

use super::made;
use crate::{
    Database, DatabaseError, RowOf, Write,
    versions::{ReadModel, Table},
};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use std::collections::BTreeMap;
use uuid::Uuid;

/// A person as the table holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonRow {
    pub first_name: String,
    pub last_name: String,
    pub company_name: String,
    pub recorded_at: DateTime<Utc>,
    pub event_id: Uuid,
    pub source_partition: i32,
    pub source_offset: i64,
}

/// The last word of a batch on each person: a row, or none where the person was erased. In key order, so that
/// transactions take row locks in the same order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeopleChanges {
    pub people: BTreeMap<String, Option<PersonRow>>,
}

impl ReadModel for PeopleChanges {
    const TABLES: &'static [Table] =
        &[Table { name: "person", rows: include_str!("../../queries/people/rows.sql"), only_appended: false }];

    async fn rows_of(&self, database: &Database) -> Result<Option<Vec<RowOf>>, DatabaseError> {
        made::rows_of(self, database).await.map(Some)
    }
}

impl Write for PeopleChanges {
    fn erased(&self) -> Vec<&str> {
        self.people.iter().filter(|(_, row)| row.is_none()).map(|(person_id, _)| person_id.as_str()).collect()
    }

    async fn write(&self, _: &'static str, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let erased = self.erased();
        if !erased.is_empty() {
            sqlx::query(include_str!("../../queries/people/delete.sql")).bind(erased).execute(&mut *connection).await?;
        }
        let rows: Vec<(&str, &PersonRow)> =
            self.people.iter().filter_map(|(person_id, row)| Some((person_id.as_str(), row.as_ref()?))).collect();
        if rows.is_empty() {
            return Ok(());
        }
        sqlx::query(include_str!("../../queries/people/upsert.sql"))
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
}
