//! The schemas of the records at hand: looked up first, all at the same time, then at hand without waiting.
//!
//! For the records of one page or one stretch of reading, and never longer than its patience in all, whoever asks and how
//! often: a schema that is asked for later than that is late, like one that was not answered in time. What nobody has is
//! remembered for a while, and of such only so many are asked for, because bytes that merely begin with a zero name as
//! many schemas as there are records. Make a new one for the next page: what was found, and what came too late for this
//! one, the registry's client keeps.

use crate::{
    framing::SchemaId,
    registry::{AnySchema, Registered, Registry, RegistryError},
};
use std::{
    collections::{BTreeSet, HashMap},
    error::Error,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    runtime::Handle,
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, timeout_at},
};

/// Questions to the registry at the same time.
const AT_ONCE: usize = 16;
/// How long reading may stop for all its schemas together.
const PATIENCE: Duration = Duration::from_secs(2);
/// So many schemas that are in no registry are asked for.
const MOST_ABSENT: usize = 64;

/// A schema and where it is registered: nowhere, when that could not be had.
#[derive(Debug, Clone)]
pub struct Known {
    pub id: SchemaId,
    pub schema: AnySchema,
    pub registered: Arc<[Registered]>,
}

/// Why a schema is not at hand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoSchema {
    /// The registry has none that could be used: asking again soon gives the same.
    #[error("{0}")]
    Absent(Arc<str>),
    /// It could not be had just now.
    #[error("{0}")]
    Away(Arc<str>),
    #[error("the schema registry does not answer in time")]
    Late,
    #[error("schema {0} was not asked for: too many before it were in no registry")]
    TooMany(SchemaId),
    #[error("schema {0} was not looked up")]
    NotLookedUp(SchemaId),
}

impl NoSchema {
    /// Whether asking again soon may help.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        matches!(self, Self::Away(_) | Self::Late)
    }
}

/// What looking a schema up gave. Lent, not given: threads that look at many records would count holders more than read.
pub type LookedUp<'a> = Result<&'a Known, NoSchema>;

/// How a schema is looked up by those who need one.
pub type SchemaOf<'a> = dyn Fn(SchemaId) -> LookedUp<'a> + 'a;

/// Cheap to clone; clones share what they know.
#[derive(Debug, Clone)]
pub struct Schemas {
    registry: Registry,
    /// Few: a topic has records of a handful of schemas.
    known: Arc<boxcar::Vec<Known>>,
    state: Arc<Mutex<State>>,
    /// How many of those asked for are in no registry.
    absent: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct State {
    /// Why others are not known.
    not_had: HashMap<SchemaId, NoSchema>,
    /// How long may still be waited.
    patience: Duration,
}

impl Schemas {
    #[must_use]
    pub fn new(registry: Registry) -> Self {
        let state = State { not_had: HashMap::new(), patience: PATIENCE };
        Self { registry, known: Arc::default(), state: Arc::new(Mutex::new(state)), absent: Arc::default() }
    }

    /// Looks up those of these schemas that were not looked up before. Returns when all are known or known not to be
    /// had, at the latest when patience is at its end.
    pub async fn look_up(&self, ids: impl IntoIterator<Item = SchemaId>) {
        let (begun, asked, patience) = (Instant::now(), self.unknown(ids), self.state().patience);
        if asked.is_empty() {
            return;
        }
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        let mut questions = JoinSet::new();
        for id in asked.iter().filter(|_| !patience.is_zero()) {
            let (id, schemas, turns) = (*id, self.clone(), turns.clone());
            questions.spawn(async move {
                // Never closed, so this only waits.
                let _turn = turns.acquire().await;
                (id, schemas.ask(id).await)
            });
        }
        // A question that panicked has no answer, like one that is late.
        while let Ok(Some(answered)) = timeout_at(begun + patience, questions.join_next()).await {
            if let Ok((id, looked_up)) = answered {
                self.note(id, looked_up, &mut self.state());
            }
        }
        // What is on the way is for the next page.
        questions.detach_all();
        let mut state = self.state();
        state.patience = state.patience.saturating_sub(begun.elapsed());
        for id in asked {
            if !self.is_looked_up(id, &state) {
                state.patience = Duration::ZERO;
                // The schema itself may be known, and only where it is registered is not.
                let known = self.registry.cached(id).map(|schema| Known { id, schema, registered: Arc::default() });
                self.note(id, known.ok_or(NoSchema::Late), &mut state);
            }
        }
    }

    /// Whether personal fields are masked.
    pub(crate) fn masks(&self) -> bool {
        self.registry.masks()
    }

    /// What is known of a schema that was looked up.
    pub fn get(&self, id: SchemaId) -> LookedUp<'_> {
        self.find(id).ok_or_else(|| self.state().not_had.get(&id).cloned().unwrap_or(NoSchema::NotLookedUp(id)))
    }

    /// The same, looked up if it was not before. For threads that may wait: panics on one that runs tasks.
    pub fn get_blocking(&self, id: SchemaId, runtime: &Handle) -> LookedUp<'_> {
        self.get(id).or_else(|error| match error {
            NoSchema::NotLookedUp(_) => {
                runtime.block_on(self.look_up([id]));
                self.get(id)
            }
            other => Err(other),
        })
    }

    /// Those that nothing is known of without asking.
    fn unknown(&self, ids: impl IntoIterator<Item = SchemaId>) -> BTreeSet<SchemaId> {
        let mut state = self.state();
        let mut unknown = BTreeSet::new();
        for id in ids {
            if self.is_looked_up(id, &state) {
                continue;
            }
            match self.at_hand(id).map(Ok).or_else(|| Some(Err(NoSchema::Absent(self.registry.absent(id)?)))) {
                Some(looked_up) => self.note(id, looked_up, &mut state),
                None => drop(unknown.insert(id)),
            }
        }
        unknown
    }

    fn at_hand(&self, id: SchemaId) -> Option<Known> {
        let schema = self.registry.cached(id)?;
        let registered = match id {
            SchemaId::Number(number) => self.registry.registered_cached(number)?,
            SchemaId::Guid(_) => Vec::new(),
        };
        Some(Known { id, schema, registered: registered.into() })
    }

    fn find(&self, id: SchemaId) -> Option<&Known> {
        self.known.iter().map(|(_, known)| known).find(|known| known.id == id)
    }

    fn is_looked_up(&self, id: SchemaId, state: &State) -> bool {
        state.not_had.contains_key(&id) || self.find(id).is_some()
    }

    fn note(&self, id: SchemaId, looked_up: Result<Known, NoSchema>, state: &mut State) {
        match looked_up {
            Ok(known) => drop(self.known.push(known)),
            Err(reason) => drop(state.not_had.insert(id, reason)),
        }
    }

    async fn ask(&self, id: SchemaId) -> Result<Known, NoSchema> {
        if self.absent.load(Ordering::Relaxed) >= MOST_ABSENT {
            return Err(NoSchema::TooMany(id));
        }
        let schema = self.registry.any_schema(id).await.map_err(|error| self.not_had(id, &error))?;
        let registered = match id {
            SchemaId::Number(number) => self.registry.registered(number).await.unwrap_or_default(),
            SchemaId::Guid(_) => Vec::new(),
        };
        Ok(Known { id, schema, registered: registered.into() })
    }

    fn not_had(&self, id: SchemaId, error: &RegistryError) -> NoSchema {
        let reason: Arc<str> = match error.source() {
            Some(cause) => format!("{error}: {cause}").into(),
            None => error.to_string().into(),
        };
        if error.is_retriable() {
            return NoSchema::Away(reason);
        }
        self.absent.fetch_add(1, Ordering::Relaxed);
        self.registry.note_absent(id, reason.clone());
        NoSchema::Absent(reason)
    }

    /// The map behind the lock is whole after a panic elsewhere, so poisoning is no reason to stop.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Config, encoding::Encoding, fetched::FetchedRecord, message::describe, showing::Showing};
    use serde_json::json;
    use std::{
        io::{Read, Write},
        net::{TcpListener, TcpStream},
        thread,
    };
    use uuid::Uuid;

    const SCHEMA: &str = r#"{"type": "record", "name": "a.Seen", "fields": [{"name": "who", "type": "string"}]}"#;

    const GUID: Uuid = Uuid::from_u128(7);

    fn numbers(of: impl IntoIterator<Item = u32>) -> impl Iterator<Item = SchemaId> {
        of.into_iter().map(SchemaId::Number)
    }

    fn reason(schemas: &Schemas, id: u32) -> String {
        schemas.get(SchemaId::Number(id)).unwrap_err().to_string()
    }

    /// A registry that knows schema 7 (and, if it ever comes to that, 9), and counts what it was asked.
    struct Stub {
        registry: Registry,
        asked: Arc<AtomicUsize>,
    }

    impl Stub {
        fn start() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let registry_url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
            let config = Config::at("", registry_url);
            let asked = Arc::new(AtomicUsize::new(0));
            let count = asked.clone();
            thread::spawn(move || {
                let mut silent = Vec::new();
                for stream in listener.incoming() {
                    count.fetch_add(1, Ordering::SeqCst);
                    silent.extend(answer(stream.unwrap()));
                }
            });
            Self { registry: Registry::new(&config).unwrap(), asked }
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::SeqCst)
        }
    }

    /// Answers one request; gives the connection back when it is to stay without an answer.
    fn answer(mut stream: TcpStream) -> Option<TcpStream> {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            request.extend(byte);
        }
        let request = String::from_utf8(request).unwrap();
        let guid = format!("/schemas/guids/{GUID}");
        let (status, body) = match request.split([' ', '?']).nth(1).unwrap() {
            "/schemas/ids/7" => ("200 OK", json!({"schema": SCHEMA})),
            "/schemas/ids/5" => (
                "200 OK",
                json!({"schema": r#"{"type": "record", "name": "b.Pair", "fields": [{"name": "one", "type": "a.Seen"}]}"#,
                    "references": [{"name": "a.Seen", "subject": "t-a.Seen", "version": 3}]}),
            ),
            "/subjects/t-a.Seen/versions/3" => ("200 OK", json!({"id": 7, "version": 3, "schema": SCHEMA})),
            "/schemas/ids/1" => (
                "200 OK",
                json!({"schema": r#"{"type": "record", "name": "c.Both", "fields": [{"name": "pair", "type": "b.Pair"}]}"#,
                    "references": [{"name": "pairs", "subject": "t-b.Pair", "version": 1}]}),
            ),
            "/subjects/t-b.Pair/versions/1" => (
                "200 OK",
                json!({"id": 5, "version": 1,
                    "schema": r#"{"type": "record", "name": "b.Pair", "fields": [{"name": "one", "type": "a.Seen"}]}"#,
                    "references": [{"name": "a.Seen", "subject": "t-a.Seen", "version": 3}]}),
            ),
            "/schemas/ids/4" => ("500 Internal Server Error", json!({"error_code": 50001, "message": "no store"})),
            "/schemas/ids/3" => ("404 Not Found", json!("an ingress without a service behind it")),
            "/schemas/ids/2" => ("200 OK", json!({"schema": "{}", "schemaType": "JSON"})),
            "/schemas/ids/6" => ("200 OK", json!({"schema": "message A {}", "schemaType": "PROTOBUF"})),
            path if path == guid => ("200 OK", json!({"schema": SCHEMA})),
            "/schemas/ids/7/versions" => ("200 OK", json!([{"subject": "t-a.Seen", "version": 3}])),
            path if path.starts_with("/schemas/ids/9") => return Some(stream),
            _ => ("404 Not Found", json!({"error_code": 40403, "message": "none"})),
        };
        let body = body.to_string();
        let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        None
    }

    fn record(value: Option<&[u8]>) -> FetchedRecord {
        FetchedRecord {
            topic: "t".to_owned(),
            partition: 0,
            offset: 5,
            timestamp_ms: 0,
            key: Some(vec![0xff]),
            value: value.map(<[u8]>::to_vec),
            headers: Vec::new(),
        }
    }

    #[tokio::test]
    async fn each_schema_is_asked_for_once() {
        let stub = Stub::start();
        let schemas = Schemas::new(stub.registry.clone());
        assert_eq!(reason(&schemas, 7), "schema id 7 was not looked up");
        for _ in 0..2 {
            schemas.look_up(numbers([7, 8, 7, 8])).await;
        }
        let known = schemas.get(SchemaId::Number(7)).unwrap();
        assert_eq!((known.schema.kind(), known.registered[0].version), ("AVRO", 3));
        assert_eq!(reason(&schemas, 8), "schema id 8 is not in the registry");
        // Of 7 where it is registered, too; of what is not there nothing more.
        assert_eq!(stub.asked(), 3);
        // Another page does not ask again.
        let next = Schemas::new(stub.registry.clone());
        next.look_up(numbers([7, 8])).await;
        assert_eq!((next.get(SchemaId::Number(7)).is_ok(), reason(&next, 8)), (true, reason(&schemas, 8)));
        assert_eq!(stub.asked(), 3);
    }

    #[tokio::test]
    async fn of_schemas_in_no_registry_only_so_many_are_asked_for() {
        let stub = Stub::start();
        let schemas = Schemas::new(stub.registry.clone());
        let unknown = 1_000_000..1_002_000;
        schemas.look_up(numbers(unknown.clone())).await;
        assert!(stub.asked() <= MOST_ABSENT + AT_ONCE, "{}", stub.asked());
        let (last, not_asked) = (unknown.end - 1, "was not asked for: too many before it were in no registry");
        assert_eq!(reason(&schemas, last), format!("schema id {last} {not_asked}"));
        // One that is there is found by the next page at the latest.
        let next = Schemas::new(stub.registry.clone());
        next.look_up(numbers([1_000_000, 7])).await;
        assert!(next.get(SchemaId::Number(7)).is_ok());
    }

    #[tokio::test]
    async fn a_schema_goes_by_its_guid_too() {
        let schemas = Schemas::new(Stub::start().registry);
        let (known, unknown) = (SchemaId::Guid(GUID), SchemaId::Guid(Uuid::nil()));
        schemas.look_up([known, unknown]).await;
        assert_eq!(schemas.get(known).unwrap().schema.kind(), "AVRO");
        let reason = schemas.get(unknown).unwrap_err().to_string();
        assert_eq!(reason, "schema GUID 00000000-0000-0000-0000-000000000000 is not in the registry");
    }

    #[tokio::test]
    async fn a_schema_comes_with_those_it_refers_to() {
        let schema = Stub::start().registry.schema(5).await.unwrap();
        assert_eq!(schema.full_name, "b.Pair");
        assert_eq!(schema.to_json(b"\x06ada").unwrap().0, json!({"one": {"who": "ada"}}));
        // And with those that these refer to.
        let schema = Stub::start().registry.schema(1).await.unwrap();
        assert_eq!(schema.to_json(b"\x06ada").unwrap().0, json!({"pair": {"one": {"who": "ada"}}}));
    }

    #[tokio::test]
    async fn what_is_not_there_is_told_from_who_does_not_answer() {
        let registry = Stub::start().registry;
        let error = async |id| registry.schema(id).await.unwrap_err();
        assert!(matches!(error(8).await, RegistryError::UnknownId { id: SchemaId::Number(8) }));
        assert!(matches!(error(2).await, RegistryError::Unusable { id: SchemaId::Number(2), .. }));
        for (id, expected) in [(4, 500), (3, 0)] {
            let error = error(id).await;
            assert!(matches!(error, RegistryError::Refused { status, .. } if status == expected), "{id}: {error}");
            assert!(error.is_retriable(), "{id}: {error}");
        }
        let nobody = Config::at("", "http://127.0.0.1:1".parse().unwrap());
        let error = Registry::new(&nobody).unwrap().schema(7).await.unwrap_err();
        assert!(matches!(error, RegistryError::Unreachable { .. }) && error.is_retriable(), "{error}");
    }

    #[tokio::test]
    async fn a_silent_registry_is_waited_for_once() {
        let schemas = Schemas::new(Stub::start().registry);
        let start = Instant::now();
        schemas.look_up(numbers([9, 7])).await;
        assert!(start.elapsed() >= PATIENCE);
        assert!(schemas.get(SchemaId::Number(7)).is_ok());
        assert_eq!(schemas.get(SchemaId::Number(9)).unwrap_err(), NoSchema::Late);
        let start = Instant::now();
        schemas.look_up(numbers([9, 10, 11])).await;
        assert!(start.elapsed() < PATIENCE, "it was waited for again");
        assert_eq!(schemas.get(SchemaId::Number(11)).unwrap_err(), NoSchema::Late);
    }

    #[tokio::test]
    async fn threads_that_may_wait_look_up_what_they_meet() {
        let stub = Stub::start();
        let (schemas, runtime) = (Schemas::new(stub.registry.clone()), Handle::current());
        let ask = move |id| schemas.get_blocking(SchemaId::Number(id), &runtime).map(|known| known.id);
        let found = tokio::task::spawn_blocking(move || [ask(7), ask(8), ask(8)]).await.unwrap();
        assert_eq!(found[0], Ok(SchemaId::Number(7)));
        assert!(found[1..].iter().all(Result::is_err));
        assert_eq!(stub.asked(), 3);
    }

    #[tokio::test]
    async fn records_are_described_as_far_as_they_go() {
        let schemas = Schemas::new(Stub::start().registry);
        schemas.look_up(numbers([2, 6, 7, 8])).await;
        let whole = describe(&record(Some(b"\0\0\0\0\x07\x06ada")), &schemas, &Showing::default());
        assert_eq!(
            serde_json::to_value(&whole).unwrap(),
            json!({
                "topic": "t", "partition": 0, "offset": 5, "position": "t:0:5",
                "timestamp": "1970-01-01T00:00:00.000Z", "timestamp_ms": 0, "key": "/w==", "key_encoding": "base64",
                "headers": [], "value": {"who": "ada"}, "value_encoding": "avro", "size": 10,
                "schema": {"id": 7, "type": "AVRO", "subject": "t-a.Seen", "version": 3, "name": "a.Seen"}
            })
        );
        let tombstone = describe(&record(None), &schemas, &Showing::default());
        assert_eq!((tombstone.value, tombstone.value_encoding, tombstone.error), (json!(null), None, None));
        for (value, reason) in [
            (&b"\xff{}"[..], "the value is no text, and names no schema"),
            (b"\0\0\0\0\x08", "schema id 8 is not in the registry"),
            (b"\0\0\0\0\x0a", "schema id 10 was not looked up"),
            (b"\0\0\0\0\x06\0", "the value is PROTOBUF of schema id 6, which is not read here"),
            (b"\0\0\0\0\x02\xff", "schema id 2 is JSON, and the value is no text"),
            (
                b"\0\0\0\0\x07\x06ad",
                "the value is not what schema id 7 says: who: the value ends at byte 3 within a string",
            ),
        ] {
            let message = describe(&record(Some(value)), &schemas, &Showing::default());
            assert_eq!(message.error.unwrap().reason, reason);
            assert_eq!((message.value, message.value_encoding), (json!(null), Some(Encoding::Base64)));
        }
        for (value, expected, encoding, kind) in [
            (&b"{\"a\": 1}"[..], json!({"a": 1}), Encoding::Json, None),
            (b"hello", json!("hello"), Encoding::Text, None),
            (b"", json!(""), Encoding::Text, None),
            (b"\0\0\0\0\x02{\"a\": 1}", json!({"a": 1}), Encoding::Json, Some("JSON")),
        ] {
            let message = describe(&record(Some(value)), &schemas, &Showing::default());
            assert_eq!((message.value, message.value_encoding), (expected, Some(encoding)));
            assert_eq!((message.schema.map(|schema| schema.r#type), message.error), (kind, None));
        }
    }
}
