//! The schemas of the records at hand: looked up first, all at the same time, then at hand without waiting.
//!
//! For the records of one page or one stretch of reading. What was not found is not asked for again, and once the
//! registry was late it is not asked at all, so records of many schemas wait for it only once. Make a new one for
//! the next page: what was found, the registry's client keeps.

use crate::registry::{Registered, Registry, RegistryError, WriterSchema};
use std::{
    collections::{BTreeSet, HashMap},
    error::Error,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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
/// How long reading may stop for one schema.
const PATIENCE: Duration = Duration::from_secs(2);

/// A schema and where it is registered: nowhere, when that could not be had.
#[derive(Debug, Clone)]
pub struct Known {
    pub writer: Arc<WriterSchema>,
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
    #[error("schema id {0} was not looked up")]
    NotLookedUp(u32),
}

/// What looking a schema up gave.
pub type LookedUp = Result<Known, NoSchema>;

/// Cheap to clone; clones share what they know.
#[derive(Debug, Clone)]
pub struct Schemas {
    registry: Registry,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    looked_up: HashMap<u32, LookedUp>,
    /// The registry did not answer in time.
    late: bool,
}

impl Schemas {
    #[must_use]
    pub fn new(registry: Registry) -> Self {
        Self { registry, state: Arc::default() }
    }

    /// Looks up those of these schemas that were not looked up before. Returns when all are known or known not to be
    /// had, at the latest after `patience`.
    pub async fn look_up(&self, ids: impl IntoIterator<Item = u32>, patience: Duration) {
        let (unknown, late) = {
            let state = self.state();
            let unknown = ids.into_iter().filter(|id| !state.looked_up.contains_key(id));
            (unknown.collect::<BTreeSet<u32>>(), state.late)
        };
        let deadline = Instant::now() + patience;
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        let mut questions = JoinSet::new();
        for id in unknown.iter().filter(|_| !late) {
            let (id, registry, turns) = (*id, self.registry.clone(), turns.clone());
            questions.spawn(async move {
                // Never closed, so this only waits.
                let _turn = turns.acquire().await;
                (id, ask(&registry, id).await)
            });
        }
        // A question that panicked has no answer, like one that is late.
        while let Ok(Some(answered)) = timeout_at(deadline, questions.join_next()).await {
            if let Ok((id, looked_up)) = answered {
                self.state().looked_up.insert(id, looked_up);
            }
        }
        let mut state = self.state();
        for id in unknown {
            if !state.looked_up.contains_key(&id) {
                state.late = true;
                // The schema itself may be known, and only where it is registered is not.
                let known = self.registry.cached(id).map(|writer| Known { writer, registered: Arc::default() });
                state.looked_up.insert(id, known.ok_or(NoSchema::Late));
            }
        }
    }

    /// What is known of a schema that was looked up.
    pub fn get(&self, id: u32) -> LookedUp {
        self.state().looked_up.get(&id).cloned().unwrap_or(Err(NoSchema::NotLookedUp(id)))
    }

    /// The same, looked up if it was not before. For threads that may wait: panics on one that runs tasks.
    pub fn get_blocking(&self, id: u32, runtime: &Handle) -> LookedUp {
        self.get(id).or_else(|error| match error {
            NoSchema::NotLookedUp(_) => {
                runtime.block_on(self.look_up([id], PATIENCE));
                self.get(id)
            }
            other => Err(other),
        })
    }

    /// The map behind the lock is whole after a panic elsewhere, so poisoning is no reason to stop.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn ask(registry: &Registry, id: u32) -> LookedUp {
    let (writer, registered) = tokio::join!(registry.schema(id), registry.registered(id));
    let writer = writer.map_err(|error| NoSchema::from(&error))?;
    Ok(Known { writer, registered: registered.unwrap_or_default().into() })
}

impl From<&RegistryError> for NoSchema {
    fn from(error: &RegistryError) -> Self {
        let reason = match error.source() {
            Some(cause) => format!("{error}: {cause}").into(),
            None => error.to_string().into(),
        };
        if error.is_retriable() { Self::Away(reason) } else { Self::Absent(reason) }
    }
}

impl NoSchema {
    /// Whether asking again soon may help.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        !matches!(self, Self::Absent(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Config, fetched::FetchedRecord, message::describe};
    use serde_json::json;
    use std::{
        io::{Read, Write},
        net::{TcpListener, TcpStream},
        sync::atomic::{AtomicUsize, Ordering},
        thread,
    };

    const SCHEMA: &str = r#"{"type": "record", "name": "a.Seen", "fields": [{"name": "who", "type": "string"}]}"#;

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
        let (status, body) = match request.split([' ', '?']).nth(1).unwrap() {
            "/schemas/ids/7" => ("200 OK", json!({"schema": SCHEMA})),
            "/schemas/ids/5" => (
                "200 OK",
                json!({"schema": r#"{"type": "record", "name": "b.Pair", "fields": [{"name": "one", "type": "a.Seen"}]}"#,
                    "references": [{"name": "a.Seen", "subject": "t-a.Seen", "version": 3}]}),
            ),
            "/subjects/t-a.Seen/versions/3" => ("200 OK", json!({"id": 7, "version": 3, "schema": SCHEMA})),
            "/schemas/ids/4" => ("500 Internal Server Error", json!({"error_code": 50001, "message": "no store"})),
            "/schemas/ids/3" => ("404 Not Found", json!("an ingress without a service behind it")),
            "/schemas/ids/2" => ("200 OK", json!({"schema": "{}", "schemaType": "JSON"})),
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
        assert_eq!(schemas.get(7).unwrap_err(), NoSchema::NotLookedUp(7));
        for _ in 0..2 {
            schemas.look_up([7, 8, 7, 8], Duration::from_secs(5)).await;
        }
        let known = schemas.get(7).unwrap();
        assert_eq!((known.writer.full_name.as_str(), known.registered[0].version), ("a.Seen", 3));
        assert_eq!(schemas.get(8).unwrap_err(), NoSchema::Absent("schema id 8 is not in the registry".into()));
        assert_eq!(stub.asked(), 4);
    }

    #[tokio::test]
    async fn a_schema_comes_with_those_it_refers_to() {
        let schema = Stub::start().registry.schema(5).await.unwrap();
        assert_eq!(schema.full_name, "b.Pair");
        assert_eq!(schema.to_json(b"\x06ada").unwrap(), json!({"one": {"who": "ada"}}));
    }

    #[tokio::test]
    async fn what_is_not_there_is_told_from_who_does_not_answer() {
        let registry = Stub::start().registry;
        let error = async |id| registry.schema(id).await.unwrap_err();
        assert!(matches!(error(8).await, RegistryError::UnknownId { id: 8 }));
        assert!(matches!(error(2).await, RegistryError::Unusable { id: 2, .. }));
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
        let patience = Duration::from_millis(300);
        let start = Instant::now();
        schemas.look_up([9, 7], patience).await;
        assert!(start.elapsed() >= patience);
        assert!(schemas.get(7).is_ok());
        assert_eq!(schemas.get(9).unwrap_err(), NoSchema::Late);
        let start = Instant::now();
        schemas.look_up([9, 10, 11], Duration::from_secs(60)).await;
        assert!(start.elapsed() < Duration::from_secs(5), "it was waited for again");
        assert_eq!(schemas.get(11).unwrap_err(), NoSchema::Late);
    }

    #[tokio::test]
    async fn threads_that_may_wait_look_up_what_they_meet() {
        let stub = Stub::start();
        let (schemas, runtime) = (Schemas::new(stub.registry.clone()), Handle::current());
        let ask = move |id| (schemas.get_blocking(id, &runtime).map(|known| known.writer.id), schemas.clone());
        let (found, _) = tokio::task::spawn_blocking({
            let ask = ask.clone();
            move || ask(7)
        })
        .await
        .unwrap();
        assert_eq!(found.unwrap(), 7);
        let twice = move || [ask(8).0, ask(8).0];
        let failed = tokio::task::spawn_blocking(twice).await.unwrap();
        assert!(failed.iter().all(Result::is_err));
        assert_eq!(stub.asked(), 4);
    }

    #[tokio::test]
    async fn records_are_described_as_far_as_they_go() {
        let schemas = Schemas::new(Stub::start().registry);
        schemas.look_up([7, 8], Duration::from_secs(5)).await;
        let whole = describe(&record(Some(b"\0\0\0\0\x07\x06ada")), &schemas);
        assert_eq!(
            serde_json::to_value(&whole).unwrap(),
            json!({
                "topic": "t", "partition": 0, "offset": 5, "position": "t:0:5", "timestamp": "1970-01-01T00:00:00.000Z",
                "key": "/w==", "key_encoding": "base64", "headers": {}, "value": {"who": "ada"}, "size": 10,
                "schema": {"id": 7, "subject": "t-a.Seen", "version": 3, "name": "a.Seen"}
            })
        );
        let tombstone = describe(&record(None), &schemas);
        assert_eq!((tombstone.value, tombstone.error, tombstone.size), (json!(null), None, 1));
        for (value, reason) in [
            (&b"{}"[..], "the record has no schema id: it starts with byte 123, not with 0"),
            (b"\0\0\0\0\x08", "schema id 8 is not in the registry"),
            (b"\0\0\0\0\x0a", "schema id 10 was not looked up"),
            (
                b"\0\0\0\0\x07\x06ad",
                "the value is not what schema 7 says: who: the value ends at byte 3 within a string",
            ),
        ] {
            let message = describe(&record(Some(value)), &schemas);
            assert_eq!(message.error.unwrap().reason, reason);
            assert_eq!(message.value, json!(null));
        }
    }
}
