//! The question about activity. Nothing is checked here; the API did that before it asked.

use chrono::{DateTime, Utc};
use foldstream_store::{Database, DatabaseError};

/// Hours in which something was reported, newest first, each with how much.
pub async fn list(database: &Database, hours: u32) -> Result<Vec<(DateTime<Utc>, i64)>, DatabaseError> {
    sqlx::query_as("select hour, reports from activity order by hour desc limit $1")
        .bind(i64::from(hours))
        .fetch_all(database.pool())
        .await
        .map_err(|error| DatabaseError::query("activity/list", error))
}
