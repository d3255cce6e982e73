//! `GET /messages/export`: a range of a topic, oldest first, a message a line.
//!
//! The ends are those of the beginning, so it comes to an end on a topic that grows; what was undecided there is told by a line
//! of its own. It is sent as it is read. Its last line is an error when it is not all that was asked for; when reading fails
//! on the way the transfer breaks off behind that line, so that nobody takes a part for the whole. A client that has spent
//! its budget, or finds no room for more, is not refused but slowed down.

use super::{problem, question, render, render::Shown};
use crate::{
    http::{limits::Client, problem::Problem},
    state::Api,
};
use axum::{
    body::Body,
    extract::State,
    http::{HeaderValue, Uri, header},
    response::Response,
};
use bytes::{Bytes, BytesMut};
use foldstream_browse::{Order, PageError, Question, Uncompared, Undecided, at_length, not_told, words::Door};
use foldstream_log::{Schemas, Showing};
use futures::stream;
use serde::Serialize;
use std::io;

/// Records of a range, oldest first, a message a line
///
/// The range ends where the topic ends when the export begins. Where newer records wait for the end of a transaction there is a
/// line `{"undecided": …}` behind it, as a page has it. An export that is not all that was asked for ends with a line
/// `{"error": …}`: with `uncompared` and `unknown_paths` as a page has them, or with a problem, and then the transfer breaks
/// off behind it. While the registry is away that would tell what is wanted, there is none: 503.
#[utoipa::path(get, path = "/messages/export", tag = "log",
    responses((status = 200, description = "Lines of JSON, as the messages of a page", body = String,
        content_type = "application/x-ndjson")))]
pub(crate) async fn export(State(api): State<Api>, client: Client, uri: Uri) -> Result<Response, Problem> {
    let mut parameters = question::parameters(&uri, Door::Export);
    let mut question = question::read(&mut parameters);
    let showing = question::showing(&mut parameters);
    parameters.finish()?;
    question.order = Order::Oldest;
    let uncompared = Uncompared::default();
    let export = Export { api, client, question, showing, undecided: None, uncompared, done: false };
    // The first page is read before the status is sent: what is wrong is said by it.
    let (first, export) = export.next().await?;
    let rest = stream::unfold(Rest::ToRead(Box::new(export)), |rest| async move {
        match rest {
            Rest::ToRead(export) if export.done => None,
            Rest::ToRead(export) => Some(match export.next().await {
                Ok((lines, export)) => (Ok(lines), Rest::ToRead(Box::new(export))),
                Err(problem) => (Ok(last_line(&problem.document())), Rest::Broken(problem)),
            }),
            Rest::Broken(problem) => Some((Err(io::Error::other(problem.to_string())), Rest::Nothing)),
            Rest::Nothing => None,
        }
    });
    let body = stream::once(async { Ok(first) });
    let mut response = Response::new(Body::from_stream(futures::StreamExt::chain(body, rest)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(response)
}

/// What follows of an export.
enum Rest {
    ToRead(Box<Export>),
    /// The problem is told, and the transfer is to break off.
    Broken(Problem),
    Nothing,
}

struct Export {
    api: Api,
    client: Client,
    question: Question,
    showing: Showing,
    /// Behind the ends of the beginning; none before that.
    undecided: Option<Vec<Undecided>>,
    uncompared: Uncompared,
    done: bool,
}

/// Why an export that came to its end is not all that was asked for.
#[derive(Serialize)]
struct Incomplete<'a> {
    detail: String,
    #[serde(skip_serializing_if = "Uncompared::is_empty")]
    uncompared: &'a Uncompared,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    unknown_paths: &'a [String],
}

impl Export {
    async fn next(mut self) -> Result<(Bytes, Self), Problem> {
        let schemas = Schemas::new(self.api.parts.registry.clone());
        let page = loop {
            let budget = self.api.clients.slow_budget(&self.client).await;
            match self.api.parts.browse.page(self.question.clone(), &schemas, &budget).await {
                Err(PageError::Crowded) if self.undecided.is_some() => {}
                page => break page.map_err(|error| problem::of_page(error, None))?,
            }
        };
        if page.uncompared.is_retriable() {
            return Err(problem::of_uncompared(&page.uncompared));
        }
        self.uncompared.extend(page.uncompared);
        let mut lines = BytesMut::new();
        let shown = Shown::new(&page.records, &schemas, &self.showing).await;
        at_length(shown.bytes(), || shown.each().for_each(|message| render::put_line(&mut lines, &message)));
        let undecided = &*self.undecided.get_or_insert(page.undecided);
        if page.next.is_none() && !undecided.is_empty() {
            render::put_line(&mut lines, &serde_json::json!({"undecided": undecided}));
        }
        self.done = page.next.is_none();
        self.question.after = page.next;
        let unknown_paths = [page.unknown_paths.as_slice(), &self.showing.unknown_fields()].concat();
        if self.done && !(self.uncompared.is_empty() && unknown_paths.is_empty()) {
            let detail = not_told(&self.uncompared, &unknown_paths);
            let (uncompared, unknown_paths) = (&self.uncompared, unknown_paths.as_slice());
            lines.unsplit(BytesMut::from(last_line(&Incomplete { detail, uncompared, unknown_paths })));
        }
        Ok((lines.freeze(), self))
    }
}

/// The line of an export that is not all that was asked for.
fn last_line(error: &impl Serialize) -> Bytes {
    let mut line = BytesMut::new();
    render::put_line(&mut line, &serde_json::json!({"error": error}));
    line.freeze()
}
