//! People: `/api/persons`, `/api/persons/{id}`.
//!
//! Who is registered, changed and erased is decided by `people-processor`: a wish is sent as a command (`commands.rs`).

use crate::{
    commands::{
        aggregate::{Aggregate, Refusal, read_outcome},
        answer::Pending,
        ask::ask,
        preferences::{CommandHeaders, CommandParameters, Preferences},
    },
    freshness::{Freshness, FreshnessParameters},
    http::{
        answer::{json, tagged},
        body::read_json,
        fields::{Fields, Findings},
        names::{AFTER, WAIT_MS},
        paging::{CURSOR, LIMIT, PageParameters, PageRequest},
        parameters::{Parameters, PathId},
        problem::Problem,
    },
    resource::{Body, Resource, ServedAt},
    resources::{
        read_models::{PEOPLE, READS_PEOPLE},
        shapes::PersonResource,
    },
    state::Api,
};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use chrono::Utc;
use foldstream_events::{
    CHANGE_PERSON_RULES, ChangePerson, ErasePerson, PERSON_COMMANDS, PERSON_OUTCOMES, PersonCommandsEvent,
    REGISTER_PERSON_RULES, RegisterPerson, rules,
};
use foldstream_log::Violation;
use foldstream_people_processor::{People as Decider, Rule};
use foldstream_people_projection::{People, read as people};
use foldstream_store::{Database, ReadModel, Sourced};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// A person to be registered.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the documentation only; fields are read one by one")]
pub(crate) struct NewPerson {
    #[schema(example = "Ada")]
    first_name: String,
    #[schema(example = "Lovelace")]
    last_name: String,
    #[schema(example = "Analytical Engines")]
    company_name: String,
}

/// What is to be changed of a person: what is not given stays.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the documentation only; fields are read one by one")]
pub(crate) struct PersonChange {
    #[schema(example = "Ada")]
    first_name: Option<String>,
    #[schema(example = "King")]
    last_name: Option<String>,
    #[schema(example = "Analytical Engines")]
    company_name: Option<String>,
}

pub(crate) static RESOURCE: Resource = Resource {
    router: || OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(find, change, erase)),
    bodies: &[Body::of("NewPerson", REGISTER_PERSON_RULES), Body::of("PersonChange", CHANGE_PERSON_RULES)],
    rows: &[("person", ServedAt::Key(PATH))],
    edges: |flow| flow.reading_tables(People::table_names()),
    aggregate: Some(&AGGREGATE),
};

static AGGREGATE: Aggregate = Aggregate {
    commands: &PERSON_COMMANDS,
    outcomes: &PERSON_OUTCOMES,
    path: PATH,
    refusals: &[(Rule::Unknown.name(), Refusal::NotFound), (Rule::Erased.name(), Refusal::Gone)],
    read_outcome: read_outcome::<Decider>,
};

const PATH: &str = "/api/persons";

/// People, in the order of their ids
#[utoipa::path(get, path = "/api/persons", tag = "people", params(PageParameters, FreshnessParameters),
    responses((status = 200, description = "A page of people", body = Vec<PersonResource>)))]
pub(crate) async fn list(State(api): State<Api>, uri: Uri) -> Result<Response, Problem> {
    let mut parameters = Parameters::read(&uri, &[LIMIT, CURSOR, AFTER, WAIT_MS]);
    let page: PageRequest<String> = PageRequest::read(&mut parameters, 1..=1000, 100);
    let freshness = Freshness::read(&mut parameters, &api, READS_PEOPLE);
    parameters.finish()?;
    let standing = freshness.reached(&api).await?;
    let found = people::list(&standing.database, page.after.as_deref(), page.rows()).await?;
    let response = page.answer::<_, PersonResource>(found, |person| person.row.person_id.clone())?;
    Ok(standing.tell(&api, response).await)
}

/// One person
#[utoipa::path(get, path = "/api/persons/{id}", tag = "people",
    params(("id" = String, Path, description = "The person's id"), FreshnessParameters),
    responses((status = 200, description = "The person", body = PersonResource)))]
pub(crate) async fn find(
    State(api): State<Api>,
    PathId(id): PathId,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut parameters = Parameters::read(&uri, &[AFTER, WAIT_MS]);
    parameters.id(&id);
    let freshness = Freshness::read(&mut parameters, &api, READS_PEOPLE);
    parameters.finish()?;
    let standing = freshness.reached(&api).await?;
    let person = known(&standing.database, &id).await?;
    let event_id = person.row.event_id;
    Ok(standing.tell(&api, tagged(&headers, event_id, &PersonResource::from(person))?).await)
}

/// Registers a person
///
/// Answers when it is decided. `Foldstream-Position`, given to a read as `after`, makes that read hold the person.
#[utoipa::path(post, path = "/api/persons", tag = "people", request_body = NewPerson, params(CommandParameters, CommandHeaders),
    responses(
        (status = 201, description = "Registered", body = PersonResource,
            headers(("location" = String), ("foldstream-position" = String))),
        (status = 202, description = "Not decided yet", body = Pending,
            headers(("location" = String), ("foldstream-position" = String)))))]
pub(crate) async fn create(State(api): State<Api>, uri: Uri, request: Request) -> Result<Response, Problem> {
    let mut parameters = Parameters::read(&uri, &[WAIT_MS]);
    let asked = Preferences::read(&mut parameters, request.headers());
    parameters.finish()?;
    let command = registration(&read_json(request).await?, &asked)?;
    let answer = ask(&api, &AGGREGATE, PersonCommandsEvent::from(command.clone()), &asked).await?;
    if answer.accepted()?.is_none() {
        return answer.pending(&asked, &command.person_id);
    }
    let path = AGGREGATE.href(&command.person_id);
    let mut response = json(StatusCode::CREATED, &PersonResource::from(command))?;
    if let Ok(path) = HeaderValue::from_str(&path) {
        response.headers_mut().insert(header::LOCATION, path);
    }
    Ok(answer.placed(response))
}

/// Changes a person
///
/// Answers with the person as the read model then holds it, or 202 when that takes longer than `wait_ms`.
#[utoipa::path(patch, path = "/api/persons/{id}", tag = "people", request_body = PersonChange,
    params(("id" = String, Path, description = "The person's id"), CommandParameters, CommandHeaders),
    responses(
        (status = 200, description = "Changed, or it was so already", body = PersonResource,
            headers(("foldstream-position" = String))),
        (status = 202, description = "Not decided yet, or not readable yet", body = Pending,
            headers(("location" = String), ("foldstream-position" = String)))))]
pub(crate) async fn change(
    State(api): State<Api>,
    PathId(id): PathId,
    uri: Uri,
    request: Request,
) -> Result<Response, Problem> {
    let mut parameters = Parameters::read(&uri, &[WAIT_MS]);
    parameters.id(&id);
    let asked = Preferences::read(&mut parameters, request.headers());
    parameters.finish()?;
    let command = wished_change(&id, &read_json(request).await?, &asked)?;
    let answer = ask(&api, &AGGREGATE, PersonCommandsEvent::from(command), &asked).await?;
    if answer.accepted()?.is_none() {
        return answer.pending(&asked, &id);
    }
    let after = answer.command.clone().into();
    let Ok(view) = api.arrival.wait(PEOPLE.projection, &[after], asked.deadline).await else {
        return answer.pending(&asked, &id);
    };
    let person = known(&view.database, &id).await?;
    Ok(answer.placed(json(StatusCode::OK, &PersonResource::from(person))?))
}

/// Erases a person
///
/// Everything that is kept of the person is removed: profile, locations, contacts. The id is never used again.
#[utoipa::path(delete, path = "/api/persons/{id}", tag = "people",
    params(("id" = String, Path, description = "The person's id"), CommandParameters, CommandHeaders),
    responses(
        (status = 204, description = "Erased, now or before", headers(("foldstream-position" = String))),
        (status = 202, description = "Not decided yet", body = Pending,
            headers(("location" = String), ("foldstream-position" = String)))))]
pub(crate) async fn erase(
    State(api): State<Api>,
    PathId(id): PathId,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut parameters = Parameters::read(&uri, &[WAIT_MS]);
    parameters.id(&id);
    let asked = Preferences::read(&mut parameters, &headers);
    parameters.finish()?;
    let event_id = asked.command_id(&format!("erase/{id}"));
    let command = ErasePerson { event_id, person_id: id.clone(), occurred_at: Utc::now() };
    let answer = ask(&api, &AGGREGATE, PersonCommandsEvent::from(command), &asked).await?;
    match answer.accepted()? {
        Some(()) => Ok(answer.placed(StatusCode::NO_CONTENT.into_response())),
        None => answer.pending(&asked, &id),
    }
}

/// The person, who must be known.
pub(crate) async fn known(database: &Database, id: &str) -> Result<Sourced<people::Person>, Problem> {
    people::find(database, id)
        .await?
        .ok_or_else(|| Problem::NotFound(Violation::new("id", id, "must be the id of a person who is known")))
}

fn registration(body: &Value, asked: &Preferences) -> Result<RegisterPerson, Problem> {
    let mut findings = Findings::default();
    let command = findings.check(Fields::of("", body)).and_then(|fields| {
        let first_name = findings.check(fields.text("first_name", &rules::NAME));
        let last_name = findings.check(fields.text("last_name", &rules::NAME));
        let company_name = findings.check(fields.text("company_name", &rules::NAME));
        Some(RegisterPerson {
            event_id: asked.command_id("register"),
            person_id: asked.id_of("person").to_string(),
            occurred_at: Utc::now(),
            first_name: first_name?,
            last_name: last_name?,
            company_name: company_name?,
        })
    });
    findings.none()?;
    command.ok_or_else(|| Problem::InvalidContent(Vec::new()))
}

fn wished_change(id: &str, body: &Value, asked: &Preferences) -> Result<ChangePerson, Problem> {
    let mut findings = Findings::default();
    let command = findings.check(Fields::of("", body)).map(|fields| {
        let mut given = |name| fields.has(name).then(|| findings.check(fields.text(name, &rules::NAME)))?;
        let (first_name, last_name, company_name) = (given("first_name"), given("last_name"), given("company_name"));
        let nothing = ["first_name", "last_name", "company_name"].iter().all(|name| !fields.has(name));
        if nothing {
            let rule = "at least one of first_name, last_name and company_name is to be changed";
            findings.check::<()>(Err(Violation::new("body", body, rule)));
        }
        let event_id = asked.command_id(&format!("change/{id}"));
        ChangePerson {
            event_id,
            person_id: id.to_owned(),
            occurred_at: Utc::now(),
            first_name,
            last_name,
            company_name,
        }
    });
    findings.none()?;
    command.ok_or_else(|| Problem::InvalidContent(Vec::new()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::parameters::Parameters;
    use serde_json::json;

    fn asked(key: Option<&'static str>) -> Preferences {
        let uri = "/api/persons".parse().unwrap();
        let headers = key.map(|key| (axum::http::HeaderName::from_static("idempotency-key"), key.parse().unwrap()));
        Preferences::read(&mut Parameters::read(&uri, &[WAIT_MS]), &headers.into_iter().collect())
    }

    fn refused(body: Value) -> Vec<String> {
        match registration(&body, &asked(None)) {
            Err(Problem::InvalidContent(violations)) => violations.into_iter().map(|found| found.field).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_field_is_named_at_once() {
        assert_eq!(refused(json!({})), ["first_name", "last_name", "company_name"]);
        let long = "x".repeat(100_000);
        assert_eq!(
            refused(json!({"first_name": "a\u{0}", "last_name": long, "company_name": 7})),
            ["first_name", "last_name", "company_name"]
        );
        assert_eq!(refused(json!([])), ["body"]);
        assert_eq!(refused(json!("x")), ["body"]);
    }

    #[test]
    fn other_fields_are_ignored_and_ids_are_our_own() {
        let body = json!({"id": 7, "first_name": "Ada", "last_name": "Lovelace", "company_name": "Engines"});
        let command = registration(&body, &asked(None)).unwrap();
        assert_eq!(command.first_name, "Ada");
        assert_eq!(command.person_id.len(), 36);
    }

    #[test]
    fn the_same_key_asks_for_the_same_person() {
        let body = json!({"first_name": "Ada", "last_name": "Lovelace", "company_name": "Engines"});
        let ids = |key| {
            let command = registration(&body, &asked(key)).unwrap();
            (command.event_id, command.person_id)
        };
        assert_eq!(ids(Some("k-1")), ids(Some("\"k-1\"")));
        assert_ne!(ids(Some("k-1")), ids(Some("k-2")));
        assert_ne!(ids(None), ids(None));
    }

    #[test]
    fn a_change_names_what_it_changes() {
        let change = |body| wished_change("p1", &body, &asked(None));
        let command = change(json!({"last_name": "King", "first_name": null})).unwrap();
        assert_eq!((command.last_name.as_deref(), command.first_name), (Some("King"), None));
        for body in [json!({}), json!({"last_name": ""}), json!([])] {
            assert!(matches!(change(body), Err(Problem::InvalidContent(_))));
        }
    }
}
