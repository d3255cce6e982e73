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

use crate::{
    Locations,
    apply::{LocationChanges, LocationRow},
    rows,
};
use foldstream_fold::Projection;
use foldstream_store::{CopyRows, Database, DatabaseError, Former, ReadModel, RowOf, Table};
use sqlx::{PgConnection, Postgres, postgres::PgArguments, query::Query};
use std::collections::{BTreeSet, HashSet};
use uuid::Uuid;

/// From this many rows on 40 ms are a fair price for COPY.
const COPY_FROM_ROWS: usize = 2_000;

/// Tables in which the ids of those who were erased stood.
const WITH_IDS: Uuid = Uuid::from_u128(0xb650_ce47_7967_52b2_a21e_faaf_a708_717a);

impl ReadModel for Locations {
    const MODEL: &'static str = "locations";
    const TABLES_SQL: &'static str = include_str!("../tables.sql");
    const INDEXES_SQL: &'static str = include_str!("../indexes.sql");
    const FORMER: &'static [Former] =
        &[Former { digest: WITH_IDS, becomes: include_str!("../queries/hash_erased.sql") }];
    const TABLES: &'static [Table] = &[
        Table { name: "location_history", rows: include_str!("../queries/rows_history.sql") },
        Table { name: "current_location", rows: include_str!("../queries/rows_current.sql") },
        Table { name: "erased_person", rows: include_str!("../queries/rows_erased.sql") },
    ];

    async fn write(changes: &LocationChanges, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        if !changes.erased.is_empty() {
            erase(changes, connection).await?;
        }
        if changes.history.is_empty() {
            return Ok(());
        }
        let ids: Vec<&str> = changes.current.keys().map(String::as_str).collect();
        let erased: HashSet<String> = sqlx::query_scalar(include_str!("../queries/erased.sql"))
            .bind(ids)
            .fetch_all(&mut *connection)
            .await?
            .into_iter()
            .collect();
        let history: Vec<&LocationRow> =
            changes.history.iter().filter(|row| !erased.contains(&row.person_id)).collect();
        if history.len() < COPY_FROM_ROWS {
            with_rows(include_str!("../queries/insert_history.sql"), &history).execute(&mut *connection).await?;
        } else {
            copy(&history, connection).await?;
        }
        let current = changes.current.iter().filter(|(person_id, _)| !erased.contains(*person_id));
        let rows: Vec<&LocationRow> = current.filter_map(|(_, index)| changes.history.get(*index)).collect();
        with_rows(include_str!("../queries/upsert_current.sql"), &rows).execute(connection).await?;
        Ok(())
    }

    async fn rows_of(changes: &LocationChanges, database: &Database) -> Result<Option<Vec<RowOf>>, DatabaseError> {
        rows::rows_of(changes, database).await.map(Some)
    }
}

async fn erase(changes: &LocationChanges, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let partitions: BTreeSet<i32> = changes.erased.values().copied().collect();
    sqlx::query(include_str!("../queries/lock_partitions.sql"))
        .bind(Locations::NAME)
        .bind(partitions.into_iter().collect::<Vec<_>>())
        .execute(&mut *connection)
        .await?;
    let people: Vec<&str> = changes.erased.keys().map(String::as_str).collect();
    for statement in [
        include_str!("../queries/mark_erased.sql"),
        include_str!("../queries/erase_history.sql"),
        include_str!("../queries/erase_current.sql"),
    ] {
        sqlx::query(statement).bind(&people).execute(&mut *connection).await?;
    }
    Ok(())
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
    let mut copy = connection.copy_in_raw(include_str!("../queries/copy.sql")).await?;
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
