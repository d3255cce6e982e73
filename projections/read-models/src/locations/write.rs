//! Writes what a batch changed about locations: the history, then one upsert for the current positions.
//!
//! COPY is the quickest way to write many rows and a slow one to write a few: it ends with a small packet that the
//! kernel holds back until the database has acknowledged the rows, which it puts off for 40 ms (the client does not
//! set TCP_NODELAY). So a few rows go in one statement with arrays, which is a single packet.

use crate::{Write, copy::CopyRows};
use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Postgres, postgres::PgArguments, query::Query};
use std::collections::BTreeMap;
use uuid::Uuid;

/// From this many rows on 40 ms are a fair price for COPY.
const COPY_FROM_ROWS: usize = 2_000;

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
        if self.history.len() < COPY_FROM_ROWS {
            let rows: Vec<&LocationRow> = self.history.iter().collect();
            let insert = include_str!("../../queries/locations/insert_history.sql");
            with_rows(insert, &rows).execute(&mut *connection).await?;
        } else {
            self.copy_history(connection).await?;
        }
        let rows: Vec<&LocationRow> = self.current.values().filter_map(|index| self.history.get(*index)).collect();
        let upsert = include_str!("../../queries/locations/upsert_current.sql");
        with_rows(upsert, &rows).execute(connection).await?;
        Ok(())
    }
}

impl LocationChanges {
    async fn copy_history(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
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
}

/// A statement over arrays, one element a row.
fn with_rows<'q>(statement: &'static str, rows: &[&LocationRow]) -> Query<'q, Postgres, PgArguments> {
    sqlx::query(statement)
        .bind(rows.iter().map(|row| row.person_id.clone()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.occurred_at).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.longitude).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.latitude).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.event_id).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.source_partition).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.source_offset).collect::<Vec<_>>())
}
