//! The JSON shapes of people and locations, as the clients know them, and how an answer is put together.
//!
//! Shapes here never follow a change of the tables by accident: every field is named twice.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, SecondsFormat, Utc};
use foldstream_events::{LocationReported, RegisterPerson};
use foldstream_locations_projection::read::Location;
use foldstream_log::{Position, Topic};
use foldstream_people_projection::read::Person;
use foldstream_store::{Source, Sourced};
use serde::Serialize;
use std::sync::Arc;
use url::form_urlencoded::byte_serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    freshness::{HISTORY, PEOPLE},
    place::message_link,
    problem::Problem,
};

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Person)]
pub(crate) struct PersonResource {
    #[schema(example = "0199f1d2-6f0e-7c2b-9a55-5d0c1f1a7b21")]
    pub(crate) id: String,
    #[schema(example = "Ada")]
    pub(crate) first_name: String,
    #[schema(example = "Lovelace")]
    pub(crate) last_name: String,
    #[schema(example = "Analytical Engines")]
    pub(crate) company_name: String,
    /// The message that made it so; absent in a connection, and in the answer to a registration
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/messages/person-profiles/3/17")]
    pub(crate) event: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Location)]
pub(crate) struct LocationResource {
    /// The id of the event that reported it
    pub(crate) id: Uuid,
    pub(crate) person_id: String,
    /// WGS84 degrees
    #[schema(example = 48.8584)]
    pub(crate) latitude: f64,
    /// WGS84 degrees
    #[schema(example = 2.2945)]
    pub(crate) longitude: f64,
    /// When the person was there, UTC
    #[schema(format = DateTime, example = "2026-01-01T12:00:00Z")]
    pub(crate) creation_time: String,
    /// The message that reported it; absent in a connection
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/messages/locations/3/1729")]
    pub(crate) event: Option<String>,
}

/// A location of another person that lies near one of the person's own.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Connection)]
pub(crate) struct ConnectionResource {
    pub(crate) location: LocationResource,
    pub(crate) person: PersonResource,
}

impl From<Person> for PersonResource {
    fn from(person: Person) -> Self {
        Self {
            id: person.person_id,
            first_name: person.first_name,
            last_name: person.last_name,
            company_name: person.company_name,
            event: None,
        }
    }
}

impl From<Sourced<Person>> for PersonResource {
    fn from(person: Sourced<Person>) -> Self {
        Self { event: Some(link_of(PEOPLE.topic, person.source)), ..person.row.into() }
    }
}

impl From<RegisterPerson> for PersonResource {
    fn from(command: RegisterPerson) -> Self {
        Self {
            id: command.person_id,
            first_name: command.first_name,
            last_name: command.last_name,
            company_name: command.company_name,
            event: None,
        }
    }
}

impl From<Location> for LocationResource {
    fn from(location: Location) -> Self {
        Self {
            id: location.event_id,
            person_id: location.person_id,
            latitude: location.latitude,
            longitude: location.longitude,
            creation_time: time(location.occurred_at),
            event: None,
        }
    }
}

impl From<Sourced<Location>> for LocationResource {
    fn from(location: Sourced<Location>) -> Self {
        Self { event: Some(link_of(HISTORY.topic, location.source)), ..location.row.into() }
    }
}

impl LocationResource {
    /// As it was just reported, and where it lies.
    pub(crate) fn reported(event: LocationReported, position: &Position) -> Self {
        Self {
            id: event.event_id,
            person_id: event.person_id,
            latitude: event.latitude,
            longitude: event.longitude,
            creation_time: time(event.occurred_at),
            event: Some(message_link(position)),
        }
    }
}

impl From<(Location, Person)> for ConnectionResource {
    fn from((location, person): (Location, Person)) -> Self {
        Self { location: location.into(), person: person.into() }
    }
}

pub(crate) fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// The address of the message a row came from.
fn link_of(topic: &Topic, source: Source) -> String {
    let Source { partition, offset } = source;
    message_link(&Position { topic: topic.name.to_owned(), partition, offset })
}

/// Where a row of a table is served; none where no route shows it. A list where there is no route for one row.
pub(crate) fn link_of_row(table: &str, key: &str) -> Option<String> {
    let key: String = byte_serialize(key.as_bytes()).collect();
    match table {
        "person" => Some(format!("/api/persons/{key}")),
        "location_history" => Some(format!("/api/locations/{key}")),
        "current_location" => Some("/api/locations/current".to_owned()),
        "activity" => Some("/api/activity".to_owned()),
        _ => None,
    }
}

/// An answer in JSON.
pub(crate) fn json(status: StatusCode, content: &impl Serialize) -> Result<Response, Problem> {
    let body = serde_json::to_vec(content).map_err(|error| Problem::Internal { cause: Arc::new(error) })?;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// An answer whose content is what this event made it; 304 when the client has it already.
pub(crate) fn tagged(headers: &HeaderMap, event_id: Uuid, content: &impl Serialize) -> Result<Response, Problem> {
    // Weak, because compression changes the bytes.
    let tag = format!("W/\"{event_id}\"");
    let known = headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|known| known.trim() == tag || known.trim() == "*");
    let mut response = match known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => json(StatusCode::OK, content)?,
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_has_it_is_told_so() {
        let event_id = Uuid::from_u128(7);
        let mut headers = HeaderMap::new();
        let first = tagged(&headers, event_id, &1).unwrap();
        assert_eq!(first.status(), 200);
        let tag = first.headers()["etag"].to_str().unwrap().to_owned();
        headers.insert("if-none-match", format!("\"other\", {tag}").parse().unwrap());
        assert_eq!(tagged(&headers, event_id, &1).unwrap().status(), 304);
        assert_eq!(tagged(&headers, Uuid::from_u128(8), &1).unwrap().status(), 200);
    }
}
