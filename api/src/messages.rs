//! `GET /messages`: the newest records of any topic, over all its partitions, decoded.
//!
//! Looks at the log itself and not at a read model. No consumer group is joined and no topic is created; a record that
//! cannot be decoded keeps its place, with the reason and its bytes.

use crate::{paging::LIMIT, parameters::Parameters, problem::Problem, resources::json, routes::Api};
use axum::{
    extract::State,
    http::{StatusCode, Uri},
    response::Response,
};
use foldstream_events::{Topic, Violation};
use foldstream_wire::{BrowserError, Covered, Message, describe};
use futures::{StreamExt, stream};
use serde::Serialize;
use std::{sync::Arc, time::Duration};
use utoipa::ToSchema;

const TOPIC: &str = "topic";
/// How long the brokers may take to give a page.
const BUDGET: Duration = Duration::from_secs(2);
/// How many records are decoded at once; only an unknown schema makes one wait.
const DECODED_AT_ONCE: usize = 64;

/// The newest records of a topic.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Messages {
    topic: String,
    /// `timestamp`: the true newest, by append time. `merge`: a topic that is not ours, whose times may be anything;
    /// within a partition order is by offset.
    #[schema(example = "timestamp")]
    order: &'static str,
    /// Each with topic, partition, offset, position, timestamp, key, headers, value, schema, size, and error when it
    /// could not be decoded
    #[schema(value_type = Vec<Object>)]
    messages: Vec<Message>,
    /// False only when time was up before the page was proven to be the newest
    complete: bool,
    /// What the page holds of each partition: every record from `from` up to, not including, `to`
    #[schema(value_type = Vec<Object>)]
    covered: Vec<Covered>,
}

/// The newest records of a topic, newest first
#[utoipa::path(get, path = "/messages", tag = "log",
    params(("topic" = String, Query, description = "The topic's name", example = "locations"),
        ("limit" = Option<u32>, Query, description = "How many at most; 50 when not given", minimum = 1, maximum = 1000)),
    responses((status = 200, description = "The newest records", body = Messages)))]
pub(crate) async fn list(State(api): State<Api>, uri: Uri) -> Result<Response, Problem> {
    let mut parameters = Parameters::read(&uri, &[TOPIC, LIMIT]);
    parameters.require(TOPIC, "the topic to look at");
    let topic = parameters.text(TOPIC).unwrap_or_default().to_owned();
    if parameters.text(TOPIC).is_some() && !is_topic_name(&topic) {
        let rule = "the name of a topic has 1 to 249 characters: letters, digits, dot, underscore, hyphen";
        parameters.refuse(Violation::new(TOPIC, &topic, rule));
    }
    let limit: usize = parameters.number(LIMIT, 1..=1000, 50);
    parameters.finish()?;
    let page = api.parts.browser.newest(&topic, limit, BUDGET).await.map_err(|error| problem(error, &topic))?;
    let registry = &api.parts.registry;
    let decoding: Vec<_> =
        page.records.into_iter().map(|record| async move { describe(&record, registry).await }).collect();
    let messages: Vec<Message> = stream::iter(decoding).buffered(DECODED_AT_ONCE).collect().await;
    let order = if Topic::named(&topic).is_some() { "timestamp" } else { "merge" };
    json(StatusCode::OK, &Messages { topic, order, messages, complete: page.complete, covered: page.covered })
}

/// What a broker would accept as a name, so that it need not be asked about others.
fn is_topic_name(name: &str) -> bool {
    (1..=249).contains(&name.len())
        && name != "."
        && name != ".."
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

fn problem(error: BrowserError, topic: &str) -> Problem {
    match error {
        BrowserError::UnknownTopic { .. } => {
            Problem::NotFound(Violation::new(TOPIC, topic, "must be the name of a topic that exists"))
        }
        cause @ BrowserError::Unavailable { .. } => Problem::Unavailable { what: "Kafka", cause: Arc::new(cause) },
        cause @ BrowserError::Stopped => Problem::Internal { cause: Arc::new(cause) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_topics() {
        for bad in ["", ".", "..", "a b", "a/b", "ü", "a\u{0}"] {
            assert!(!is_topic_name(bad), "{bad}");
        }
        assert!(!is_topic_name(&"x".repeat(250)));
        assert!(is_topic_name("person-profiles"));
    }
}
