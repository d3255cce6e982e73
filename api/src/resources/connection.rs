//! Connections: `/api/persons/{id}/connection`, who was near a person within some days.
//!
//! One set-based query; how it works and what it costs stands in `projections/locations`, `read.rs`. Whose the locations
//! are is asked of the other read model, once for the page.

use crate::{
    freshness::{Freshness, FreshnessParameters},
    http::{
        names::{AFTER, WAIT_MS},
        paging::{CURSOR, LIMIT, PageRequest},
        parameters::{Parameters, PathId},
        problem::Problem,
    },
    resource::Resource,
    resources::{locations::window, persons::known, read_models::READS_BOTH, shapes::ConnectionResource},
    state::Api,
};
use axum::{extract::State, http::Uri, response::Response};
use foldstream_locations_projection::{
    Locations,
    read::{self as locations, PageEnd, Paging, Proximity},
};
use foldstream_log::Violation;
use foldstream_people_projection::{People, read as people};
use foldstream_store::ReadModel;
use std::collections::{BTreeSet, HashMap};
use utoipa_axum::{router::OpenApiRouter, routes};

const DISTANCE: &str = "distance";
const MAX_DISTANCE_M: f64 = 100_000.0;
/// What the clients mean when they say nothing.
const DEFAULT_DISTANCE_M: f64 = 5.0;

pub(crate) static RESOURCE: Resource = Resource {
    router: || OpenApiRouter::new().routes(routes!(list)),
    bodies: &[],
    rows: &[],
    edges: |flow| flow.reading_tables(People::table_names()).reading_tables(Locations::table_names()),
    aggregate: None,
};

/// Locations of others near a person's own
///
/// Every location of another person within `distance` metres (geodesic) of any location of this person, both within
/// the days, oldest first, each once. Locations of people who are not known (any more) are left out.
#[utoipa::path(get, path = "/api/persons/{id}/connection", tag = "people",
    params(("id" = String, Path, description = "The person's id"),
        ("start_date" = String, Query, description = "First day (UTC), YYYY-MM-DD", example = "2026-01-01"),
        ("end_date" = String, Query, description = "Last day (UTC), included in full, YYYY-MM-DD", example = "2026-01-31"),
        ("distance" = Option<f64>, Query, description = "Metres; 5 when not given",
            exclusive_minimum = 0, maximum = 100000),
        ("limit" = Option<u32>, Query, description = "How many at most; 1000 when not given", minimum = 1, maximum = 10000),
        ("cursor" = Option<String>, Query, description = "Where to go on: taken from the `Link` header of the page before"),
        FreshnessParameters),
    responses((status = 200, description = "A page of locations and whose they are", body = Vec<ConnectionResource>)))]
pub(crate) async fn list(State(api): State<Api>, PathId(id): PathId, uri: Uri) -> Result<Response, Problem> {
    let known_names = ["start_date", "end_date", DISTANCE, LIMIT, CURSOR, AFTER, WAIT_MS];
    let mut parameters = Parameters::read(&uri, &known_names);
    parameters.id(&id);
    parameters.require("start_date", "the first day, YYYY-MM-DD");
    parameters.require("end_date", "the last day, YYYY-MM-DD");
    let window = window(&mut parameters);
    let distance_m = distance(&mut parameters);
    let page: PageRequest<PageEnd> = PageRequest::read(&mut parameters, 1..=10_000, 1000);
    let freshness = Freshness::read(&mut parameters, &api, READS_BOTH);
    parameters.finish()?;
    let standing = freshness.reached(&api).await?;
    let database = &standing.database;
    known(database, &id).await?;
    let proximity = Proximity {
        person_id: &id,
        start: window.start.unwrap_or_default(),
        end: window.end.unwrap_or_default(),
        distance_m,
    };
    let found = locations::connection(database, &proximity, Paging { after: page.after, limit: page.limit }).await?;
    let ids: BTreeSet<&str> = found.items.iter().map(|location| location.person_id.as_str()).collect();
    let people = people::find_all(database, &ids.into_iter().collect::<Vec<_>>()).await?;
    let people: HashMap<&str, &people::Person> =
        people.iter().map(|person| (person.person_id.as_str(), person)).collect();
    // A page may hold less than its limit: whoever is not known (any more) is left out.
    let whose = |location: locations::Location| {
        let person = people::Person::clone(people.get(location.person_id.as_str())?);
        Some((location, person))
    };
    let items = found.items.into_iter().filter_map(whose).collect();
    let response = page.answer_up_to::<_, ConnectionResource>(items, found.end)?;
    Ok(standing.tell(&api, response).await)
}

fn distance(parameters: &mut Parameters) -> f64 {
    let Some(text) = parameters.text(DISTANCE) else { return DEFAULT_DISTANCE_M };
    // The comparisons are false for NaN.
    let metres = text.parse().ok().filter(|metres: &f64| *metres > 0.0 && *metres <= MAX_DISTANCE_M);
    let rule = "a distance is a number of metres, more than 0 and at most 100000";
    let checked = metres.ok_or_else(|| Violation::new(DISTANCE, text, rule));
    parameters.check(checked).unwrap_or(DEFAULT_DISTANCE_M)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        let read = |text: &str| {
            let mut parameters = Parameters::read(&format!("/?distance={text}").parse().unwrap(), &[DISTANCE]);
            let metres = distance(&mut parameters);
            parameters.finish().map(|()| metres).ok()
        };
        for bad in ["-1", "1e9", "0", "abc", "NaN", "inf", "", "100000.1"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(read("5"), Some(5.0));
        assert_eq!(read("100000"), Some(100_000.0));
    }
}
