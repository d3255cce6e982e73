//! The nouns of the API, a file each: reading and writing it, its routes, and all else that is to be known of it.
//!
//! A new one is its file, its module here and its place in `RESOURCES`.

mod activity;
mod connection;
mod dead_letters;
mod locations;
mod persons;
mod read_models;
mod shapes;

use crate::{
    commands::aggregate::Aggregate,
    resource::{Body, Resource},
    state::Api,
};
use foldstream_log::Flow;
use utoipa_axum::router::OpenApiRouter;

static RESOURCES: &[&Resource] = &[
    // A line each, in the order of the description.
    &persons::RESOURCE,
    &locations::RESOURCE,
    &connection::RESOURCE,
    &activity::RESOURCE,
    &dead_letters::RESOURCE,
];

/// The routes of every noun.
pub(crate) fn router() -> OpenApiRouter<Api> {
    RESOURCES.iter().fold(OpenApiRouter::new(), |routes, resource| routes.merge((resource.router)()))
}

/// What is sent to every noun.
pub(crate) fn bodies() -> impl Iterator<Item = &'static Body> {
    RESOURCES.iter().flat_map(|resource| resource.bodies)
}

/// What decides on wishes about nouns.
pub(crate) fn aggregates() -> Vec<&'static Aggregate> {
    RESOURCES.iter().filter_map(|resource| resource.aggregate).collect()
}

/// The edges of every noun, each once.
pub(crate) fn edges(mut flow: Flow) -> Flow {
    for resource in RESOURCES {
        flow = (resource.edges)(flow);
        if let Some(Aggregate { commands, outcomes, .. }) = resource.aggregate {
            flow = flow.reading_tables([outcomes.name]).writing_tables([commands.name]);
        }
    }
    for names in [&mut flow.reads, &mut flow.writes] {
        names.sort_unstable();
        names.dedup();
    }
    flow
}

/// Where a row of a table is served; none where no route shows it.
pub(crate) fn link_of_row(table: &str, key: &str) -> Option<String> {
    let rows = RESOURCES.iter().flat_map(|resource| resource.rows);
    rows.filter(|(name, _)| *name == table).map(|(_, served)| served.link(key)).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_served_by_its_key_or_in_a_list() {
        assert_eq!(link_of_row("person", "p/1").as_deref(), Some("/api/persons/p%2F1"));
        assert_eq!(link_of_row("location_history", "7").as_deref(), Some("/api/locations/7"));
        assert_eq!(link_of_row("activity", "7").as_deref(), Some("/api/activity"));
        assert_eq!(link_of_row("erased_person", "p1"), None);
    }

    #[test]
    fn the_topics_of_two_aggregates_are_two() {
        let mut topics: Vec<_> = aggregates().iter().flat_map(|one| [one.commands.name, one.outcomes.name]).collect();
        topics.sort_unstable();
        let all = topics.len();
        topics.dedup();
        assert_eq!((topics.len(), all), (2 * aggregates().len(), 2 * aggregates().len()));
    }
}
