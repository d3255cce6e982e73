//! Where a projection stands, as any reader of its tables sees it.
//!
//! Positions and rows are committed together: whoever sees `next_offset` behind an event sees the event's row.

use anyhow::{Context, Result};
use foldstream_log::Flow;
use sqlx::{Connection, PgConnection};
use std::collections::BTreeMap;

/// Next offset by partition.
pub(crate) type Positions = BTreeMap<i32, i64>;

/// A connection that reads the positions of one projection.
#[derive(Debug)]
pub(crate) struct PositionReader {
    connection: PgConnection,
    projection: &'static str,
    /// The topic that counts: the first it reads.
    topic: &'static str,
}

impl PositionReader {
    pub(crate) async fn connect(database_url: &str, flow: &Flow) -> Result<Self> {
        let topic = flow.reads.first().context("a projection that reads nothing")?;
        let connection = PgConnection::connect(database_url).await.context("cannot connect to the database")?;
        Ok(Self { connection, projection: flow.service, topic })
    }

    pub(crate) async fn read(&mut self) -> Result<Positions> {
        let found: Vec<(i32, i64)> = sqlx::query_as(
            "select partition, next_offset from projection_position where projection = $1 and topic = $2",
        )
        .bind(self.projection)
        .bind(self.topic)
        .fetch_all(&mut self.connection)
        .await
        .context("cannot read the positions")?;
        Ok(found.into_iter().collect())
    }
}

/// Whether all of `ends` are reached.
pub(crate) fn reached(positions: &Positions, ends: &Positions) -> bool {
    ends.iter().all(|(partition, end)| positions.get(partition).is_some_and(|next_offset| next_offset >= end))
}
