//! The read model `activity`: how many locations were reported for each hour.
//!
//! An hour is fed by every partition, but by additions only, so the row is the same whatever comes first. It is the
//! smallest read model there is, and the example of the README: its statements are short enough to stand here.

use crate::{
    Database, DatabaseError, Fate, RowOf, Write,
    versions::{ReadModel, Table},
};
use chrono::{DateTime, SecondsFormat, Utc};
use sqlx::PgConnection;
use std::collections::BTreeMap;

/// Reports by hour. In key order, so that transactions take row locks in the same order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActivityChanges {
    pub reports: BTreeMap<DateTime<Utc>, i64>,
}

impl ReadModel for ActivityChanges {
    const TABLES: &'static [Table] = &[Table {
        name: "activity",
        rows: "select hour::text as key, hashtextextended(reports::text, 0) as hash from activity order by hour",
        only_appended: false,
    }];

    /// A sum keeps what it was made of: what was folded is counted.
    async fn rows_of(&self, _: &Database) -> Result<Option<Vec<RowOf>>, DatabaseError> {
        let key = |hour: &DateTime<Utc>| hour.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        let row = |hour| RowOf { table: "activity", key: key(hour), fate: Fate::Current };
        Ok(Some(self.reports.keys().map(row).collect()))
    }
}

impl Write for ActivityChanges {
    async fn write(&self, _: &'static str, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        sqlx::query(
            "insert into activity as known (hour, reports) select * from unnest($1::timestamptz[], $2::bigint[])
             on conflict (hour) do update set reports = known.reports + excluded.reports",
        )
        .bind(self.reports.keys().copied().collect::<Vec<_>>())
        .bind(self.reports.values().copied().collect::<Vec<_>>())
        .execute(connection)
        .await
        .map(drop)
    }
}

/// Hours in which something was reported, newest first, each with how much.
pub async fn list(database: &Database, hours: u32) -> Result<Vec<(DateTime<Utc>, i64)>, DatabaseError> {
    sqlx::query_as("select hour, reports from activity order by hour desc limit $1")
        .bind(i64::from(hours))
        .fetch_all(database.pool())
        .await
        .map_err(|error| DatabaseError::query("activity/list", error))
}
