//! Locations written: `POST /api/locations`.
//!
//! A posted location is a fact appended to `locations`: one object, or an array that is checked whole before the
//! first of it is written. Its person must be known. Reports of one person keep the order of the array.

use crate::{
    commands::ask::not_written,
    http::{
        answer::json,
        body::read_json,
        fields::{Fields, Findings},
        names::{DEFAULT_WAIT_MS, POSITION},
        parameters::Parameters,
        problem::Problem,
    },
    resource::Body,
    resources::{read_models::PEOPLE, shapes::LocationResource},
    state::Api,
};
use axum::{
    extract::{Request, State},
    http::{HeaderValue, StatusCode, Uri, header},
    response::Response,
};
use chrono::{DateTime, Utc};
use foldstream_browse::Range;
use foldstream_events::{LOCATION_REPORTED_RULES, LocationReported, LocationsEvent, rules};
use foldstream_log::{Position, PositionRange, Positions, Violation, WriteError, Writer, new_event_id};
use foldstream_people_projection::read as people;
use foldstream_store::{Late, View};
use futures::{StreamExt, stream};
use serde::Serialize;
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::{Instant, timeout_at};
use utoipa::ToSchema;

/// How many locations one request may hold.
const MAX_LOCATIONS: usize = 10_000;
/// How many of them are on their way to the log at once.
const IN_FLIGHT: usize = 1000;

/// Its fields obey the rules of the event.
pub(super) const BODY: Body = Body {
    schema: "NewLocation",
    rules: LOCATION_REPORTED_RULES,
    renamed: &[("creation_time", "occurred_at")],
    at_most: Some(MAX_LOCATIONS),
};

/// How many ranges of positions one answer names: what a header takes.
const MOST_RANGES: usize = 100;

/// A location to be reported. For the documentation: fields are read one by one.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewLocation {
    /// A person who is known
    person_id: String,
    /// ISO 8601; without an offset it is UTC
    #[schema(format = DateTime, example = "2026-01-01T12:00:00Z")]
    creation_time: String,
    /// WGS84 degrees: a number, or a text that is one
    #[schema(example = 48.8584)]
    latitude: f64,
    /// WGS84 degrees: a number, or a text that is one
    #[schema(example = 2.2945)]
    longitude: f64,
    /// Radius of 68 % confidence in metres, where it is known: a number, or a text that is one
    #[schema(example = 12.5)]
    accuracy_m: Option<f64>,
}

/// One location, or up to 10,000.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "for the documentation only")]
pub(crate) enum NewLocations {
    One(NewLocation),
    Many(Vec<NewLocation>),
}

/// One location as an object, several as an array, as they were posted.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "for the documentation only")]
pub(crate) enum ReportedLocations {
    One(LocationResource),
    Many(Vec<LocationResource>),
}

/// Reports locations
///
/// Answers when the log has them. `Foldstream-Position` says where, each of them (`topic:partition:offset`, of several in a
/// row `topic:partition:first-last`); given to a read as `?after=`, that read shows them. Of very many that lie scattered, it
/// names ranges in which events of others lie, too.
#[utoipa::path(post, path = "/api/locations", tag = "locations", request_body = NewLocations,
    responses((status = 201, description = "Reported", body = ReportedLocations,
        headers(("location" = String, description = "When one was posted"), ("foldstream-position" = String)))))]
pub(crate) async fn create(State(api): State<Api>, uri: Uri, request: Request) -> Result<Response, Problem> {
    Parameters::read(&uri, &[]).finish()?;
    let body = read_json(request).await?;
    let reports = reports(&body)?;
    refuse_unknown(&api, &reports, body.is_array()).await?;
    let positions = append_all(&api.parts.writer, &reports).await?;
    let reported = reports.into_iter().zip(&positions);
    let mut resources: Vec<LocationResource> =
        reported.map(|(report, position)| LocationResource::reported(report, position)).collect();
    let mut response = match body.is_array() {
        true => json(StatusCode::CREATED, &resources)?,
        false => {
            let resource = resources.pop();
            let mut response = json(StatusCode::CREATED, &resource)?;
            let path = resource.map(|resource| format!("/api/locations/{}", resource.id)).unwrap_or_default();
            if let Ok(path) = HeaderValue::from_str(&path) {
                response.headers_mut().insert(header::LOCATION, path);
            }
            response
        }
    };
    if let Ok(positions) = HeaderValue::from_str(&told(positions)) {
        response.headers_mut().insert(POSITION, positions);
    }
    Ok(response)
}

/// The reports of a body, all of them good.
fn reports(body: &Value) -> Result<Vec<LocationReported>, Problem> {
    let mut findings = Findings::default();
    let reports = match body {
        Value::Array(items) => {
            if !(1..=MAX_LOCATIONS).contains(&items.len()) {
                let length = format!("an array of {}", items.len());
                let rule = format!("an array of locations holds 1 to {MAX_LOCATIONS}");
                return Err(Problem::InvalidContent(vec![Violation::new("body", length, rule)]));
            }
            let place = |index: usize| format!("[{index}]");
            items.iter().enumerate().filter_map(|(index, item)| report(&mut findings, &place(index), item)).collect()
        }
        one => report(&mut findings, "", one).into_iter().collect(),
    };
    findings.none()?;
    Ok(reports)
}

fn report(findings: &mut Findings, place: &str, value: &Value) -> Option<LocationReported> {
    let fields = findings.check(Fields::of(place, value))?;
    let person_id = findings.check(fields.id("person_id", &foldstream_log::generated::rules::ID));
    let occurred_at: Option<DateTime<Utc>> = findings.check(fields.time("creation_time"));
    let latitude = findings.check(fields.number("latitude", &rules::LATITUDE));
    let longitude = findings.check(fields.number("longitude", &rules::LONGITUDE));
    let accuracy_m = match fields.has("accuracy_m") {
        true => findings.check(fields.number("accuracy_m", &rules::ACCURACY)).map(Some),
        false => Some(None),
    };
    Some(LocationReported {
        event_id: new_event_id(),
        person_id: person_id?,
        occurred_at: occurred_at?,
        latitude: latitude?,
        longitude: longitude?,
        accuracy_m: accuracy_m?,
    })
}

/// Refuses reports of people nobody knows: one question for all of them.
async fn refuse_unknown(api: &Api, reports: &[LocationReported], in_array: bool) -> Result<(), Problem> {
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, report) in reports.iter().enumerate() {
        first.entry(&report.person_id).or_insert(index);
    }
    let ids: Vec<&str> = first.keys().copied().collect();
    let shown = api.parts.applied.now(PEOPLE.projection).await?;
    let mut unknown = people::unknown(&shown.database, &ids).await?;
    if !unknown.is_empty() {
        // Registered a moment ago, perhaps: nobody is called unknown by a read model that is behind.
        unknown = people::unknown(&caught_up(api).await?.database, &ids).await?;
    }
    let mut findings = Findings::default();
    for id in &unknown {
        let index = first.get(id.as_str()).copied().unwrap_or_default();
        let field = if in_array { format!("[{index}].person_id") } else { "person_id".to_owned() };
        findings.check::<()>(Err(Violation::new(field, id, "must be the id of a person who is known")));
    }
    findings.none()
}

/// Waits until the people who are on the log now are in the read model; when that takes too long, it is not known who is.
async fn caught_up(api: &Api) -> Result<View, Problem> {
    let deadline = Instant::now() + Duration::from_millis(DEFAULT_WAIT_MS);
    let looking = api.parts.browse.brokers().ranges_of(PEOPLE.topic.name);
    let too_late = |elapsed| Problem::Unavailable { what: "Kafka".into(), cause: Arc::new(elapsed) };
    let ranges = timeout_at(deadline, looking).await.map_err(too_late)??;
    // Up to the high watermark: a decision can be known before the mark of its transaction stands in every partition.
    let last = |(partition, range): (i32, Range)| Position {
        topic: PEOPLE.topic.name.to_owned(),
        partition,
        offset: range.high_watermark - 1,
    };
    let filled = ranges.into_iter().filter(|(_, range)| range.high_watermark > range.low);
    let positions: Positions = filled.map(last).collect();
    api.parts.applied.wait_for(PEOPLE.projection, &positions, deadline).await.map_err(|late| match late {
        Late::Behind { .. } => Problem::NotYetApplied {
            progress: format!("{} is behind the log, so it is not known who is known", PEOPLE.projection),
        },
        unknown @ Late::Unknown(_) => unknown.into(),
    })
}

/// Appends in the order of the reports and says where each of them lies.
async fn append_all(writer: &Writer, reports: &[LocationReported]) -> Result<Vec<Position>, Problem> {
    let mut events = reports.iter().cloned().map(LocationsEvent::from);
    let Some(first) = events.next() else { return Ok(Vec::new()) };
    // The first goes alone: where the log is away, nothing more is sent after it. It also looks up the schema, so that
    // each of the rest is handed to the producer when it is first polled, which is in order.
    let position = writer.append(&first).await.map_err(|error| not_written(error, reports.len()))?;
    let rest: Vec<_> = events.map(|event| async move { writer.append(&event).await }).collect();
    let outcomes: Vec<_> = stream::iter(rest).buffered(IN_FLIGHT).collect().await;
    let mut positions = vec![position];
    let mut not_acknowledged = Vec::new();
    let mut cause: Option<WriteError> = None;
    for (index, outcome) in (1..).zip(outcomes) {
        match outcome {
            Ok(position) => positions.push(position),
            Err(error) => {
                not_acknowledged.push(index);
                cause.get_or_insert(error);
            }
        }
    }
    match cause {
        None => Ok(positions),
        Some(cause) => Err(Problem::NotAcknowledged {
            total: reports.len(),
            not_acknowledged,
            positions: told(positions),
            cause: Arc::new(cause),
        }),
    }
}

/// Where events lie, each of them: a reader who is given this waits for every one. Above [`MOST_RANGES`], records of others
/// may lie among them, and what is parked of those holds the reader up, too.
fn told(positions: Vec<Position>) -> String {
    let ranges = PositionRange::holding(positions, MOST_RANGES);
    ranges.iter().map(PositionRange::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn good() -> Value {
        json!({"person_id": "p1", "creation_time": "2026-01-01T12:00:00Z", "latitude": "48.5", "longitude": 2})
    }

    fn refused(body: &Value) -> Vec<Violation> {
        match reports(body) {
            Err(Problem::InvalidContent(violations)) => violations,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_or_many() {
        assert_eq!(reports(&good()).unwrap().len(), 1);
        let many = reports(&json!([good(), good()])).unwrap();
        assert_eq!((many[1].latitude, many[1].longitude), (48.5, 2.0));
        assert!(many[0].event_id < many[1].event_id);
        assert_eq!(reports(&Value::Array(vec![good(); 10_000])).unwrap().len(), 10_000);
    }

    #[test]
    fn an_accuracy_may_be_given() {
        let with = |accuracy: Value| {
            let mut body = good();
            body["accuracy_m"] = accuracy;
            body
        };
        assert_eq!(reports(&good()).unwrap()[0].accuracy_m, None);
        assert_eq!(reports(&with(Value::Null)).unwrap()[0].accuracy_m, None);
        assert_eq!(reports(&with(json!(12.5))).unwrap()[0].accuracy_m, Some(12.5));
        assert_eq!(reports(&with(json!("0"))).unwrap()[0].accuracy_m, Some(0.0));
        for bad in [json!(-1), json!("far"), json!("inf"), json!([1])] {
            let violation = refused(&with(bad.clone())).remove(0);
            assert_eq!(violation.field, "accuracy_m", "{bad}");
            assert!(violation.rule.contains("metres, 0 or greater"), "{violation}");
        }
    }

    #[test]
    fn arrays_that_are_empty_or_too_long() {
        assert_eq!(refused(&json!([]))[0].value, "an array of 0");
        assert_eq!(refused(&Value::Array(vec![good(); 10_001]))[0].rule, "an array of locations holds 1 to 10000");
    }

    #[test]
    fn fields_of_an_array_are_named_by_their_place() {
        let mut bad = good();
        bad["longitude"] = json!("abc");
        bad["latitude"] = json!(91);
        let fields: Vec<String> =
            refused(&json!([good(), bad, 7, {}])).into_iter().map(|violation| violation.field).collect();
        assert_eq!(
            fields,
            [
                "[1].latitude",
                "[1].longitude",
                "[2]",
                "[3].person_id",
                "[3].creation_time",
                "[3].latitude",
                "[3].longitude"
            ]
        );
    }

    #[test]
    fn ten_thousand_bad_ones_make_a_hundred_errors() {
        assert_eq!(refused(&Value::Array(vec![json!({}); 10_000])).len(), 100);
    }
}
