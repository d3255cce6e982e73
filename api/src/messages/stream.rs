//! `GET /messages/stream`: what is appended from now on, as server-sent events.
//!
//! However many listen, the topic is followed once. An event's id says where its reader stands in every partition, so a
//! reader that comes back with `Last-Event-ID` goes on behind the last event it was given. Nothing is kept for a
//! reader: one that is too slow, or away too long, is told by an event `gap` which offsets it was not shown.

use super::{question, render};
use crate::{
    http::{
        cursor,
        limits::{Client, Listening},
        problem::Problem,
    },
    state::Api,
};
use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, Uri, header},
    response::Response,
};
use bytes::{Bytes, BytesMut};
use foldstream_browse::{
    BrowseError, Chunk, Filter, Gap, News, Offsets, Place, PlaceIn, Record, RecordView, Tail, look_up,
};
use foldstream_log::{Schemas, Violation};
use futures::stream;
use serde::Serialize;
use std::{collections::BTreeSet, convert::Infallible, time::Duration};
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

const LAST_EVENT_ID: &str = "last-event-id";
/// The ids of all tails are of one kind: a filter does not change where a reader stands.
const SCOPE: &str = "/messages/stream";
/// After so long without an event, a sign of life for everyone on the way, and where the reader stands: what its filter
/// let pass it by need not be looked at again when it comes back.
const HEARTBEAT: Duration = Duration::from_secs(15);

#[derive(Serialize)]
struct Missed<'a> {
    /// Which offsets, from `from` up to, not including, `to`
    gaps: Vec<&'a Gap>,
}

/// A live tail, as server-sent events
///
/// Events: `message` with a message as in a page; `gap` with offsets that were not shown. `Last-Event-ID` goes on
/// where a tail was left.
#[utoipa::path(get, path = "/messages/stream", tag = "log",
    params(super::parameters::TailParameters, ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event seen")),
    responses((status = 200, description = "Events", body = String, content_type = "text/event-stream")))]
pub(crate) async fn stream(
    State(api): State<Api>,
    client: Client,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let mut parameters = question::parameters(&uri, question::TAIL);
    let question = question::read(&mut parameters);
    let back = parameters.check(left_at(&headers)).flatten();
    parameters.finish()?;
    let listening = api.clients.listen(&client)?;
    let tail = api.parts.browse.listen(&question.topic, back).await?;
    if let Some(wanted) = &question.partitions {
        check_partitions(&api, &question.topic, wanted).await?;
    }
    let reader = Reader {
        begun: false,
        spoke_at: Instant::now(),
        topic: question.topic,
        partitions: question.partitions,
        filter: question.filter,
        tail,
        api,
        _listening: listening,
    };
    let events =
        stream::unfold(reader, |mut reader| async move { Some((Ok::<_, Infallible>(reader.next().await?), reader)) });
    let mut response = Response::new(Body::from_stream(events));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // Proxies would hold events back until a buffer is full.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// A partition that is none would be listened to for ever.
async fn check_partitions(api: &Api, topic: &str, wanted: &BTreeSet<i32>) -> Result<(), Problem> {
    let layout = api.parts.browse.brokers().layout(topic).await?;
    let Some(unknown) = wanted.iter().find(|partition| !layout.leaders.contains_key(partition)) else { return Ok(()) };
    Err(Problem::from(BrowseError::UnknownPartition {
        topic: layout.topic,
        partition: *unknown,
        partitions: layout.leaders.len(),
    }))
}

/// Where the reader that comes back stood.
fn left_at(headers: &HeaderMap) -> Result<Option<(Uuid, Offsets)>, Violation> {
    let Some(id) = headers.get(LAST_EVENT_ID).filter(|id| !id.is_empty()) else { return Ok(None) };
    let text = id.to_str().unwrap_or_default();
    let place: Place = cursor::open(SCOPE, text).map_err(|_| {
        Violation::new("Last-Event-ID", text, "the id of an event is taken unchanged from a tail of /messages/stream")
    })?;
    Ok(Some((place.topic_id, place.partitions.into_iter().map(|(partition, place)| (partition, place.at)).collect())))
}

/// One who listens.
struct Reader {
    begun: bool,
    spoke_at: Instant,
    topic: String,
    partitions: Option<BTreeSet<i32>>,
    filter: Filter,
    tail: Tail,
    api: Api,
    _listening: Listening,
}

impl Reader {
    /// The next events, or a sign of life; none at the end.
    async fn next(&mut self) -> Option<Bytes> {
        let events = if self.begun { self.news().await? } else { self.hello() };
        (self.begun, self.spoke_at) = (true, Instant::now());
        Some(events)
    }

    async fn news(&mut self) -> Option<Bytes> {
        loop {
            let news = tokio::select! {
                () = self.api.parts.shutdown.cancelled() => return None,
                () = sleep_until(self.spoke_at + HEARTBEAT) => return Some(self.still_here()),
                news = self.tail.next() => news?,
            };
            let events = match news {
                Ok(News::Gap(gaps)) => self.gap(&gaps).freeze(),
                Ok(News::Chunk(chunk)) => self.events(&chunk).await,
                Err(error) => {
                    foldstream_telemetry::warn!(
                        kafka.topic = self.topic,
                        error = &error as &dyn std::error::Error,
                        "a tail ended"
                    );
                    return None;
                }
            };
            if !events.is_empty() {
                return Some(events);
            }
        }
    }

    /// Before the first event: where this reader stands, so that it can come back even if nothing follows.
    fn hello(&self) -> Bytes {
        let mut events = BytesMut::new();
        let id = id(self.tail.topic_id, self.tail.at());
        render::put_event(&mut events, "listening", Some(&id), &serde_json::json!({"topic": self.topic}));
        events.freeze()
    }

    /// An id without data: it moves where a client says it stands, and is no event to it.
    fn still_here(&self) -> Bytes {
        format!(": still here\nid: {}\n\n", id(self.tail.topic_id, self.tail.at())).into()
    }

    async fn events(&self, chunk: &Chunk) -> Bytes {
        let schemas = Schemas::new(self.api.parts.registry.clone());
        let written = async || {
            look_up(chunk.records.iter(), &schemas).await;
            let mut events = self.gap(&chunk.missed);
            for (record, at) in chunk.steps().filter(|(record, _)| self.wants(record, &schemas)) {
                let id = id(self.tail.topic_id, &at);
                render::put_event(&mut events, "message", Some(&id), &record.describe(&schemas));
            }
            events.freeze()
        };
        // What is the same for everyone is written once.
        match self.filter.is_everything() && self.partitions.is_none() {
            true => chunk.rendered(written).await,
            false => written().await,
        }
    }

    fn wants(&self, record: &Record, schemas: &Schemas) -> bool {
        self.wants_partition(record.fetched.partition)
            && self.filter.matches(&RecordView::of(&record.fetched, record.transaction), &|id| schemas.get(id))
    }

    fn wants_partition(&self, partition: i32) -> bool {
        self.partitions.as_ref().is_none_or(|wanted| wanted.contains(&partition))
    }

    fn gap(&self, missed: &[Gap]) -> BytesMut {
        let gaps: Vec<_> = missed.iter().filter(|gap| self.wants_partition(gap.partition)).collect();
        let mut event = BytesMut::new();
        if !gaps.is_empty() {
            render::put_event(&mut event, "gap", None, &Missed { gaps });
        }
        event
    }
}

fn id(topic_id: Uuid, at: &Offsets) -> String {
    let partitions = at.iter().map(|(partition, at)| (*partition, PlaceIn { at: *at, end: *at })).collect();
    cursor::seal(SCOPE, &Place { topic_id, partitions, ..Place::default() })
}
