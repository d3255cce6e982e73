//! Writes how many reports a batch adds to each hour. One statement, short enough to stand here.

use crate::{Activity, apply::ActivityChanges};
use chrono::{DateTime, SecondsFormat, Utc};
use foldstream_store::{Database, DatabaseError, Fate, ReadModel, RowOf, Table};
use sqlx::PgConnection;

impl ReadModel for Activity {
    const MODEL: &'static str = "activity";
    const TABLES_SQL: &'static str = include_str!("../tables.sql");
    const TABLES: &'static [Table] = &[Table {
        name: "activity",
        rows: "select hour::text as key, hashtextextended(reports::text, 0) as hash from activity order by hour",
    }];

    async fn write(changes: &ActivityChanges, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        sqlx::query(
            "insert into activity as known (hour, reports) select * from unnest($1::timestamptz[], $2::bigint[])
             on conflict (hour) do update set reports = known.reports + excluded.reports",
        )
        .bind(changes.reports.keys().copied().collect::<Vec<_>>())
        .bind(changes.reports.values().copied().collect::<Vec<_>>())
        .execute(connection)
        .await
        .map(drop)
    }

    /// A sum keeps what it was made of: what was folded is counted.
    async fn rows_of(changes: &ActivityChanges, _: &Database) -> Result<Option<Vec<RowOf>>, DatabaseError> {
        let key = |hour: &DateTime<Utc>| hour.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        let row = |hour| RowOf { table: "activity", key: key(hour), fate: Fate::Current };
        Ok(Some(changes.reports.keys().map(row).collect()))
    }
}
