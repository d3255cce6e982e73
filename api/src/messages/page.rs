//! `GET /messages`: the newest, or oldest, records of a topic that pass a filter.

use super::{problem, question, render::Shown};
use crate::{
    http::{
        answer::json,
        limits::Client,
        paging::{CURSOR, PageRequest},
        problem::Problem,
    },
    state::Api,
};
use axum::{
    extract::State,
    http::{StatusCode, Uri},
    response::Response,
};
use foldstream_browse::{Covered, LookedAt, Place, Spent, Uncompared, Undecided, at_length, words::Door};
use foldstream_log::Schemas;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

const DEFAULT_LIMIT: u32 = 50;

/// For the documentation: which page. Its other parameters are the words of the door.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by the derive only")]
pub(crate) struct PageParameters {
    /// How many at most
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: Option<u32>,
    /// Where to go on: `next` of the page before
    cursor: Option<String>,
}

/// Records of a topic, and what they are of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Messages<'a> {
    topic: String,
    /// `timestamp`: in the order of append time. `merge`: the topic's timestamps are its producers', so across
    /// partitions they may be anything; within a partition order is by offset.
    #[schema(example = "timestamp")]
    order: &'static str,
    /// Each with topic, partition, offset, position, timestamp, timestamp_ms, key, key_encoding (`avro`, `json`, `text`,
    /// `long`, `hex`, `base64`), headers (a list of name and value, which is text, `{"base64": …}` or null), value, value_encoding,
    /// schema, size; with key_schema where the key has one, error when the value could not be decoded, `value_cut` (true) where
    /// less of the value is shown than there is, because `value` or `fields` say so, and `value_masked` (true) where some of it
    /// is personal: such a field is `{"masked": "personal"}`. What there is not is null
    #[schema(value_type = Vec<Object>)]
    messages: Shown<'a>,
    /// Whether everything is here that was asked for of what is covered, and more only behind a full page. False when a
    /// budget was spent (`spent`, and `next` goes on), when the filter could not be held against a record (`uncompared`),
    /// and when no schema on the way has a path of the filter or of `fields` (`unknown_paths`)
    complete: bool,
    /// Which budget: `time`, `records`, `bytes`, `memory` (the page would be too large), `client`
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    spent: Option<Spent>,
    /// Records of what is covered that may be wanted, too: `count`, `reasons`, each with its own `count`, the position of the
    /// `first`, and `retriable` where asking again may help. Absent when there are none
    #[serde(skip_serializing_if = "Uncompared::is_empty")]
    #[schema(value_type = Option<Object>)]
    uncompared: Uncompared,
    /// Paths in `where` that no schema had of all that were met, and in `fields` of all that are shown. Absent when there are
    /// none
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    unknown_paths: Vec<String>,
    /// Of each partition: every record that was asked for from `from` up to, not including, `to` is here
    #[schema(value_type = Vec<Object>)]
    covered: Vec<Covered>,
    /// Where newer records wait for the end of a transaction: of each such partition, from `from` up to, not including,
    /// `to`. They are not here; `isolation=read_uncommitted` shows them
    #[schema(value_type = Vec<Object>)]
    undecided: Vec<Undecided>,
    /// The `cursor` of the page that follows; null when there is nothing more
    next: Option<String>,
    /// What was read from the brokers for this page
    #[schema(value_type = Object)]
    looked_at: LookedAt,
}

/// Records of a topic, newest first
///
/// Exact: over all partitions, up to the last stable offset, with filters; pages that follow each other by `next` make
/// up the whole list as it was when the first one was made.
#[utoipa::path(get, path = "/messages", tag = "log", params(PageParameters),
    responses((status = 200, description = "A page of records", body = Messages)))]
pub(crate) async fn page(State(api): State<Api>, client: Client, uri: Uri) -> Result<Response, Problem> {
    let mut parameters = question::parameters(&uri, Door::Page);
    let mut question = question::read(&mut parameters);
    let showing = question::showing(&mut parameters);
    let page: PageRequest<Place> = PageRequest::read(&mut parameters, 1..=1000, DEFAULT_LIMIT);
    let cursor = parameters.text(CURSOR).map(str::to_owned);
    parameters.finish()?;
    question.limit = page.limit as usize;
    question.after.clone_from(&page.after);
    let topic = question.topic.clone();
    let budget = api.clients.budget(&client)?;
    let schemas = Schemas::new(api.parts.registry.clone());
    let found = api.parts.browse.page(question, &schemas, &budget).await;
    let found = found.map_err(|error| problem::of_page(error, cursor.as_deref()))?;
    let messages = Shown::new(&found.records, &schemas, &showing).await;
    let bytes = messages.bytes();
    let unknown_fields = at_length(bytes, || messages.unknown_fields());
    let complete = found.is_complete() && unknown_fields.is_empty();
    let unknown_paths = [found.unknown_paths.as_slice(), &unknown_fields].concat();
    let answer = Messages {
        topic,
        order: if found.in_order_of_time { "timestamp" } else { "merge" },
        messages,
        complete,
        spent: found.spent,
        uncompared: found.uncompared,
        unknown_paths,
        covered: found.covered,
        undecided: found.undecided,
        next: found.next.as_ref().map(|next| page.cursor(next)),
        looked_at: found.looked_at,
    };
    let mut response = at_length(bytes, || json(StatusCode::OK, &answer))?;
    page.link_to(found.next.as_ref(), &mut response);
    Ok(response)
}
