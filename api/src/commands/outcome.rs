//! `GET /api/outcomes/{id}`: what became of a command, now or as soon as it is decided.

use crate::{
    commands::{
        aggregate::Aggregate,
        answer::{Answer, Pending},
        ask::unavailable,
        preferences::Preferences,
    },
    http::{
        answer::json,
        names::{AFTER, DEFAULT_WAIT_MS, MAX_WAIT_MS, WAIT_MS},
        parameters::{Parameters, PathId},
        problem::Problem,
    },
    state::Api,
};
use axum::{
    extract::State,
    http::{StatusCode, Uri},
    response::Response,
};
use foldstream_fold::{CommandDecided, Verdict};
use foldstream_log::{Position, TopicPartition, Violation, Writers};
use serde::Serialize;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

/// How long a look may take for what is in the log.
const LOOK_PATIENCE: Duration = Duration::from_secs(1);

/// The answer to a command.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Outcome {
    /// Whom it is about
    #[schema(example = "0199f1d2-6f0e-7c2b-9a55-5d0c1f1a7b21")]
    id: String,
    command_id: Uuid,
    #[schema(example = "foldstream.people.RegisterPerson")]
    command: String,
    /// `accepted`, `unchanged` (it was so already), `rejected`, or `duplicate` (decided before)
    #[schema(example = "accepted")]
    decision: String,
    /// Of a duplicate: what was decided the first time
    #[serde(skip_serializing_if = "Option::is_none")]
    first_decision: Option<String>,
    /// Of a rejected one: which rule it breaks
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// What it was about: with `after`, the answer holds what became of it
    #[schema(example = "/api/persons/0199f1d2-6f0e-7c2b-9a55-5d0c1f1a7b21?after=person-commands:3:17")]
    href: String,
}

/// Its routes.
pub(crate) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(outcome))
}

/// The outcome of a command
///
/// Waits until it is decided, and answers 202 when that takes longer than `wait_ms`.
#[utoipa::path(get, path = "/api/outcomes/{id}", tag = "commands",
    params(("id" = String, Path, description = "The command's position", example = "person-commands:3:17"),
        ("wait_ms" = Option<u32>, Query, description = "How long to wait for it, in milliseconds",
            minimum = 0, maximum = 30000)),
    responses((status = 200, description = "It is decided", body = Outcome),
        (status = 202, description = "Not decided yet", body = Pending)))]
pub(crate) async fn outcome(State(api): State<Api>, PathId(id): PathId, uri: Uri) -> Result<Response, Problem> {
    let mut parameters = Parameters::read(&uri, &[WAIT_MS]);
    let wait = Duration::from_millis(parameters.number(WAIT_MS, 0..=MAX_WAIT_MS, DEFAULT_WAIT_MS));
    parameters.finish()?;
    let unknown = || {
        let topics: Vec<&str> = api.outcomes.aggregates().iter().map(|one| one.commands.name).collect();
        let rule = format!("must be the position of a command on {}, kept for seven days", topics.join(" or "));
        Problem::NotFound(Violation::new("id", &id, rule))
    };
    let command: Position = id.parse().map_err(|_| unknown())?;
    let aggregate =
        *api.outcomes.aggregates().iter().find(|one| one.commands.name == command.topic).ok_or_else(unknown)?;
    if !(0..aggregate.commands.partitions).contains(&command.partition) {
        return Err(unknown());
    }
    let deadline = Instant::now() + wait;
    let browser = api.parts.browse.brokers();
    let found = browser.records(&command.topic, command.partition, vec![command.offset]).await.map_err(unavailable)?;
    let record = found.get(&command.offset).ok_or_else(unknown)?;
    let outcome = decided(&api, aggregate, &command, deadline).await?;
    let answer = Answer { aggregate, command, outcome };
    let Some(CommandDecided { key, command_id, command, verdict, .. }) = answer.outcome.clone() else {
        let about = String::from_utf8_lossy(record.key.as_deref().unwrap_or_default());
        return answer.pending(&Preferences::only_waiting(deadline), &about);
    };
    let Verdict { decision, rule, reason, first_decision } = verdict;
    let href = format!("{}?{AFTER}={}", aggregate.href(&key), answer.command);
    let content = Outcome { id: key, command_id, command, decision, first_decision, rule, reason, href };
    Ok(answer.placed(json(StatusCode::OK, &content)?))
}

/// The outcome of a command: one that comes now, or one that is in the log already.
async fn decided(
    api: &Api,
    aggregate: &Aggregate,
    command: &Position,
    deadline: Instant,
) -> Result<Option<CommandDecided>, Problem> {
    if let Some(outcome) = look(api, aggregate, command).await? {
        return Ok(Some(outcome));
    }
    match api.outcomes.of(command, deadline).await {
        Some(outcome) => Ok(Some(outcome)),
        // It may have been decided between the first look and the wait.
        None => look(api, aggregate, command).await,
    }
}

/// Outcomes lie in the partition of the same number as their commands. One whose transaction is not finished is not
/// decided yet.
async fn look(api: &Api, aggregate: &Aggregate, command: &Position) -> Result<Option<CommandDecided>, Problem> {
    let Writers::Services([decider]) = aggregate.outcomes.writers else { return Ok(None) };
    let place = TopicPartition { topic: aggregate.outcomes.name, partition: command.partition };
    let browser = api.parts.browse.brokers();
    let found = browser.caused_by(decider, place, &command.clone().into(), LOOK_PATIENCE).await.map_err(unavailable)?;
    for record in &found.records {
        let read = (aggregate.read_outcome)(record, &api.parts.registry).await;
        if let Some(outcome) = read.map_err(|error| Problem::Internal { cause: Arc::new(error) })? {
            return Ok(Some(outcome));
        }
    }
    Ok(None)
}
