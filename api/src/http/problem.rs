//! Every refusal and failure the API answers with: one enum, the variant decides the status (RFC 9457).
//!
//! What the client can change names field, value and rule. What it cannot change says so without inner detail; the
//! cause goes to the log, once, with the request's line (`observe.rs`), which also adds the request's id and path.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use foldstream_browse::{BrowseError, words};
use foldstream_log::Violation;
use foldstream_store::{DatabaseError, Late};
use serde::Serialize;
use std::{borrow::Cow, error::Error, fmt, sync::Arc, time::Duration};
use utoipa::ToSchema;

/// What went wrong, for the log.
pub(crate) type Cause = Arc<dyn Error + Send + Sync>;

#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Problem {
    #[error("{}", listed(.0))]
    InvalidRequest(Vec<Violation>),
    #[error("{}", listed(.0))]
    InvalidContent(Vec<Violation>),
    #[error("{0}")]
    NotFound(Violation),
    #[error("{0}")]
    Gone(Violation),
    #[error("{0}")]
    Rejected(Violation),
    #[error("{what} is switched off here; {setting}=true switches it on")]
    SwitchedOff { what: &'static str, setting: &'static str },
    #[error("here is nothing")]
    UnknownRoute,
    #[error("this path does not take this method; those in the Allow header it takes")]
    MethodNotAllowed,
    #[error("the body was not sent within {} seconds", .0.as_secs())]
    BodyTooSlow(Duration),
    #[error("the body is longer than {limit} bytes")]
    BodyTooLarge { limit: usize },
    #[error("the body is {found}, expected application/json")]
    UnsupportedMediaType { found: String },
    #[error("the read model has not come that far yet: {progress}")]
    NotYetApplied { progress: String },
    #[error("{record} is not applied: {}", waits(.record, .dead_letter, .position, .reason))]
    Parked { record: String, dead_letter: DeadLetterId, position: String, reason: String },
    #[error("{what}; ask again in {} s", seconds(.after))]
    TooMuch { what: String, after: Duration },
    #[error("others are looking into topics, and hold all the memory there is for it; ask again in 1 s")]
    Crowded,
    #[error("{what} cannot be reached at the moment")]
    Unavailable { what: Cow<'static, str>, cause: Cause },
    #[error("{} of {total} events were acknowledged by the log; the others may or may not be in it", total - .not_acknowledged.len())]
    NotAcknowledged { total: usize, not_acknowledged: Vec<usize>, positions: String, cause: Cause },
    #[error("whether it was written is not known; sent again with the same `confirm`, it is written once")]
    NotConfirmed { cause: Cause },
    #[error("something went wrong here; the request id finds it in the log")]
    Internal { cause: Cause },
}

/// A problem as it is answered (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemDocument {
    /// Which kind of problem; explained there.
    #[schema(example = "/docs#invalid-content")]
    r#type: String,
    title: &'static str,
    status: u16,
    detail: String,
    /// The path that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) instance: Option<String>,
    /// Finds the request in logs and traces; the same as the header `x-request-id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<String>,
    /// Which values break which rules.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// How many of the events are in the log for certain.
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledged: Option<usize>,
    /// The places in the array of those that are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_acknowledged: Option<Vec<usize>>,
    /// The record that could not be used, behind which others wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_letter: Option<DeadLetterFound>,
}

/// Names a dead letter, as the command line does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum DeadLetterId {
    /// Of a projection: as in `/api/dead-letters`
    Stored(i64),
    /// Of a processor: where it lies on the topic `dead-letters`
    OnTopic(String),
}

impl fmt::Display for DeadLetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stored(number) => write!(f, "{number}"),
            Self::OnTopic(position) => f.write_str(position),
        }
    }
}

/// The record that could not be used, and why.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeadLetterFound {
    #[schema(example = 17)]
    pub(crate) id: DeadLetterId,
    #[schema(example = "locations:3:1729")]
    pub(crate) position: String,
    pub(crate) reason: String,
}

/// A value that breaks a rule.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FieldError {
    #[schema(example = "[3].latitude")]
    field: String,
    /// As it was sent, shortened when long.
    #[schema(example = "91")]
    value: String,
    #[schema(example = "a latitude is a number of degrees from -90 to 90")]
    rule: String,
}

impl Problem {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::InvalidRequest(_) => StatusCode::BAD_REQUEST,
            Self::InvalidContent(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NotFound(_) | Self::UnknownRoute => StatusCode::NOT_FOUND,
            Self::SwitchedOff { .. } => StatusCode::FORBIDDEN,
            Self::Gone(_) => StatusCode::GONE,
            Self::Rejected(_) => StatusCode::CONFLICT,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooMuch { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::NotYetApplied { .. }
            | Self::Parked { .. }
            | Self::Crowded
            | Self::Unavailable { .. }
            | Self::NotAcknowledged { .. }
            | Self::NotConfirmed { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The kind, for programs (an anchor on the docs page), and its name, for people.
    fn kind(&self) -> (&'static str, &'static str) {
        match self {
            Self::InvalidRequest(_) => ("invalid-request", "The request cannot be understood"),
            Self::InvalidContent(_) => ("invalid-content", "The content breaks a rule"),
            Self::NotFound(_) => ("not-found", "There is no such thing"),
            Self::Gone(_) => ("gone", "It is gone"),
            Self::Rejected(_) => ("rejected", "It was decided against"),
            Self::SwitchedOff { .. } => ("switched-off", "It is switched off here"),
            Self::UnknownRoute => ("unknown-route", "There is no such path"),
            Self::MethodNotAllowed => ("method-not-allowed", "The path does not take this method"),
            Self::BodyTooSlow(_) => ("body-too-slow", "The body did not arrive in time"),
            Self::BodyTooLarge { .. } => ("body-too-large", "The body is too large"),
            Self::UnsupportedMediaType { .. } => ("unsupported-media-type", "The body is not JSON"),
            Self::TooMuch { .. } => ("too-much", "This client has asked for too much"),
            Self::Crowded => ("crowded", "Too much is looked at at the same time"),
            Self::NotYetApplied { .. } => ("not-yet-applied", "The read model is not that far yet"),
            Self::Parked { .. } => ("parked", "The record waits behind one that cannot be used"),
            Self::Unavailable { .. } => ("unavailable", "Something this answer needs is away"),
            Self::NotAcknowledged { .. } => ("not-acknowledged", "The log did not acknowledge"),
            Self::NotConfirmed { .. } => ("not-confirmed", "It is not known whether it was written"),
            Self::Internal { .. } => ("internal", "Something went wrong here"),
        }
    }

    /// What went wrong behind it, if it is the server's affair.
    pub(crate) fn cause(&self) -> Option<&Cause> {
        match self {
            Self::Unavailable { cause, .. }
            | Self::NotAcknowledged { cause, .. }
            | Self::NotConfirmed { cause }
            | Self::Internal { cause } => Some(cause),
            _ => None,
        }
    }

    pub(crate) fn document(&self) -> ProblemDocument {
        let (kind, title) = self.kind();
        let errors = match self {
            Self::InvalidRequest(violations) | Self::InvalidContent(violations) => violations.clone(),
            Self::NotFound(violation) | Self::Gone(violation) | Self::Rejected(violation) => vec![violation.clone()],
            _ => Vec::new(),
        };
        let (acknowledged, not_acknowledged) = match self {
            Self::NotAcknowledged { total, not_acknowledged, .. } => {
                (Some(total - not_acknowledged.len()), Some(not_acknowledged.clone()))
            }
            _ => (None, None),
        };
        let dead_letter = match self {
            Self::Parked { dead_letter, position, reason, .. } => {
                Some(DeadLetterFound { id: dead_letter.clone(), position: position.clone(), reason: reason.clone() })
            }
            _ => None,
        };
        ProblemDocument {
            r#type: format!("/docs#{kind}"),
            title,
            status: self.status().as_u16(),
            detail: self.to_string(),
            instance: None,
            request_id: None,
            errors: errors
                .into_iter()
                .map(|Violation { field, value, rule }| FieldError { field, value, rule })
                .collect(),
            acknowledged,
            not_acknowledged,
            dead_letter,
        }
    }

    /// The answer; `observe.rs` makes it once more with the request's id.
    pub(crate) fn response(&self, document: &ProblemDocument) -> Response {
        let body = serde_json::to_vec(document).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status() == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if let Self::TooMuch { after, .. } = self {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds(after)));
        }
        if let Self::NotAcknowledged { positions, .. } = self
            && !positions.is_empty()
            && let Ok(positions) = HeaderValue::from_str(positions)
        {
            headers.insert(crate::http::names::POSITION, positions);
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.response(&self.document());
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

impl From<DatabaseError> for Problem {
    fn from(error: DatabaseError) -> Self {
        from_database(Arc::new(error))
    }
}

/// A failed look at how far the projections are; of one that is merely behind, `freshness.rs` says more.
impl From<Late> for Problem {
    fn from(late: Late) -> Self {
        match late {
            Late::Unknown(error) => from_database(error),
            behind @ Late::Behind { .. } => Self::Unavailable { what: "the database".into(), cause: Arc::new(behind) },
        }
    }
}

impl From<BrowseError> for Problem {
    fn from(error: BrowseError) -> Self {
        match error {
            BrowseError::UnknownTopic { topic } => unknown_topic(&topic),
            BrowseError::UnknownPartition { topic, partition, partitions } => {
                let rule = format!("{topic} has the partitions 0 to {}", partitions.saturating_sub(1));
                Self::NotFound(Violation::new(words::PARTITION, partition, rule))
            }
            cause @ BrowseError::Stopped => Self::Internal { cause: Arc::new(cause) },
            cause => {
                let what = match &cause {
                    BrowseError::NoLeader { topic, partition, .. } => {
                        format!("partition {partition} of {topic}").into()
                    }
                    _ => "Kafka".into(),
                };
                Self::Unavailable { what, cause: Arc::new(cause) }
            }
        }
    }
}

fn unknown_topic(topic: &str) -> Problem {
    Problem::NotFound(Violation::new(words::TOPIC, topic, "must be the name of a topic that exists"))
}

fn from_database(error: Arc<DatabaseError>) -> Problem {
    match error.is_unavailable() {
        true => Problem::Unavailable { what: "the database".into(), cause: error },
        false => Problem::Internal { cause: error },
    }
}

/// Whole ones, and enough.
fn seconds(after: &Duration) -> u64 {
    after.as_secs() + 1
}

fn waits(record: &str, dead_letter: &DeadLetterId, position: &str, reason: &str) -> String {
    match record == position {
        true => format!("it is dead letter {dead_letter}: {reason}"),
        false => format!("it waits behind dead letter {dead_letter} ({position}): {reason}"),
    }
}

/// The first few in one line; all of them stand in `errors`.
fn listed(violations: &[Violation]) -> String {
    let shown: Vec<String> = violations.iter().take(3).map(ToString::to_string).collect();
    match violations.len().saturating_sub(3) {
        0 => shown.join("; "),
        more => format!("{}; and {more} more", shown.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_field_value_and_rule() {
        let problem = Problem::InvalidContent(vec![Violation::new("latitude", 91, "too far north")]);
        let document = serde_json::to_value(problem.document()).unwrap();
        assert_eq!(document["status"], 422);
        assert_eq!(document["type"], "/docs#invalid-content");
        assert_eq!(
            document["errors"],
            serde_json::json!([{"field": "latitude", "value": "91", "rule": "too far north"}])
        );
        assert!(document["detail"].as_str().unwrap().contains("latitude"));
    }

    #[test]
    fn a_parked_record_names_its_dead_letter() {
        let parked = |record: &str| Problem::Parked {
            record: record.to_owned(),
            dead_letter: DeadLetterId::Stored(17),
            position: "locations:3:5".to_owned(),
            reason: "no schema id".to_owned(),
        };
        let document = serde_json::to_value(parked("locations:3:9").document()).unwrap();
        assert_eq!((&document["status"], &document["type"]), (&503.into(), &"/docs#parked".into()));
        assert_eq!(
            document["dead_letter"],
            serde_json::json!({"id": 17, "position": "locations:3:5", "reason": "no schema id"})
        );
        assert!(document["detail"].as_str().unwrap().contains("waits behind dead letter 17 (locations:3:5)"));
        assert!(parked("locations:3:5").to_string().contains("it is dead letter 17"));
    }

    #[test]
    fn the_detail_stays_short() {
        let violation = Violation::new("latitude", 91, "too far north");
        let problem = Problem::InvalidContent(vec![violation; 10_000]);
        assert!(problem.to_string().ends_with("and 9997 more"), "{problem}");
    }

    #[test]
    fn a_partial_failure_says_what_is_in_the_log() {
        let problem = Problem::NotAcknowledged {
            total: 3,
            not_acknowledged: vec![2],
            positions: "locations:0:7".to_owned(),
            cause: Arc::new(std::io::Error::other("gone")),
        };
        let document = serde_json::to_value(problem.document()).unwrap();
        assert_eq!((&document["acknowledged"], &document["not_acknowledged"]), (&2.into(), &serde_json::json!([2])));
        let response = problem.into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["foldstream-position"], "locations:0:7");
        assert!(response.headers().contains_key("retry-after"));
    }
}
