//! The JSON shapes of people and locations, as the clients know them.
//!
//! Shapes here never follow a change of the tables by accident: every field is named twice.

use crate::{
    http::{place::message_link, times},
    resources::read_models::{HISTORY, PEOPLE},
};
use foldstream_events::{LocationReported, RegisterPerson};
use foldstream_locations_projection::read::Location;
use foldstream_log::{Position, Topic};
use foldstream_people_projection::read::Person;
use foldstream_store::{Source, Sourced};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

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
            creation_time: times::shown(location.occurred_at),
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
            creation_time: times::shown(event.occurred_at),
            event: Some(message_link(position)),
        }
    }
}

impl From<(Location, Person)> for ConnectionResource {
    fn from((location, person): (Location, Person)) -> Self {
        Self { location: location.into(), person: person.into() }
    }
}

/// The address of the message a row came from.
fn link_of(topic: &Topic, source: Source) -> String {
    let Source { partition, offset } = source;
    message_link(&Position { topic: topic.name.to_owned(), partition, offset })
}
