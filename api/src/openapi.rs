//! The API described as OpenAPI 3.1: each handler says what is its own, and what all have in common is added here.
//!
//! Added: the problems a kind of route can answer with, the headers of every read and of every page, and the bounds of
//! values (`openapi/bounds.rs`).

pub(crate) mod bounds;

use crate::http::{
    paging::CURSOR,
    problem::{DeadLetterFound, FieldError, ProblemDocument},
};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        ContentBuilder, HeaderBuilder, HttpMethod, Ref, RefOr, Response, ResponseBuilder,
        path::{Operation, Parameter, PathItem},
    },
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Foldstream",
        description = "People, where they were, and whom they were near. Reads are answered from tables that are folded \
            from Kafka topics; every read says how far it is (`Foldstream-Applied`, `Foldstream-Lag-Ms`) and can be \
            asked to wait for a position (`after`), so that you read what you wrote. Errors are problems as RFC 9457 \
            has them, which name field, value and rule.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    components(schemas(ProblemDocument, FieldError, DeadLetterFound)),
    tags(
        (name = "people", description = "Who there is, and who was near whom"),
        (name = "locations", description = "Who was where"),
        (name = "commands", description = "What was decided on what was wished for"),
        (name = "log", description = "What is on the topics"),
        (name = "operation", description = "How the service is"),
    ),
)]
pub(crate) struct Description;

/// What routes of a kind have in common: added when all of them are there.
pub(crate) struct Common;

impl Modify for Common {
    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
        for (path, item) in &mut description.paths.paths {
            let (reads_tables, looks_in) =
                (path.starts_with("/api/"), path.starts_with("/messages") || path.starts_with("/topics"));
            for (method, operation) in operations(item) {
                if !reads_tables && !looks_in {
                    continue;
                }
                let writes = method != HttpMethod::Get;
                let has_body = operation.request_body.is_some();
                // Who wishes is answered later, if need be.
                let decides = writes && operation.responses.responses.contains_key("202");
                add(operation, "400", "A parameter or the syntax of the body breaks a rule");
                if path.contains('{') || path.starts_with("/messages") {
                    add(operation, "404", "There is no such thing");
                }
                if path.ends_with("/republish") {
                    add(operation, "403", "Republishing is switched off here");
                    add(
                        operation,
                        "409",
                        "What was confirmed is not there any more, or something speaks against the target",
                    );
                    add(
                        operation,
                        "410",
                        "The time of the confirmation is over, or the records a cursor leads to were removed",
                    );
                }
                if decides {
                    add(operation, "409", "It was decided against");
                    add(operation, "410", "It is gone for good");
                    add(operation, "422", "A field breaks a rule, or the idempotency key came with another content");
                }
                if has_body {
                    add(operation, "408", "The body did not arrive in time");
                    add(operation, "413", "The body is longer than 4 MiB");
                    add(operation, "415", "The body is not JSON");
                    add(operation, "422", "A field of the body breaks a rule");
                }
                if looks_in {
                    add(operation, "410", "The records a cursor leads to were removed");
                    add(operation, "429", "This client has asked for too much: wait a little");
                }
                if is_paged(operation) {
                    tell(operation, "link", "Where the next page is, where there is one (RFC 8288, `rel=\"next\"`)");
                }
                add(operation, "500", "Something went wrong here");
                add(operation, "503", "A dependency is away, or the read model is not as far as asked: try again");
                // What is put aside is not folded from the log like the rest.
                if reads_tables && !writes && path != "/api/dead-letters" {
                    tell_freshness(operation);
                }
            }
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (HttpMethod, &mut Operation)> {
    let get = item.get.as_mut().map(|operation| (HttpMethod::Get, operation));
    let post = item.post.as_mut().map(|operation| (HttpMethod::Post, operation));
    let patch = item.patch.as_mut().map(|operation| (HttpMethod::Patch, operation));
    let delete = item.delete.as_mut().map(|operation| (HttpMethod::Delete, operation));
    [get, post, patch, delete].into_iter().flatten()
}

fn add(operation: &mut Operation, status: &str, description: &str) {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let response: Response =
        ResponseBuilder::new().description(description).content("application/problem+json", content).build();
    operation.responses.responses.entry(status.to_owned()).or_insert(RefOr::T(response));
}

fn tell_freshness(operation: &mut Operation) {
    for (name, description) in [
        ("foldstream-applied", "The positions this answer holds everything up to"),
        (
            "foldstream-lag-ms",
            "How far the tables are behind what the log has acknowledged, in milliseconds; absent when not known",
        ),
    ] {
        tell(operation, name, description);
    }
}

fn is_paged(operation: &Operation) -> bool {
    let is_cursor = |parameter: &RefOr<Parameter>| matches!(parameter, RefOr::T(found) if found.name == CURSOR);
    operation.parameters.iter().flatten().any(is_cursor)
}

/// A header of the good answer.
fn tell(operation: &mut Operation, name: &str, description: &str) {
    let Some(RefOr::T(response)) = operation.responses.responses.get_mut("200") else { return };
    let header = HeaderBuilder::new().description(Some(description)).build();
    response.headers.insert(name.to_owned(), header.into());
}
