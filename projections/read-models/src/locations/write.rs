//! Writes what a batch changed about locations: COPY for the history, one upsert for the current positions.

use crate::{Write, copy::CopyRows};
use chrono::{DateTime, Utc};
use sqlx::{PgConnection, postgres::PgConnection as Connection};
use std::collections::BTreeMap;
use uuid::Uuid;

/// A reported location.
#[derive(Debug, Clone, PartialEq)]
pub struct LocationRow {
    pub person_id: String,
    pub event_id: Uuid,
    pub occurred_at: DateTime<Utc>,
    pub latitude: f64,
    pub longitude: f64,
    pub source_partition: i32,
    pub source_offset: i64,
}

/// Every report of a batch in the order of the log, and for each person which of them is the latest.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LocationChanges {
    pub history: Vec<LocationRow>,
    /// Person id to index into `history`. In key order, so that transactions take row locks in the same order.
    pub current: BTreeMap<String, usize>,
}

impl Write for LocationChanges {
    async fn write(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        if self.history.is_empty() {
            return Ok(());
        }
        self.copy_history(connection).await?;
        self.upsert_current(connection).await
    }
}

impl LocationChanges {
    async fn copy_history(&self, connection: &mut Connection) -> Result<(), sqlx::Error> {
        let mut rows = CopyRows::with_capacity(self.history.len());
        for row in &self.history {
            rows.row(6)
                .uuid(row.event_id)
                .text(&row.person_id)
                .timestamptz(row.occurred_at)
                .geography(row.longitude, row.latitude)
                .int4(row.source_partition)
                .int8(row.source_offset);
        }
        let mut copy = connection.copy_in_raw(include_str!("../../queries/locations/copy.sql")).await?;
        match copy.send(rows.finish()).await {
            Ok(_) => copy.finish().await.map(drop),
            Err(error) => {
                // The statement must be ended whatever went wrong, or the connection stays in copy mode.
                copy.abort("the rows could not be sent").await?;
                Err(error)
            }
        }
    }

    async fn upsert_current(&self, connection: &mut Connection) -> Result<(), sqlx::Error> {
        let rows: Vec<&LocationRow> = self.current.values().filter_map(|index| self.history.get(*index)).collect();
        sqlx::query(include_str!("../../queries/locations/upsert_current.sql"))
            .bind(rows.iter().map(|row| row.person_id.as_str()).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.occurred_at).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.longitude).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.latitude).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.event_id).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.source_partition).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.source_offset).collect::<Vec<_>>())
            .execute(connection)
            .await?;
        Ok(())
    }
}
