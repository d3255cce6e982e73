//! Wishes: a command is appended, and its outcome is the answer.
//!
//! `POST`, `PATCH` and `DELETE` wait for the outcome (`wait_ms`); with `Prefer: respond-async`, or when it takes longer,
//! the answer is 202 with a link to it. An `Idempotency-Key` makes the command's id, so a request that is sent again is
//! answered as the first time. There are no accounts here: a key is everybody's, so it should be a UUID.

pub(crate) mod outcomes;

use crate::http::answer::json;
use crate::http::names::AFTER;
use crate::http::names::DEFAULT_WAIT_MS;
use crate::http::names::MAX_WAIT_MS;
use crate::http::names::POSITION;
use crate::http::names::WAIT_MS;
use crate::http::parameters::Parameters;
use crate::http::parameters::PathId;
use crate::http::problem::Problem;
use crate::state::Api;
use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, Uri},
    response::Response,
};
use foldstream_browse::BrowseError;
use foldstream_events::{PERSON_COMMANDS, PersonCommandDecided, PersonCommandsEvent};
use foldstream_log::{CAUSE, WriteError};
use foldstream_log::{Position, Violation, derived_event_id, new_event_id};
use serde::Serialize;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

const KEY: &str = "idempotency-key";
const PREFER: &str = "prefer";

/// For the documentation: what every wish takes.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by the derive only")]
pub(crate) struct CommandParameters {
    /// How long to wait for the outcome, in milliseconds
    #[param(minimum = 0, maximum = 30000, default = 2000)]
    wait_ms: Option<u32>,
}

/// The same of its headers.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "read by the derive only")]
pub(crate) struct CommandHeaders {
    /// Names this request, so that it can be sent again: 1 to 255 visible characters, better a UUID
    #[param(rename = "Idempotency-Key", example = "8e03978e-40d5-43dd-bc93-6894a57f9324")]
    idempotency_key: Option<String>,
    /// `respond-async`: not to wait at all
    #[param(rename = "Prefer", example = "respond-async")]
    prefer: Option<String>,
}

/// How a wish is to be answered.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) deadline: Instant,
    respond_async: bool,
    key: Option<String>,
}

/// What is known when the answer is due.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) command: Position,
    pub(crate) outcome: Option<PersonCommandDecided>,
}

/// A command that is not answered yet.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Pending {
    /// Where the outcome will be; it can be waited for there
    #[schema(example = "/api/outcomes/person-commands:3:17")]
    outcome: String,
    /// Whom it is about
    id: String,
    /// `topic:partition:offset` of the command
    position: String,
}

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

impl Asked {
    pub(crate) fn read(parameters: &mut Parameters, headers: &HeaderMap) -> Self {
        let wait = Duration::from_millis(parameters.number(WAIT_MS, 0..=MAX_WAIT_MS, DEFAULT_WAIT_MS));
        let key = parameters.check(idempotency_key(headers)).flatten();
        let preferences = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
        let respond_async =
            preferences.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case("respond-async"));
        Self { deadline: Instant::now() + wait, respond_async, key }
    }

    /// The id of the command, and of what it creates: the same whenever the same key asks for the same.
    pub(crate) fn command_id(&self, wish: &str) -> Uuid {
        self.key.as_ref().map_or_else(new_event_id, |key| derived_event_id(&format!("command/{wish}/{key}")))
    }

    pub(crate) fn person_id(&self) -> Uuid {
        self.key.as_ref().map_or_else(new_event_id, |key| derived_event_id(&format!("person/{key}")))
    }
}

/// As a structured string (`"…"`) or plain.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Violation> {
    let Some(value) = headers.get(KEY) else { return Ok(None) };
    let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
    let key = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(&text);
    if (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(Some(key.to_owned()));
    }
    Err(Violation::new("Idempotency-Key", &text, "an idempotency key has 1 to 255 visible ASCII characters"))
}

/// Appends a command and waits for its outcome.
pub(crate) async fn ask(api: &Api, command: PersonCommandsEvent, asked: &Asked) -> Result<Answer, Problem> {
    // Before it is appended: the outcome must not slip by.
    if !asked.respond_async && !api.parts.outcomes.ready(asked.deadline.max(Instant::now() + READY)).await {
        return Err(unavailable(BrowseError::Late { doing: "following outcomes" }));
    }
    let command = api.parts.writer.append(&command).await.map_err(|error| not_written(error, 1))?;
    let outcome = match asked.respond_async {
        true => None,
        false => api.parts.outcomes.of(&command, asked.deadline).await,
    };
    Ok(Answer { command, outcome })
}

/// How long brokers may take to say where the outcomes end, once in the life of a process.
const READY: Duration = Duration::from_secs(2);

impl Answer {
    /// What was decided; none when it is not known yet. Rejections are problems.
    pub(crate) fn accepted(&self) -> Result<Option<()>, Problem> {
        let Some(outcome) = &self.outcome else { return Ok(None) };
        let decision = outcome.first_decision.as_deref().unwrap_or(&outcome.decision);
        if decision != "rejected" {
            return Ok(Some(()));
        }
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let (rule, id) = (text(&outcome.rule), &outcome.person_id);
        let violation = match rule.as_str() {
            "idempotency_key_reused" => Violation::new("Idempotency-Key", outcome.command_id, text(&outcome.reason)),
            _ => Violation::new("id", id, text(&outcome.reason)),
        };
        Err(match rule.as_str() {
            "person_unknown" => Problem::NotFound(violation),
            "person_erased" => Problem::Gone(violation),
            "idempotency_key_reused" => Problem::InvalidContent(vec![violation]),
            _ => Problem::Rejected(violation),
        })
    }

    /// 202: the outcome is to be asked for.
    pub(crate) fn pending(&self, asked: &Asked, id: &str) -> Result<Response, Problem> {
        let outcome = format!("/api/outcomes/{}", self.command);
        let pending = Pending { outcome: outcome.clone(), id: id.to_owned(), position: self.command.to_string() };
        let mut response = json(StatusCode::ACCEPTED, &pending)?;
        if let Ok(location) = HeaderValue::from_str(&outcome) {
            response.headers_mut().insert("location", location);
        }
        if asked.respond_async {
            response.headers_mut().insert("preference-applied", HeaderValue::from_static("respond-async"));
        }
        Ok(self.placed(response))
    }

    /// Says where the command lies: a read given this as `after` holds what it led to.
    pub(crate) fn placed(&self, mut response: Response) -> Response {
        if let Ok(position) = HeaderValue::from_str(&self.command.to_string()) {
            response.headers_mut().insert(POSITION, position);
        }
        response
    }
}

/// Its routes.
pub(crate) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(outcome))
}

/// The outcome of a command
///
/// Waits until it is decided, and answers 202 when that takes longer than `wait_ms`.
#[utoipa::path(get, path = "/api/outcomes/{id}", tag = "people",
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
        let rule = format!("must be the position of a command on {}, kept for seven days", PERSON_COMMANDS.name);
        Problem::NotFound(Violation::new("id", &id, rule))
    };
    let position: Position = id.parse().map_err(|_| unknown())?;
    if position.topic != PERSON_COMMANDS.name || !(0..PERSON_COMMANDS.partitions).contains(&position.partition) {
        return Err(unknown());
    }
    let deadline = Instant::now() + wait;
    let brokers = api.parts.browse.brokers();
    let found =
        brokers.records(&position.topic, position.partition, vec![position.offset]).await.map_err(unavailable)?;
    let command = found.get(&position.offset).ok_or_else(unknown)?;
    let answer = Answer { outcome: decided(&api, &position, command.timestamp_ms, deadline).await?, command: position };
    match &answer.outcome {
        None => {
            let about = String::from_utf8_lossy(command.key.as_deref().unwrap_or_default()).into_owned();
            let asked = Asked { deadline, respond_async: false, key: None };
            answer.pending(&asked, &about)
        }
        Some(outcome) => {
            let PersonCommandDecided { person_id, command_id, command, decision, .. } = outcome.clone();
            let content = Outcome {
                href: format!("/api/persons/{person_id}?{AFTER}={}", answer.command),
                id: person_id,
                command_id,
                command,
                decision,
                first_decision: outcome.first_decision.clone(),
                rule: outcome.rule.clone(),
                reason: outcome.reason.clone(),
            };
            Ok(answer.placed(json(StatusCode::OK, &content)?))
        }
    }
}

/// The outcome of a command: one that comes now, or one that is in the log behind the command's time.
async fn decided(
    api: &Api,
    command: &Position,
    appended_at_ms: i64,
    deadline: Instant,
) -> Result<Option<PersonCommandDecided>, Problem> {
    let cause = command.to_string();
    let topic = foldstream_events::PERSON_OUTCOMES.name;
    let look = || async {
        let is_it = {
            let cause = cause.clone();
            move |record: &foldstream_log::FetchedRecord| record.text_header(CAUSE) == Some(&cause)
        };
        let found = api.parts.browse.brokers().find_since(topic, command.partition, appended_at_ms, is_it).await;
        match found.map_err(unavailable)? {
            Some(record) => read(api, &record).await.map(Some),
            None => Ok(None),
        }
    };
    if let Some(outcome) = look().await? {
        return Ok(Some(outcome));
    }
    match api.parts.outcomes.of(command, deadline).await {
        Some(outcome) => Ok(Some(outcome)),
        // It may have been decided between the first look and the wait.
        None => look().await,
    }
}

async fn read(api: &Api, record: &foldstream_log::FetchedRecord) -> Result<PersonCommandDecided, Problem> {
    let event =
        record.event(&api.parts.registry).await.map_err(|error| Problem::Internal { cause: Arc::new(error) })?;
    let foldstream_events::PersonOutcomesEvent::PersonCommandDecided(outcome) = event;
    Ok(outcome)
}

fn unavailable(cause: BrowseError) -> Problem {
    Problem::Unavailable { what: "the log".into(), cause: Arc::new(cause) }
}

/// What went wrong when nothing of `total` events was acknowledged.
pub(crate) fn not_written(error: WriteError, total: usize) -> Problem {
    match error {
        WriteError::Schema(cause) if cause.is_retriable() => {
            Problem::Unavailable { what: "the schema registry".into(), cause: Arc::new(cause) }
        }
        cause @ WriteError::NotAcknowledged { .. } => Problem::NotAcknowledged {
            total,
            not_acknowledged: (0..total).collect(),
            positions: String::new(),
            cause: Arc::new(cause),
        },
        cause => Problem::Internal { cause: Arc::new(cause) },
    }
}
