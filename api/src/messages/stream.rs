//! `GET /messages/stream`: what is appended from now on, as server-sent events.
//!
//! However many listen, the topic is followed once. An event's id says where its reader stands in every partition, so a
//! reader that comes back with `Last-Event-ID` goes on behind the last event it was given. Nothing is kept for a
//! reader: one that is too slow, or away too long, is told by an event `gap` which offsets it was not shown. So is one
//! whose filter could not be held against a record; where that is the registry's fault, which is away, the tail waits for
//! it, and stands still meanwhile. Partitions without a leader that answers hold up nobody: they are named, and taken up when
//! they have one.
//!
//! What a reader missed that comes back is read as an export is: within the client's budget, and slower where it is spent.

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
    Back, BrowseError, Chunk, Filter, Gap, News, Offsets, PathsSeen, Place, PlaceIn, Reason, Record, RecordView, Tail,
    Uncompared, Undecided, Verdict, at_length, look_up, words::Door,
};
use foldstream_log::{Schemas, Showing, Violation};
use futures::stream;
use serde::Serialize;
use std::{collections::BTreeSet, convert::Infallible, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

const LAST_EVENT_ID: &str = "last-event-id";
/// The ids of all tails are of one kind: a filter does not change where a reader stands.
const SCOPE: &str = "/messages/stream";
/// After so long without an event, a sign of life for everyone on the way, and where the reader stands: what its filter
/// let pass it by need not be looked at again when it comes back.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Between two questions to a registry that is away.
const AWAY: Duration = Duration::from_millis(500);

#[derive(Serialize)]
struct Missed<'a> {
    /// Which offsets, from `from` up to, not including, `to`
    gaps: &'a [Gap],
    /// Why a filter could not tell, where that is the reason
    #[serde(skip_serializing_if = "Option::is_none")]
    uncompared: Option<&'a Uncompared>,
}

/// A live tail, as server-sent events
///
/// Events: `listening` first, with `waiting` where partitions have no leader that answers; then `message` with a message as in
/// a page; `taken_up` when one of those partitions is gone on with, with where; `undecided`, as a page has it, when newer
/// records have been waiting for the end of a transaction for two seconds, and with an empty list when none do any more; `gap` with offsets that were not shown, and with `uncompared`, as in a page,
/// where the filter could not be held against them; `unknown_paths` once, when no schema so far has a path of the filter or of `fields`;
/// `refused`, and then nothing more, when what came tells that a condition cannot be meant so (`field`, `value`, `rule`). While
/// the registry is away that would tell what is wanted, nothing comes. `Last-Event-ID` goes on where a tail was left.
#[utoipa::path(get, path = "/messages/stream", tag = "log",
    params(("Last-Event-ID" = Option<String>, Header, description = "The id of the last event seen")),
    responses((status = 200, description = "Events", body = String, content_type = "text/event-stream")))]
pub(crate) async fn stream(
    State(api): State<Api>,
    client: Client,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let mut parameters = question::parameters(&uri, Door::Tail);
    let question = question::read(&mut parameters);
    let showing = question::showing(&mut parameters);
    let back = parameters.check(left_at(&headers)).flatten().map(|(topic_id, at)| {
        let most_offsets = api.parts.looking.catch_up_offsets;
        Back { topic_id, at, most_offsets }
    });
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
        showing,
        paths_seen: PathsSeen::default(),
        told_paths: false,
        tail,
        held: None,
        ended: false,
        undecided: Vec::new(),
        client,
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
    let at = place.partitions.into_iter().map(|(partition, place)| (partition, standing(&place))).collect();
    Ok(Some((place.topic_id, at)))
}

/// One who listens.
struct Reader {
    begun: bool,
    spoke_at: Instant,
    topic: String,
    partitions: Option<BTreeSet<i32>>,
    filter: Filter,
    showing: Showing,
    paths_seen: PathsSeen,
    told_paths: bool,
    tail: Tail,
    /// What came, and waits for the registry.
    held: Option<Arc<Chunk>>,
    /// Nothing is said any more.
    ended: bool,
    /// What it was told last of what waits.
    undecided: Vec<Undecided>,
    client: Client,
    api: Api,
    _listening: Listening,
}

/// Records one behind the other that the filter could not be held against.
#[derive(Default)]
struct Untold {
    gaps: Vec<Gap>,
    uncompared: Uncompared,
    at: Offsets,
}

/// The registry is away that would tell what of a chunk is wanted.
struct RegistryAway;

impl Reader {
    /// The next events, or a sign of life; none at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        let events = if self.begun { self.news().await? } else { self.hello() };
        (self.begun, self.spoke_at) = (true, Instant::now());
        Some(events)
    }

    async fn news(&mut self) -> Option<Bytes> {
        let (clients, client) = (self.api.clients.clone(), self.client.clone());
        let budget = || {
            let (clients, client) = (clients.clone(), client.clone());
            async move { clients.slow_budget(&client).await }
        };
        loop {
            let news = tokio::select! {
                () = self.api.parts.shutdown.cancelled() => return None,
                () = sleep_until(self.spoke_at + HEARTBEAT) => return Some(self.still_here()),
                () = sleep(AWAY), if self.held.is_some() => None,
                news = self.tail.next(budget), if self.held.is_none() => Some(news?),
            };
            let chunk = match news {
                Some(Ok(News::Gap(gaps))) => {
                    let gaps = self.gap(&gaps);
                    if !gaps.is_empty() {
                        return Some(gaps.freeze());
                    }
                    continue;
                }
                Some(Ok(News::Undecided(undecided))) => {
                    let undecided = self.undecided(undecided);
                    if !undecided.is_empty() {
                        return Some(undecided.freeze());
                    }
                    continue;
                }
                Some(Err(error)) => {
                    foldstream_telemetry::warn!(
                        kafka.topic = self.topic,
                        error = &error as &dyn std::error::Error,
                        "a tail ended"
                    );
                    return None;
                }
                Some(Ok(News::Chunk(chunk))) => Some(chunk),
                None => self.held.take(),
            };
            let Some(chunk) = chunk else { continue };
            match self.events(&chunk).await {
                Ok(events) if !events.is_empty() => return Some(events),
                Ok(_) => {}
                Err(RegistryAway) => self.held = Some(chunk),
            }
        }
    }

    /// Where this reader stands: before what is held, behind what it was given.
    fn at(&self) -> Offsets {
        self.held.as_ref().map_or_else(|| self.tail.at(), |held| self.tail.standing(&held.before))
    }

    /// Before the first event: where this reader stands, so that it can come back even if nothing follows.
    fn hello(&self) -> Bytes {
        let mut events = BytesMut::new();
        let id = id(self.tail.topic_id, &self.at());
        let waiting: Vec<i32> =
            self.tail.waiting().into_iter().filter(|waiting| self.wants_partition(*waiting)).collect();
        let listening = match waiting.is_empty() {
            true => serde_json::json!({"topic": self.topic}),
            false => serde_json::json!({"topic": self.topic, "waiting": waiting}),
        };
        render::put_event(&mut events, "listening", Some(&id), &listening);
        events.freeze()
    }

    /// An id without data: it moves where a client says it stands, and is no event to it.
    fn still_here(&self) -> Bytes {
        let sign = if self.held.is_some() { "waiting for the schema registry" } else { "still here" };
        format!(": {sign}\nid: {}\n\n", id(self.tail.topic_id, &self.at())).into()
    }

    async fn events(&mut self, chunk: &Chunk) -> Result<Bytes, RegistryAway> {
        // What is the same for everyone is written once, and nothing has to be told for it.
        if self.wants_everything() && self.tail.stands_with_others() {
            let written = async || self.written(chunk).await.map(BytesMut::freeze).unwrap_or_default();
            return Ok(chunk.rendered(written).await);
        }
        let mut events = self.written(chunk).await?;
        if let Some(Violation { field, value, rule }) = self.filter.refused(&self.paths_seen) {
            let refused = serde_json::json!({"field": field, "value": value, "rule": rule});
            render::put_event(&mut events, "refused", None, &refused);
            self.ended = true;
        }
        let of_filter = self.filter.unknown_paths(&self.paths_seen);
        let unknown_paths = [of_filter, self.showing.unknown_fields()].concat();
        if !unknown_paths.is_empty() && !self.told_paths {
            self.told_paths = true;
            let unknown_paths = serde_json::json!({"unknown_paths": unknown_paths});
            render::put_event(&mut events, "unknown_paths", None, &unknown_paths);
        }
        Ok(events.freeze())
    }

    async fn written(&self, chunk: &Chunk) -> Result<BytesMut, RegistryAway> {
        let schemas = Schemas::new(self.api.parts.registry.clone());
        look_up(chunk.records.iter(), &schemas).await;
        at_length(chunk.records.iter().map(|record| record.bytes() as u64).sum(), || {
            self.compare_and_write(chunk, &schemas)
        })
    }

    fn compare_and_write(&self, chunk: &Chunk, schemas: &Schemas) -> Result<BytesMut, RegistryAway> {
        let mut events = BytesMut::new();
        for taken_up in chunk.taken_up.iter().filter(|taken_up| self.wants_partition(taken_up.partition)) {
            render::put_event(&mut events, "taken_up", None, taken_up);
        }
        events.unsplit(self.gap(&chunk.missed));
        let mut untold = Untold::default();
        for (record, at) in chunk.steps().filter(|(record, _)| self.wants_partition(record.fetched.partition)) {
            let view = RecordView::of(&record.fetched, record.transaction);
            match self.filter.compare(&view, &|id| schemas.get(id), &self.paths_seen) {
                Verdict::Wanted => {
                    self.put_untold(&mut events, &mut untold);
                    let id = id(self.tail.topic_id, &self.tail.standing(&at));
                    render::put_event(&mut events, "message", Some(&id), &record.describe(schemas, &self.showing));
                }
                Verdict::Uncompared(reason) if reason.is_retriable() => return Err(RegistryAway),
                Verdict::Uncompared(reason) => untold.note(record, reason, at),
                Verdict::Other => {}
            }
        }
        self.put_untold(&mut events, &mut untold);
        Ok(events)
    }

    fn put_untold(&self, events: &mut BytesMut, untold: &mut Untold) {
        let Untold { gaps, uncompared, at } = std::mem::take(untold);
        if !gaps.is_empty() {
            let id = id(self.tail.topic_id, &self.tail.standing(&at));
            render::put_event(events, "gap", Some(&id), &Missed { gaps: &gaps, uncompared: Some(&uncompared) });
        }
    }

    fn wants_everything(&self) -> bool {
        self.filter.is_everything() && self.partitions.is_none() && self.showing.is_everything()
    }

    fn wants_partition(&self, partition: i32) -> bool {
        self.partitions.as_ref().is_none_or(|wanted| wanted.contains(&partition))
    }

    /// What of it is of this reader's partitions, unless it was told that already.
    fn undecided(&mut self, mut undecided: Vec<Undecided>) -> BytesMut {
        undecided.retain(|undecided| self.wants_partition(undecided.partition));
        let mut event = BytesMut::new();
        if undecided != self.undecided {
            render::put_event(&mut event, "undecided", None, &serde_json::json!({"undecided": undecided}));
            self.undecided = undecided;
        }
        event
    }

    fn gap(&self, missed: &[Gap]) -> BytesMut {
        let gaps: Vec<_> = missed.iter().filter(|gap| self.wants_partition(gap.partition)).copied().collect();
        let mut event = BytesMut::new();
        if !gaps.is_empty() {
            render::put_event(&mut event, "gap", None, &Missed { gaps: &gaps, uncompared: None });
        }
        event
    }
}

impl Untold {
    fn note(&mut self, record: &Record, reason: Reason, at: Offsets) {
        let (partition, offset) = (record.fetched.partition, record.fetched.offset);
        match self.gaps.last_mut().filter(|gap| gap.partition == partition && gap.to == offset) {
            Some(gap) => gap.to += 1,
            None => self.gaps.push(Gap { partition, from: offset, to: offset + 1 }),
        }
        self.uncompared.note(reason, || record.fetched.position());
        self.at = at;
    }
}

fn id(topic_id: Uuid, at: &Offsets) -> String {
    let partitions = at.iter().map(|(partition, at)| (*partition, place_in(*at))).collect();
    cursor::seal(SCOPE, &Place { topic_id, partitions, ..Place::default() })
}

/// In an id two equal offsets stand for one, and a time, behind which there is no end, for itself.
fn place_in(at: i64) -> PlaceIn {
    if at < 0 { PlaceIn { at: -at, end: 0 } } else { PlaceIn { at, end: at } }
}

fn standing(place: &PlaceIn) -> i64 {
    if place.end == 0 { -place.at } else { place.at }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_an_offset_from_a_time_to_begin_from() {
        for at in [0, 1, 1_795_797_950_123, -1_795_797_950_123] {
            assert_eq!(standing(&place_in(at)), at);
        }
    }
}
