//! Questions about locations.
//!
//! Each is one statement, and lists are paged by (time, event id). A resent event may stand in the history twice; a
//! reader sees it once: the second lies right beside the first, and the next page begins behind both.
//!
//! The connection query stands on the index `(cell, occurred_at)`, the cell being a Morton code of the position.
//! `tables.sql` tells how it works and what was measured; in short, for 1,000,000 locations of
//! 5,000 persons over 30 days and a page of 1000 it takes 14 to 162 ms whatever the distance, where a GiST index on
//! the geography took over 2 s from 100 m on, at equal or higher cost of ingest (9.4 µs a row against 9.3-11.2).
//!
//! Nothing is checked here; the API did that before it asked.

use chrono::{DateTime, Utc};
use foldstream_store::{Database, DatabaseError, Sourced};
use uuid::Uuid;

/// Where a person was.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Location {
    pub event_id: Uuid,
    pub person_id: String,
    pub occurred_at: DateTime<Utc>,
    pub latitude: f64,
    pub longitude: f64,
}

/// Where a page ends: the next one begins behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageEnd {
    pub occurred_at: DateTime<Utc>,
    pub event_id: Uuid,
}

/// A page of a list; `end` when there may be more behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub end: Option<PageEnd>,
}

/// Which page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paging {
    /// Where the page before ended.
    pub after: Option<PageEnd>,
    pub limit: u32,
}

/// A stretch of time without its end; open where there is no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    pub start: Option<DateTime<Utc>>,
    pub end: Option<DateTime<Utc>>,
}

/// Whom others came near to, when and how near.
#[derive(Debug, Clone, PartialEq)]
pub struct Proximity<'a> {
    pub person_id: &'a str,
    pub start: DateTime<Utc>,
    /// Excluded.
    pub end: DateTime<Utc>,
    pub distance_m: f64,
}

/// The location reported by this event.
pub async fn find(database: &Database, event_id: Uuid) -> Result<Option<Sourced<Location>>, DatabaseError> {
    sqlx::query_as(include_str!("../queries/find.sql"))
        .bind(event_id)
        .fetch_optional(database.pool())
        .await
        .map_err(|error| DatabaseError::query("locations/find", error))
}

/// All locations, newest first.
pub async fn list(database: &Database, paging: Paging) -> Result<Page<Sourced<Location>>, DatabaseError> {
    sqlx::query_as(include_str!("../queries/list.sql"))
        .bind(paging.after.map(|after| after.occurred_at))
        .bind(paging.after.map(|after| after.event_id))
        .bind(i64::from(paging.limit) + 1)
        .fetch_all(database.pool())
        .await
        .map(|rows| page(rows, paging.limit, |sourced: &Sourced<Location>| PageEnd::of(&sourced.row)))
        .map_err(|error| DatabaseError::query("locations/list", error))
}

/// Where each person is, or was at that time, in the order of their ids, those after `after`.
pub async fn list_current(
    database: &Database,
    as_of: Option<DateTime<Utc>>,
    after: Option<&str>,
    rows: u32,
) -> Result<Vec<Sourced<Location>>, DatabaseError> {
    let query = match as_of {
        None => sqlx::query_as(include_str!("../queries/list_current.sql")).bind(after).bind(i64::from(rows)),
        Some(as_of) => {
            sqlx::query_as(include_str!("../queries/list_as_of.sql")).bind(after).bind(i64::from(rows)).bind(as_of)
        }
    };
    query.fetch_all(database.pool()).await.map_err(|error| DatabaseError::query("locations/list_current", error))
}

/// The locations of a person within the window, oldest first.
pub async fn list_of_person(
    database: &Database,
    person_id: &str,
    window: Window,
    paging: Paging,
) -> Result<Page<Sourced<Location>>, DatabaseError> {
    sqlx::query_as(include_str!("../queries/list_of_person.sql"))
        .bind(person_id)
        .bind(window.start)
        .bind(window.end)
        .bind(paging.after.map(|after| after.occurred_at))
        .bind(paging.after.map(|after| after.event_id))
        .bind(i64::from(paging.limit) + 1)
        .fetch_all(database.pool())
        .await
        .map(|rows| page(rows, paging.limit, |sourced: &Sourced<Location>| PageEnd::of(&sourced.row)))
        .map_err(|error| DatabaseError::query("locations/list_of_person", error))
}

/// Every location of others within the distance of any location of the person, both within the window, oldest first.
/// Where the rows came from is not told: the function of the database does not give it.
pub async fn connection(
    database: &Database,
    proximity: &Proximity<'_>,
    paging: Paging,
) -> Result<Page<Location>, DatabaseError> {
    sqlx::query_as(include_str!("../queries/connection.sql"))
        .bind(proximity.person_id)
        .bind(proximity.start)
        .bind(proximity.end)
        .bind(proximity.distance_m)
        .bind(paging.after.map(|after| after.occurred_at))
        .bind(paging.after.map(|after| after.event_id))
        .bind(i64::from(paging.limit) + 1)
        .fetch_all(database.pool())
        .await
        .map(|rows| page(rows, paging.limit, PageEnd::of))
        .map_err(|error| DatabaseError::query("locations/connection", error))
}

impl PageEnd {
    fn of(location: &Location) -> Self {
        Self { occurred_at: location.occurred_at, event_id: location.event_id }
    }
}

/// Makes a page of `limit` rows and one, which only tells that there is more.
fn page<T>(mut rows: Vec<T>, limit: u32, key: impl Fn(&T) -> PageEnd) -> Page<T> {
    let limit = limit as usize;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let end = rows.last().filter(|_| more).map(&key);
    rows.dedup_by(|later, earlier| key(later) == key(earlier));
    Page { items: rows, end }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(event: u128) -> Location {
        Location {
            event_id: Uuid::from_u128(event),
            person_id: "p".to_owned(),
            occurred_at: DateTime::UNIX_EPOCH,
            latitude: 0.0,
            longitude: 0.0,
        }
    }

    #[test]
    fn a_page_ends_where_the_next_begins_and_shows_a_resent_event_once() {
        let rows = vec![location(1), location(1), location(2), location(2)];
        let paged = page(rows.clone(), 3, PageEnd::of);
        assert_eq!(paged.items, [location(1), location(2)]);
        assert_eq!(paged.end, Some(PageEnd::of(&location(2))));
        let last = page(rows, 4, PageEnd::of);
        assert_eq!((last.items.len(), last.end), (2, None));
    }
}
