//! `GET /messages/export`: a range of a topic, oldest first, a message a line.
//!
//! The ends are those of the beginning, so it comes to an end on a topic that grows. It is sent as it is read; when
//! reading fails on the way, the transfer breaks off, so that nobody takes a part for the whole. A client that has
//! spent its budget is not refused but slowed down.

use super::{problem, question, render};
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
use bytes::Bytes;
use foldstream_browse::{Order, Page, PageError, Question};
use foldstream_log::Schemas;
use futures::stream;
use std::io;

/// Records of a range, oldest first, a message a line
///
/// The range ends where the topic ends when the export begins. A transfer that breaks off is not the whole.
#[utoipa::path(get, path = "/messages/export", tag = "log",
    params(super::parameters::FilterParameters,
        ("isolation" = Option<String>, Query, description = "`read_uncommitted` shows aborted and undecided records too")),
    responses((status = 200, description = "Lines of JSON, as the messages of a page", body = String,
        content_type = "application/x-ndjson")))]
pub(crate) async fn export(State(api): State<Api>, client: Client, uri: Uri) -> Result<Response, Problem> {
    let mut parameters = question::parameters(&uri, question::EXPORT);
    let mut question = question::read(&mut parameters);
    parameters.finish()?;
    question.order = Order::Oldest;
    let export = Export { api, client, question, done: false };
    // The first page is read before the status is sent: what is wrong is said by it.
    let (first, export) = export.next().await?;
    let rest = stream::try_unfold(export, |export| async move {
        if export.done {
            return Ok(None);
        }
        export.next().await.map(Some).map_err(|problem| io::Error::other(problem.to_string()))
    });
    let body = stream::once(async { Ok(first) });
    let mut response = Response::new(Body::from_stream(futures::StreamExt::chain(body, rest)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(response)
}

struct Export {
    api: Api,
    client: Client,
    question: Question,
    done: bool,
}

impl Export {
    async fn next(mut self) -> Result<(Bytes, Self), Problem> {
        let budget = self.api.clients.slow_budget(&self.client).await;
        let schemas = Schemas::new(self.api.parts.registry.clone());
        let page: Result<Page, PageError> = self.api.parts.browse.page(self.question.clone(), &schemas, &budget).await;
        let page = page.map_err(|error| problem::of_page(error, None))?;
        let messages = render::messages(page.records.iter().map(AsRef::as_ref), &schemas).await;
        self.done = page.next.is_none();
        self.question.after = page.next;
        Ok((render::lines(&messages), self))
    }
}
