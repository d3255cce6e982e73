//! The stack that all tests of this binary share, and services on it: in this process, or in one that can be killed.

use crate::{
    courier::Courier,
    events::{Parcel, TOPICS, record_types},
    lockers::Lockers,
    outside::Outside,
    stops::Stops,
    tickets::Tickets,
    trips::Trips,
    visits::Visits,
};
use foldstream_browse::Brokers;
use foldstream_fold::{Service, run_decider, run_effect, run_keyed, run_process_manager, run_rekey};
use foldstream_log::{Cluster, Config, Registry, Writer};
use foldstream_log::{DEAD_LETTERS, DeadLettersEvent, Position, TopicEvent};
use foldstream_stack::{Options, Stack};
use foldstream_telemetry::health::Health;
use integer_encoding::VarInt;
use std::{
    collections::BTreeMap,
    fs::File,
    num::NonZeroUsize,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const ROLE: &str = "FOLDSTREAM_TEST_ROLE";
const BROKERS: &str = "FOLDSTREAM_TEST_BROKERS";
const REGISTRY: &str = "FOLDSTREAM_TEST_REGISTRY";
const INSTANCE: &str = "FOLDSTREAM_TEST_INSTANCE";
const OUTSIDE: &str = "FOLDSTREAM_TEST_OUTSIDE";

pub(crate) struct World {
    stack: Stack,
    runtime: Runtime,
    writer: Writer,
    pub(crate) outside: Outside,
    /// Whoever runs the courier: there is one group of that name, and one outside.
    courier: Mutex<()>,
}

/// The world of these tests, made by the first that asks for it. Its processes end with this one.
pub(crate) fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let stack =
            Stack::start(Options::temporary("fold").unwrap()).unwrap_or_else(|error| panic!("no stack: {error}"));
        let wire = config(&stack.bootstrap(), &stack.registry_url(), "tests");
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let registry = Registry::new(&wire).unwrap();
        let topics = [&[&DEAD_LETTERS], TOPICS].concat();
        let records = [DeadLettersEvent::record_types(), record_types()];
        runtime.block_on(async {
            Cluster::connect(&wire).unwrap().apply(&topics).await.unwrap();
            for record in records.concat() {
                registry.register(record).await.unwrap();
            }
        });
        let writer = Writer::connect(&wire, &registry, "tests").unwrap();
        World { stack, runtime, writer, outside: Outside::open(), courier: Mutex::new(()) }
    })
}

fn config(brokers: &str, registry: &str, instance: &str) -> Config {
    Config { instance: instance.to_owned(), ..Config::at(brokers, registry.parse().unwrap()) }
}

fn event(parcel: &str, text: &str) -> Parcel {
    let (parcel, text) = (parcel.to_owned(), text.to_owned());
    Parcel { event_id: Uuid::new_v4(), parcel, occurred_at: chrono::Utc::now(), text }
}

/// A record as an independent client prints it.
#[derive(Debug, Clone)]
pub(crate) struct Printed {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) value: Vec<u8>,
}

impl Printed {
    pub(crate) fn position(&self, topic: &str) -> String {
        format!("{topic}:{}:{}", self.partition, self.offset)
    }

    /// The id of its event.
    pub(crate) fn id(&self) -> String {
        avro_text(&mut &self.value[5..])
    }

    /// When its event happened.
    pub(crate) fn occurred_at_ms(&self) -> i64 {
        let mut rest = &self.value[5..];
        let _id_and_key = (avro_text(&mut rest), avro_text(&mut rest));
        avro_long(&mut rest).div_euclid(1000)
    }

    /// The text of an event of the tests' own.
    pub(crate) fn text(&self) -> String {
        let mut rest = &self.value[5..];
        let _id_key_and_time = (avro_text(&mut rest), avro_text(&mut rest), avro_long(&mut rest));
        avro_text(&mut rest)
    }

    /// What was decided, of an outcome.
    pub(crate) fn decision(&self) -> String {
        let mut rest = &self.value[5..];
        let _id_key_and_time = (avro_text(&mut rest), avro_text(&mut rest), avro_long(&mut rest));
        let _command_and_hash = [avro_text(&mut rest), avro_text(&mut rest), avro_text(&mut rest)];
        avro_text(&mut rest)
    }
}

fn avro_long(rest: &mut &[u8]) -> i64 {
    let (number, size) = i64::decode_var(rest).unwrap();
    *rest = &rest[size..];
    number
}

fn avro_text(rest: &mut &[u8]) -> String {
    let length = usize::try_from(avro_long(rest)).unwrap();
    let (text, behind) = rest.split_at(length);
    *rest = behind;
    String::from_utf8(text.to_vec()).unwrap()
}

impl World {
    /// The right to run the courier.
    pub(crate) fn courier(&self) -> MutexGuard<'_, ()> {
        self.courier.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a parcel; says where it lies.
    pub(crate) fn send(&self, parcel: &str, text: &str) -> Position {
        self.runtime.block_on(self.writer.append(&event(parcel, text))).unwrap()
    }

    /// Appends a parcel of each of these names, all at once.
    pub(crate) fn send_all(&self, parcels: impl IntoIterator<Item = String>, text: &'static str) -> Vec<Position> {
        let append = |parcel: String| {
            let writer = self.writer.clone();
            async move { writer.append(&event(&parcel, text)).await.unwrap() }
        };
        self.runtime.block_on(async { parcels.into_iter().map(append).collect::<JoinSet<_>>().join_all().await })
    }

    /// Appends events, a few at once: they lie about in their order.
    pub(crate) fn append_in_order<E: TopicEvent>(&self, events: Vec<E>) {
        let mut events = events.into_iter().peekable();
        while events.peek().is_some() {
            self.append_at_once(events.by_ref().take(10).collect());
        }
    }

    /// Appends events all at once.
    pub(crate) fn append_at_once<E: TopicEvent>(&self, events: Vec<E>) {
        let append = |event: E| {
            let writer = self.writer.clone();
            async move { writer.append(&event).await.unwrap() }
        };
        self.runtime.block_on(async { events.into_iter().map(append).collect::<JoinSet<_>>().join_all().await });
    }

    /// Appends bytes to a topic with a client that is not ours.
    pub(crate) fn append(&self, topic: &str, key: &str, value: &[u8], headers: &[(&str, &str)]) {
        let file = self.stack.directory().join("value.bin");
        std::fs::write(&file, value).unwrap();
        let mut kcat = Command::new("kcat");
        kcat.args(["-b", &self.stack.bootstrap(), "-t", topic, "-P", "-k", key, "-X", "partitioner=murmur2_random"]);
        for (name, value) in headers {
            kcat.args(["-H", &format!("{name}={value}")]);
        }
        assert!(kcat.arg(&file).status().unwrap().success());
    }

    /// All committed records of a topic, as a client that is not ours reads them.
    pub(crate) fn read(&self, topic: &str) -> Vec<Printed> {
        let read = Command::new("kcat")
            .args(["-b", &self.stack.bootstrap(), "-t", topic, "-C", "-o", "beginning", "-e", "-q"])
            .args(["-X", "isolation.level=read_committed", "-f", "%p\n%o\n%k\n%h\n%S\n%s"])
            .output()
            .unwrap();
        assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
        let (mut rest, mut records) = (read.stdout.as_slice(), Vec::new());
        while !rest.is_empty() {
            let mut line = || {
                let end = rest.iter().position(|byte| *byte == b'\n').unwrap();
                let line = String::from_utf8_lossy(&rest[..end]).into_owned();
                rest = &rest[end + 1..];
                line
            };
            let [partition, offset, key, headers, size] = std::array::from_fn(|_| line());
            let size = size.parse::<usize>().unwrap_or(0);
            let header = |header: &str| header.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
            records.push(Printed {
                partition: partition.parse().unwrap(),
                offset: offset.parse().unwrap(),
                key,
                headers: headers.split(',').filter_map(header).collect(),
                value: rest[..size].to_vec(),
            });
            rest = &rest[size..];
        }
        records
    }

    /// Starts this executable again in a role.
    pub(crate) fn spawn(&self, role: &str, instance: &str) -> Running {
        let log = self.stack.directory().join(format!("{role}-{instance}.log"));
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "world::in_a_role", "--nocapture"])
            .env(ROLE, role)
            .env(BROKERS, self.stack.bootstrap())
            .env(REGISTRY, self.stack.registry_url())
            .env(INSTANCE, instance)
            .env(OUTSIDE, self.outside.address.to_string())
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Running { child, log }
    }
}

/// A process in a role; killed when dropped.
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// SIGKILL: no handler runs, nothing is flushed.
    pub(crate) fn kill_9(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGSTOP: it does nothing more and does not know it.
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    /// SIGCONT: it goes on as if nothing had been.
    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    pub(crate) fn until_log_says(&self, text: &str) {
        until(&format!("{} says {text:?}", self.log.display()), || {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            if log.contains(text) { Ok(()) } else { Err(lines[lines.len().saturating_sub(10)..].join("\n")) }
        });
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks until there is an answer; at the deadline says what was seen last.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match look() {
            Ok(answer) => return answer,
            Err(seen) if Instant::now() > deadline => panic!("not in time: {what}; seen last: {seen}"),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Not a test of its own: what a process does that another test has started.
#[test]
fn in_a_role() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let set = |name: &str| std::env::var(name).unwrap();
    tracing_subscriber::fmt().with_ansi(false).with_max_level(tracing::Level::INFO).init();
    let wire = config(&set(BROKERS), &set(REGISTRY), &set(INSTANCE));
    let service = Service {
        registry: Registry::new(&wire).unwrap(),
        brokers: Brokers::new(&wire),
        component: Health::new().component(&role),
        shutdown: CancellationToken::new(),
        wire,
    };
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    match role.as_str() {
        "courier" => {
            let courier = Courier::to(set(OUTSIDE).parse().unwrap());
            runtime.block_on(run_effect(service, courier, NonZeroUsize::new(8).unwrap()));
        }
        "lockers" => runtime.block_on(run_decider::<Lockers>(service)),
        "tickets" => runtime.block_on(run_decider::<Tickets>(service)),
        "trips" => runtime.block_on(run_process_manager::<Trips>(service)),
        "stops" => runtime.block_on(run_rekey::<Stops>(service)),
        "visits" => runtime.block_on(run_keyed::<Visits>(service)),
        _ => panic!("no such role: {role}"),
    }
}
