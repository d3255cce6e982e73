//! Writes what a batch changed about locations: the history, then one upsert for the current positions; and removes
//! those of people who were erased.
//!
//! A person's locations and erasure come by two topics, in any order, and perhaps to two instances while partitions move
//! between them. The rows must come out the same: none. So an erasure leaves a mark, and locations of marked people are
//! not written. For neither to miss the other, both take the same lock first: a batch of locations holds the fence of
//! its partitions (its rows of `projection_position`), and an erasure takes those of the same number too.
//!
//! COPY is the quickest way to write many rows and a slow one to write a few: it ends with a small packet that the
//! kernel holds back until the database has acknowledged the rows, which it puts off for 40 ms (the client does not
//! set TCP_NODELAY). So a few rows go in one statement with arrays, which is a single packet.

use super::made;
use crate::{
    Database, DatabaseError, RowOf, Write,
    copy::CopyRows,
    versions::{ReadModel, Table},
};
use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Postgres, postgres::PgArguments, query::Query};
use std::collections::{BTreeMap, BTreeSet, HashSet};
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
    /// People who were erased, and the partition that says so.
    pub erased: BTreeMap<String, i32>,
    /// Person id to index into `history`. In key order, so that transactions take row locks in the same order.
    pub current: BTreeMap<String, usize>,
}

impl ReadModel for LocationChanges {
    const TABLES: &'static [Table] = &[
        Table {
            name: "location_history",
            rows: include_str!("../../queries/locations/rows_history.sql"),
            only_appended: true,
        },
        Table {
            name: "current_location",
            rows: include_str!("../../queries/locations/rows_current.sql"),
            only_appended: false,
        },
        Table {
            name: "erased_person",
            rows: include_str!("../../queries/locations/rows_erased.sql"),
            only_appended: false,
        },
    ];

    async fn rows_of(&self, database: &Database) -> Result<Option<Vec<RowOf>>, DatabaseError> {
        made::rows_of(self, database).await.map(Some)
    }
}

impl Write for LocationChanges {
    fn erased(&self) -> Vec<&str> {
        self.erased.keys().map(String::as_str).collect()
    }

    async fn write(&self, projection: &'static str, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        if !self.erased.is_empty() {
            self.erase(projection, connection).await?;
        }
        if self.history.is_empty() {
            return Ok(());
        }
        let ids: Vec<&str> = self.current.keys().map(String::as_str).collect();
        let erased: HashSet<String> = sqlx::query_scalar(include_str!("../../queries/locations/erased.sql"))
            .bind(ids)
            .fetch_all(&mut *connection)
            .await?
            .into_iter()
            .collect();
        let history: Vec<&LocationRow> = self.history.iter().filter(|row| !erased.contains(&row.person_id)).collect();
        if history.len() < COPY_FROM_ROWS {
            let insert = include_str!("../../queries/locations/insert_history.sql");
            with_rows(insert, &history).execute(&mut *connection).await?;
        } else {
            copy(&history, connection).await?;
        }
        let current = self.current.iter().filter(|(person_id, _)| !erased.contains(*person_id));
        let rows: Vec<&LocationRow> = current.filter_map(|(_, index)| self.history.get(*index)).collect();
        let upsert = include_str!("../../queries/locations/upsert_current.sql");
        with_rows(upsert, &rows).execute(connection).await?;
        Ok(())
    }
}

impl LocationChanges {
    async fn erase(&self, projection: &'static str, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let partitions: BTreeSet<i32> = self.erased.values().copied().collect();
        sqlx::query(include_str!("../../queries/locations/lock_partitions.sql"))
            .bind(projection)
            .bind(partitions.into_iter().collect::<Vec<_>>())
            .execute(&mut *connection)
            .await?;
        let people = Write::erased(self);
        for statement in [
            include_str!("../../queries/locations/mark_erased.sql"),
            include_str!("../../queries/locations/erase_history.sql"),
            include_str!("../../queries/locations/erase_current.sql"),
        ] {
            sqlx::query(statement).bind(&people).execute(&mut *connection).await?;
        }
        Ok(())
    }
}

async fn copy(history: &[&LocationRow], connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let mut rows = CopyRows::with_capacity(history.len());
    for row in history {
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
