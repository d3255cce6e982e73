//! `GET /topics` and `GET /topics/{name}`: which topics there are, who writes and reads them, and how they are.
//!
//! Asks the brokers, the registry and the database, each answer anew; requests that come at the same time share one.
//! Nothing is created by asking, neither a topic nor a group. What cannot be known at the moment is null, never zero.

pub(crate) mod coalesced;
pub(crate) mod describing;
pub(crate) mod readers;

use crate::{
    http::{
        answer::json,
        limits::Client,
        parameters::{Parameters, PathId},
        problem::Problem,
    },
    state::Api,
    topics::describing::{TopicDetail, TopicSources, TopicSummary},
};
use axum::{
    extract::State,
    http::{StatusCode, Uri},
    response::Response,
};
use foldstream_browse::asking;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Its routes.
pub(crate) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(find))
}

/// Every topic there is, and those that are declared and missing, by name
#[utoipa::path(get, path = "/topics", tag = "log",
    responses((status = 200, description = "Every topic, in short", body = Vec<TopicSummary>)))]
pub(crate) async fn list(State(api): State<Api>, uri: Uri) -> Result<Response, Problem> {
    Parameters::read(&uri, &[]).finish()?;
    let sources = sources(&api);
    let look = async { Ok::<_, Problem>(sources.list().await?) };
    json(StatusCode::OK, &*api.topics.look("", look).await?)
}

/// Everything about a topic: partitions, settings beside the declaration, groups and readers with their lag, and what
/// was appended in the last hour
#[utoipa::path(get, path = "/topics/{name}", tag = "log",
    params(("name" = String, Path, description = "The topic's name", example = "locations")),
    responses((status = 200, description = "The topic", body = TopicDetail)))]
pub(crate) async fn find(
    State(api): State<Api>,
    client: Client,
    PathId(name): PathId,
    uri: Uri,
) -> Result<Response, Problem> {
    let mut parameters = Parameters::read(&uri, &[]);
    parameters.check(asking::topic(&name));
    parameters.finish()?;
    let (sources, budget) = (sources(&api), api.clients.budget(&client)?);
    let look = async { Ok::<_, Problem>(sources.show(&name, &budget).await?) };
    let topic = api.topic.look(&name, look).await?;
    // Whoever shares a look is charged what it took. Whether that was too much is told to the next question.
    let _ = (budget.client)(topic.appended.as_ref().map_or(0, |appended| appended.looked_at.bytes));
    json(StatusCode::OK, &*topic)
}

fn sources(api: &Api) -> TopicSources {
    let parts = &api.parts;
    TopicSources {
        brokers: parts.browse.brokers().clone(),
        registry: parts.registry.clone(),
        database: parts.database.clone(),
        edges: parts.flows.clone(),
    }
}
