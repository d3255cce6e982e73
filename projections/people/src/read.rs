//! Questions about people.
//!
//! Each is one statement, and lists are paged by key: a page costs the same wherever it begins.
//! Nothing is checked here; the API did that before it asked.

use foldstream_store::{Database, DatabaseError, Sourced};
use uuid::Uuid;

/// A person as a reader sees it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Person {
    pub person_id: String,
    pub first_name: String,
    pub last_name: String,
    pub company_name: String,
    /// The event that made the row what it is: another one means another content.
    pub event_id: Uuid,
}

/// The person of this id.
pub async fn find(database: &Database, person_id: &str) -> Result<Option<Sourced<Person>>, DatabaseError> {
    sqlx::query_as(include_str!("../queries/find.sql"))
        .bind(person_id)
        .fetch_optional(database.pool())
        .await
        .map_err(|error| DatabaseError::query("people/find", error))
}

/// People in the order of their ids, those after `after`.
pub async fn list(database: &Database, after: Option<&str>, rows: u32) -> Result<Vec<Sourced<Person>>, DatabaseError> {
    sqlx::query_as(include_str!("../queries/list.sql"))
        .bind(after)
        .bind(i64::from(rows))
        .fetch_all(database.pool())
        .await
        .map_err(|error| DatabaseError::query("people/list", error))
}

/// Those of these people who are known.
pub async fn find_all(database: &Database, person_ids: &[&str]) -> Result<Vec<Person>, DatabaseError> {
    sqlx::query_as(include_str!("../queries/find_all.sql"))
        .bind(person_ids)
        .fetch_all(database.pool())
        .await
        .map_err(|error| DatabaseError::query("people/find_all", error))
}

/// Those of these ids that nobody has. One statement, however many there are.
pub async fn unknown(database: &Database, person_ids: &[&str]) -> Result<Vec<String>, DatabaseError> {
    sqlx::query_scalar(include_str!("../queries/unknown.sql"))
        .bind(person_ids)
        .fetch_all(database.pool())
        .await
        .map_err(|error| DatabaseError::query("people/unknown", error))
}
