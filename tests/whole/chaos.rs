//! Faults, one after the other, at random, under steady load; then independent programs count again.
//!
//! Every service runs in two instances behind one API. The schedule of the faults follows from a seed; how far it gets
//! follows from the time: `FOLDSTREAM_CHAOS_SECONDS` (20 in `make test`, a minute in `make soak`, `make chaos MINUTES=…` for more). What
//! must hold at the end: nothing that was acknowledged is lost, nothing is there twice, the events of a key are in
//! order, every command has exactly one outcome.

use crate::{
    harness::{Running, World, so_much, until},
    proxy::Proxy,
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use reqwest::{
    Method, StatusCode,
    blocking::{Client, Response},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

const WORKERS: u64 = 6;
/// Longer than a session in the group lasts.
const PAST_THE_SESSION: Duration = Duration::from_secs(12);
/// How long the load may take to find its way after the last fault.
const HEALING: Duration = Duration::from_secs(180);

/// What happens to whom.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// kill -9, then started again.
    Kill { instance: usize },
    /// SIGSTOP until the others have taken over, then SIGCONT.
    Freeze { instance: usize },
    /// kill -9 of one broker of the three, then started again.
    Broker { number: usize },
    /// The database, which is the registry's storage too, is stopped or killed, and started.
    Postgres { kill: bool },
    /// Every connection to the database is cut.
    Cut,
    /// Every packet to and from the database takes its time.
    Slow { delay_ms: u64 },
    /// kill -9 of the API.
    Api,
}

impl Fault {
    /// Drawn so that the quick ones come often; the first few are one of each kind.
    fn draw(number: usize, random: &mut StdRng) -> Self {
        let instance = random.random_range(0..2);
        let kind = if number < 7 { [0, 60, 75, 85, 88, 96, 98][number] } else { random.random_range(0..100) };
        match kind {
            0..60 => Self::Kill { instance },
            60..68 => Self::Freeze { instance },
            68..78 => Self::Broker { number: random.random_range(1..=3) },
            78..=80 | 85 => Self::Postgres { kill: random.random_bool(0.5) },
            81..=84 | 86..=94 => Self::Cut,
            95..98 => Self::Slow { delay_ms: random.random_range(20..200) },
            _ => Self::Api,
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Kill { .. } => "service killed",
            Self::Freeze { .. } => "service frozen",
            Self::Broker { .. } => "broker killed",
            Self::Postgres { .. } => "database restarted",
            Self::Cut => "connections cut",
            Self::Slow { .. } => "database slow",
            Self::Api => "API killed",
        }
    }
}

#[test]
fn whatever_fails_nothing_is_lost_and_nothing_happens_twice() {
    let seed: u64 = std::env::var("FOLDSTREAM_TEST_SEED").map_or(18_151_127, |seed| seed.parse().unwrap());
    let seconds = std::env::var("FOLDSTREAM_CHAOS_SECONDS").map_or(so_much(60, 20), |seconds| seconds.parse().unwrap());
    println!("FOLDSTREAM_TEST_SEED={seed} FOLDSTREAM_CHAOS_SECONDS={seconds}");
    let world = World::start_alone("chaos");
    let mut stage = Stage::set(&world);
    let load = Load::default();
    let mut faults: BTreeMap<&str, usize> = BTreeMap::new();
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (world, load) = (&world, &load);
            scope.spawn(move || load.put_on(world, seed ^ worker));
        }
        // Whatever panics below, the workers must end.
        let _done = EndOfLoad(&load);
        load.until_more(100);
        let mut random = StdRng::seed_from_u64(seed);
        let started = Instant::now();
        for number in 0.. {
            let (fault, calm) = (Fault::draw(number, &mut random), random.random_range(100..900));
            if started.elapsed() > Duration::from_secs(seconds) && number >= 7 {
                break;
            }
            println!("{:6.1} s: fault {number}: {fault:?}", started.elapsed().as_secs_f64());
            stage.suffer(fault);
            *faults.entry(fault.kind()).or_default() += 1;
            // Some calm, so that faults hit every phase of recovering from the one before.
            std::thread::sleep(Duration::from_millis(calm));
        }
        load.until_more(100);
    });
    world.until_caught_up();
    stage.until_the_registry_answers();
    println!("{} faults: {faults:?}", faults.values().sum::<usize>());
    println!("{}", world.oracle("decide.py", &[]));
    println!("{}", world.recount(&[]));
    let acknowledged = world.directory().join("acknowledged.txt");
    fs::write(&acknowledged, load.acknowledged.lock().unwrap().join("\n")).unwrap();
    println!("{}", world.oracle("acknowledged.py", &[acknowledged.to_str().unwrap()]));
    stage.strike();
}

/// The processes that faults happen to.
struct Stage<'a> {
    world: &'a World,
    proxy: Proxy,
    instances: Vec<Running>,
    api: Running,
}

impl<'a> Stage<'a> {
    fn set(world: &'a World) -> Self {
        let url: url::Url = world.database_url().parse().unwrap();
        let proxy = Proxy::to(url.port().unwrap());
        let instances = (0..2).map(|number| start_instance(world, &proxy, number)).collect();
        let api = start_api(world, &proxy);
        until("the API answers", Duration::from_secs(60), || {
            world.get("/health").map(drop).map_err(|error| error.to_string())
        });
        Self { world, proxy, instances, api }
    }

    fn suffer(&mut self, fault: Fault) {
        let stack = &self.world.stack;
        match fault {
            Fault::Kill { instance } => {
                self.instances[instance].kill_9();
                self.instances[instance] = start_instance(self.world, &self.proxy, instance);
            }
            Fault::Freeze { instance } => {
                self.instances[instance].freeze();
                std::thread::sleep(PAST_THE_SESSION);
                self.instances[instance].thaw();
            }
            Fault::Broker { number } => {
                stack.kill_broker(number).unwrap();
                stack.start_broker(number).unwrap();
                stack.wait_broker_ready(number).unwrap();
                self.world.until_replicated();
            }
            Fault::Postgres { kill } => {
                if kill {
                    stack.kill_postgres().unwrap()
                } else {
                    stack.stop_postgres().unwrap()
                }
                stack.start_postgres().unwrap();
            }
            Fault::Cut => drop(self.proxy.cut()),
            Fault::Slow { delay_ms } => {
                self.proxy.delay(Duration::from_millis(delay_ms));
                std::thread::sleep(Duration::from_secs(2));
                self.proxy.delay(Duration::ZERO);
            }
            Fault::Api => {
                self.api.kill_9();
                self.api = start_api(self.world, &self.proxy);
            }
        }
    }

    /// It notices late that its database is back.
    fn until_the_registry_answers(&self) {
        until("the registry answers", Duration::from_secs(120), || {
            let checked = self.world.output(&["schemas", "check"]);
            if checked.status.success() { Ok(()) } else { Err(crate::harness::text(&checked.stderr)) }
        });
    }

    fn strike(self) {
        self.instances.into_iter().chain([self.api]).for_each(Running::terminate);
    }
}

fn start_instance(world: &World, proxy: &Proxy, number: usize) -> Running {
    let name = format!("instance-{number}");
    let services = ["people-processor", "people-projection", "locations-projection", "activity-projection"];
    start(world, proxy, &name, &[&["run"], &services[..], &["--instance", &name]].concat())
}

fn start_api(world: &World, proxy: &Proxy) -> Running {
    start(world, proxy, "api", &["run", "api"])
}

fn start(world: &World, proxy: &Proxy, name: &str, arguments: &[&str]) -> Running {
    let mut url: url::Url = world.database_url().parse().unwrap();
    url.set_port(Some(proxy.port())).unwrap();
    world.spawn(name, &[arguments, &["--database-url", url.as_str()]].concat())
}

/// Clients that go on, and what was acknowledged to them.
#[derive(Default)]
struct Load {
    done: AtomicBool,
    answered: AtomicUsize,
    /// Event id and person id of locations.
    acknowledged: Mutex<Vec<String>>,
}

struct EndOfLoad<'a>(&'a Load);

impl Drop for EndOfLoad<'_> {
    fn drop(&mut self) {
        self.0.done.store(true, Ordering::Relaxed);
    }
}

impl Load {
    fn until_more(&self, more: usize) {
        let wanted = self.answered.load(Ordering::Relaxed) + more;
        until(&format!("{wanted} answers"), HEALING, || {
            let found = self.answered.load(Ordering::Relaxed);
            if found >= wanted { Ok(()) } else { Err(found.to_string()) }
        });
    }

    /// One client. What is a command is asked again, with the same key, until it is decided.
    fn put_on(&self, world: &World, seed: u64) {
        let client = Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
        let mut random = StdRng::seed_from_u64(seed);
        let mut people: Vec<String> = Vec::new();
        let url = |path: &str| format!("http://{}/api{path}", world.http);
        for number in 0.. {
            if self.done.load(Ordering::Relaxed) {
                return;
            }
            let name = format!("name {}", random.random_range(0..4));
            let person = people.choose(&mut random).cloned();
            let key = format!("{seed}-{number}");
            match (random.random_range(0..20), person) {
                (0..=3, _) | (_, None) => {
                    let body = json!({"first_name": name, "last_name": "x", "company_name": "y"});
                    if let Some(answer) = self.decide(&client, (Method::POST, url("/persons")), &body, &key) {
                        people.extend(answer["id"].as_str().map(str::to_owned));
                    }
                }
                (4..=7, Some(id)) => {
                    let body = json!({"first_name": name});
                    self.decide(&client, (Method::PATCH, url(&format!("/persons/{id}"))), &body, &key);
                }
                (8, Some(id)) => {
                    people.retain(|other| *other != id);
                    self.decide(&client, (Method::DELETE, url(&format!("/persons/{id}"))), &Value::Null, &key);
                }
                (_, Some(id)) => self.report(&client, &url("/locations"), &id, &mut random),
            }
            // A steady load, not the most there can be.
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn decide(&self, client: &Client, (method, url): (Method, String), body: &Value, key: &str) -> Option<Value> {
        while !self.done.load(Ordering::Relaxed) {
            let request = client.request(method.clone(), &url).header("idempotency-key", key).json(body);
            // No answer, none in time, or one that it is not decided yet.
            let Some(answer) = request.send().ok().filter(is_decided) else {
                std::thread::sleep(Duration::from_millis(50));
                continue;
            };
            let status = answer.status();
            assert!(status.is_success(), "{method} {url}: {status} {}", answer.text().unwrap_or_default());
            self.answered.fetch_add(1, Ordering::Relaxed);
            return Some(answer.json().unwrap_or(Value::Null));
        }
        None
    }

    fn report(&self, client: &Client, url: &str, person_id: &str, random: &mut StdRng) {
        let location = json!({
            "person_id": person_id,
            "latitude": random.random_range(-89.0..89.0),
            "longitude": random.random_range(-179.0..179.0),
            "creation_time": chrono::Utc::now().to_rfc3339(),
        });
        let Ok(answer) = client.post(url).json(&location).send() else { return };
        let status = answer.status();
        if status.is_server_error() {
            return;
        }
        // The person is known and not erased, so nothing but a fault keeps the location from being taken.
        assert!(status == StatusCode::CREATED, "a location is refused: {status} {}", answer.text().unwrap_or_default());
        let answer: Value = answer.json().unwrap();
        let line = format!("{} {person_id}", answer["id"].as_str().unwrap());
        self.acknowledged.lock().unwrap().push(line);
        self.answered.fetch_add(1, Ordering::Relaxed);
    }
}

fn is_decided(answer: &Response) -> bool {
    let status = answer.status();
    status != StatusCode::ACCEPTED && !status.is_server_error()
}
