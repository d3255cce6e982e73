//! A world to test in: an environment with topics and schemas, and the executable to run in it.
//!
//! All worlds stand on one stack, whose programs are compiled and warm after the first few. Most share it: each has a
//! prefix and a database of its own there, as environments on a cluster have. Tests that break parts, or look at a cluster
//! as a whole, have it to themselves meanwhile; what they broke is mended before the next world.

use foldstream_stack::{Options, Ports, Stack, workspace_root};
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use serde_json::Value;
use std::{
    fs::{self, File},
    io::Write,
    ops::Deref,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// Where people are registered, by those who wait until it is decided however slow the machine is.
pub(crate) const REGISTER: &str = "/api/persons?wait_ms=30000";

/// All services but one.
pub(crate) const WITHOUT_ACTIVITY: [&str; 4] = ["people-processor", "people-projection", "locations-projection", "api"];

/// How many partitions those fold that are projections.
const WITHOUT_ACTIVITY_FOLDED: usize = 18;

/// An environment, and how to reach it.
pub(crate) struct World {
    pub(crate) stack: Lease,
    pub(crate) http: String,
    prefix: String,
    database_url: String,
    /// Logs and whatever a test writes; kept where it fails.
    directory: PathBuf,
    /// How many partitions of topics the projections that run have, all together.
    folded: AtomicUsize,
    started: Instant,
    name: String,
}

impl World {
    /// An environment on the stack that is shared, with topics and schemas.
    pub(crate) fn start(name: &str) -> Self {
        let world = Self::on_the_shared_stack(name);
        world.set_up();
        world
    }

    /// The same with the stack to itself, for tests that break parts of it.
    pub(crate) fn start_alone(name: &str) -> Self {
        let world = Self::of(name, Lease::alone(), &format!("{name}."));
        world.set_up();
        world
    }

    /// The same without a prefix, for tests that look at a cluster as a whole.
    pub(crate) fn of_a_whole_cluster(name: &str) -> Self {
        let world = Self::of(name, Lease::alone(), "");
        world.set_up();
        world
    }

    /// A stack of its own with settings of the brokers, for tests that wait for what those do by themselves.
    pub(crate) fn start_alone_with(name: &str, broker_settings: &'static [&'static str]) -> Self {
        let options = Options { broker_settings, ..Options::temporary(&format!("{name}-stack")).unwrap() };
        let world = Self::of(name, Lease::own(options), "");
        world.set_up();
        world
    }

    /// An environment on the stack that is shared, still without topics.
    pub(crate) fn on_the_shared_stack(name: &str) -> Self {
        Self::of(name, Lease::shared(), &format!("{name}."))
    }

    fn of(name: &str, stack: Lease, prefix: &str) -> Self {
        let directory = workspace_root().join(".local/tests").join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        Self {
            http: format!("127.0.0.1:{}", Ports::free().unwrap().application),
            prefix: prefix.to_owned(),
            database_url: stack.create_database(&name.replace('-', "_")).unwrap(),
            directory,
            stack,
            folded: AtomicUsize::new(30),
            started: Instant::now(),
            name: name.to_owned(),
        }
    }

    fn set_up(&self) {
        self.succeeds(&["topics", "apply"]);
        self.succeeds(&["schemas", "register"]);
    }

    /// The name of a topic of ours on the cluster.
    pub(crate) fn topic(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// What clients of the engine need to know of this world.
    pub(crate) fn log(&self) -> foldstream_log::Config {
        foldstream_log::Config {
            prefix: self.prefix.parse().unwrap(),
            ..foldstream_log::Config::at(&self.stack.bootstrap(), self.stack.registry_url().parse().unwrap())
        }
    }

    pub(crate) fn database_url(&self) -> &str {
        &self.database_url
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The executable, set to this world.
    pub(crate) fn foldstream(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_foldstream"));
        without_settings(&mut command);
        command
            .args(arguments)
            .env("FOLDSTREAM_KAFKA_BROKERS", self.stack.bootstrap())
            .env("FOLDSTREAM_REGISTRY_URL", self.stack.registry_url())
            .env("FOLDSTREAM_PREFIX", &self.prefix)
            .env("FOLDSTREAM_DATABASE_URL", &self.database_url)
            .env("FOLDSTREAM_HTTP_LISTEN", &self.http)
            .env("FOLDSTREAM_DATA_DIR", foldstream_stack::cache().unwrap())
            .env("FOLDSTREAM_LOG_FORMAT", "human")
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn output(&self, arguments: &[&str]) -> Output {
        self.foldstream(arguments).output().unwrap()
    }

    /// Runs a command that must succeed; gives what it printed.
    pub(crate) fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        assert!(output.status.success(), "foldstream {arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Runs a command that must fail; gives what it said.
    pub(crate) fn fails(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        assert!(!output.status.success(), "foldstream {arguments:?} succeeded: {}", text(&output.stdout));
        text(&output.stderr)
    }

    /// Starts a command that goes on, its log in the world's directory.
    pub(crate) fn spawn(&self, name: &str, arguments: &[&str]) -> Running {
        let path = self.directory.join(format!("{name}.log"));
        let log = File::options().create(true).append(true).open(&path).unwrap();
        let child = self.foldstream(arguments).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        Running { child, log: path }
    }

    /// Every service in one process, up to readiness.
    pub(crate) fn run_all(&self) -> Running {
        self.run(&["all"])
    }

    /// All but `activity-projection`: what is wrong on `locations` is then the business of one projection only.
    pub(crate) fn run_without_activity(&self) -> Running {
        self.folded.store(WITHOUT_ACTIVITY_FOLDED, Ordering::Relaxed);
        self.run(&WITHOUT_ACTIVITY)
    }

    /// These services in one process, with any settings, up to readiness.
    pub(crate) fn run(&self, services: &[&str]) -> Running {
        let running = self.spawn("foldstream", &[&["run"], services].concat());
        until("every service is ready", Duration::from_secs(60), || {
            let ready = self.get("/health/ready");
            match ready {
                Ok(response) if response.status().is_success() => Ok(()),
                Ok(response) => Err(response.text().unwrap_or_default()),
                Err(error) => Err(error.to_string()),
            }
        });
        running
    }

    pub(crate) fn get(&self, path: &str) -> reqwest::Result<reqwest::blocking::Response> {
        reqwest::blocking::get(format!("http://{}{path}", self.http))
    }

    /// The JSON that a path answers with 200.
    pub(crate) fn json(&self, path: &str) -> Value {
        let response = self.get(path).unwrap();
        let status = response.status();
        let body = response.text().unwrap();
        assert!(status.is_success(), "{path}: {status} {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// What a query answers, a line a row.
    pub(crate) fn sql(&self, query: &str) -> String {
        sql(&self.database_url, query)
    }

    /// Runs one of the independent checks in `tests/oracle`; it must succeed.
    pub(crate) fn oracle(&self, script: &str, arguments: &[&str]) -> String {
        let output = self.script(script).args(arguments).output().unwrap();
        assert!(output.status.success(), "{script}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    /// The same, still to be run.
    pub(crate) fn script(&self, script: &str) -> Command {
        let mut command = Command::new(foldstream_stack::cache().unwrap().join("python/bin/python"));
        command
            .arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/oracle").join(script))
            .args([&self.stack.bootstrap(), &self.stack.registry_url(), &self.database_url])
            .env("FOLDSTREAM_PREFIX", &self.prefix);
        command
    }

    /// Every table against its topics, counted again independently; these positions were discarded by hand.
    pub(crate) fn recount(&self, discarded: &[&str]) -> String {
        let mut arguments = discarded.to_vec();
        if self.folded.load(Ordering::Relaxed) == WITHOUT_ACTIVITY_FOLDED {
            arguments.push("--without-activity");
        }
        self.oracle("recount.py", &arguments)
    }

    /// Appends bytes to a topic with a client that is not ours.
    pub(crate) fn append(&self, topic: &str, key: &str, value: &[u8]) {
        let file = self.directory.join("value.bin");
        fs::write(&file, value).unwrap();
        let appended = Command::new("kcat")
            .args(["-b", &self.stack.bootstrap(), "-t", &self.topic(topic), "-P", "-k", key])
            .args(["-X", "partitioner=murmur2_random"])
            .arg(&file)
            .status()
            .unwrap();
        assert!(appended.success());
    }

    /// The same text under each of these keys, by one client.
    pub(crate) fn append_to_each(&self, topic: &str, keys: &[&str], value: &str) {
        let file = self.directory.join("values.txt");
        fs::write(&file, keys.iter().map(|key| format!("{key}|{value}\n")).collect::<String>()).unwrap();
        let appended = Command::new("kcat")
            .args(["-b", &self.stack.bootstrap(), "-t", &self.topic(topic), "-P", "-K", "|", "-l"])
            .args(["-X", "partitioner=murmur2_random"])
            .arg(&file)
            .status()
            .unwrap();
        assert!(appended.success());
    }

    /// The key of the newest record of a topic.
    pub(crate) fn newest_key(&self, topic: &str) -> String {
        let newest = self.succeeds(&["messages", "--topic", topic, "--limit", "1", "--output", "json"]);
        let newest: Value = serde_json::from_str(&newest).unwrap();
        newest["key"].as_str().unwrap().to_owned()
    }

    /// Waits until every replica is in sync: only then may another broker be away.
    pub(crate) fn until_replicated(&self) {
        until("every replica is in sync", Duration::from_secs(120), || {
            let listed = self.oracle("admin.py", &["out-of-sync"]);
            if listed.trim() == "0" { Ok(()) } else { Err(listed) }
        });
    }

    /// Waits until every service has taken everything that is on its topics: processors first, they write more.
    pub(crate) fn until_caught_up(&self) {
        for (services, partitions) in [("processors", 6), ("projections", self.folded.load(Ordering::Relaxed))] {
            until(&format!("the {services} have caught up"), Duration::from_secs(120), || {
                let output = self.output(&[services, "status", "--output", "json"]);
                let status: Value = serde_json::from_slice(&output.stdout).map_err(|_| text(&output.stderr))?;
                let all = status.as_array().cloned().unwrap_or_default();
                let behind: Vec<_> = all.iter().filter(|partition| partition["lag_records"] != 0).collect();
                if behind.is_empty() && all.len() == partitions { Ok(()) } else { Err(format!("{behind:?}")) }
            });
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // What it costs: `dev/check/summary.py` tells, and `dev/README.md` says what a service may.
        let worlds = workspace_root().join(".local/tests/worlds.tsv");
        if let Ok(mut worlds) = File::options().create(true).append(true).open(worlds) {
            let _ = writeln!(worlds, "{:.1}\t{}", self.started.elapsed().as_secs_f64(), self.name);
        }
        let kept = std::thread::panicking() || std::env::var_os("FOLDSTREAM_KEEP").is_some_and(|value| value == "1");
        if kept {
            // A test's output is the only place this can go.
            eprintln!("the logs of this world are in {}", self.directory.display());
        }
        let alone = matches!(self.stack, Lease::Alone { .. });
        if alone && let Err(error) = self.stack.mend() {
            eprintln!("the stack could not be mended: {error}");
        }
        // What is left of a world would take the brokers' time from the next, or be taken for its own.
        let cleared = self.script("admin.py").arg("delete-all").status();
        if std::thread::panicking() {
            return;
        }
        assert!(cleared.unwrap().success());
        if !kept {
            let _ = fs::remove_dir_all(&self.directory);
        }
        if alone {
            self.until_replicated();
        }
    }
}

/// The stack, shared with other worlds or not.
pub(crate) enum Lease {
    Shared { stack: &'static Stack, _until_dropped: RwLockReadGuard<'static, ()> },
    Alone { stack: &'static Stack, _until_dropped: RwLockWriteGuard<'static, ()> },
    Own { stack: Box<Stack>, _until_dropped: RwLockWriteGuard<'static, ()> },
}

static LEASES: RwLock<()> = RwLock::new(());

impl Lease {
    /// Also to a test that has one already.
    pub(crate) fn shared() -> Self {
        let lease = LEASES.read_recursive();
        Self::Shared { stack: stack(), _until_dropped: lease }
    }

    fn alone() -> Self {
        let lease = LEASES.write();
        Self::Alone { stack: stack(), _until_dropped: lease }
    }

    /// Nobody works on the other one meanwhile: two are much for one machine.
    fn own(options: Options) -> Self {
        let lease = LEASES.write();
        Self::Own { stack: Box::new(start(options)), _until_dropped: lease }
    }
}

impl Deref for Lease {
    type Target = Stack;

    fn deref(&self) -> &Stack {
        match self {
            Self::Shared { stack, .. } | Self::Alone { stack, .. } => stack,
            Self::Own { stack, .. } => stack,
        }
    }
}

/// The stack that all share; started by the first of them. Its processes end with this one.
fn stack() -> &'static Stack {
    static STACK: OnceLock<Stack> = OnceLock::new();
    STACK.get_or_init(|| start(Options::temporary("shared").unwrap()))
}

fn start(options: Options) -> Stack {
    Stack::start(options).unwrap_or_else(|error| panic!("no stack: {error}"))
}

/// A process that goes on until it is stopped; killed when dropped.
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Another program, whose log is in this file.
    pub(crate) fn of(child: Child, log: PathBuf) -> Self {
        Self { child, log }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

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

    fn signal(&self, signal: &str) {
        let killed = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
    }

    /// Waits until the log has a line with this text.
    pub(crate) fn until_log_says(&self, text: &str, patience: Duration) {
        until(&format!("{} says {text:?}", self.log.display()), patience, || {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            if log.contains(text) { Ok(()) } else { Err(self.log_tail()) }
        });
    }

    /// SIGTERM; the process must end by itself, and well.
    pub(crate) fn terminate(mut self) {
        self.signal("-TERM");
        let status = self.wait(Duration::from_secs(30));
        assert!(status.success(), "{status}; its log ends with: {}", self.log_tail());
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self, patience: Duration) -> std::process::ExitStatus {
        let log = self.log.clone();
        let child = &mut self.child;
        until(&format!("{} ends", log.display()), patience, || {
            child.try_wait().unwrap().ok_or_else(|| "still running".to_owned())
        })
    }

    pub(crate) fn log(&self) -> &std::path::Path {
        &self.log
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub(crate) fn log_tail(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What is set for the tests, or by the caller for another stack, is no setting of what is tested.
pub(crate) fn without_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("FOLDSTREAM_")) {
        command.env_remove(name);
    }
}

/// How much of something a test does: in `make soak` so much, else the short form that every commit goes through.
pub(crate) fn so_much<T>(soak: T, short: T) -> T {
    if std::env::var_os("FOLDSTREAM_SOAK").is_some_and(|value| value == "1") { soak } else { short }
}

/// Looks until there is an answer; at the deadline says what was seen last.
pub(crate) fn until<T>(what: &str, patience: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + patience;
    let mut pause = Duration::from_millis(10);
    loop {
        match look() {
            Ok(answer) => return answer,
            Err(seen) if Instant::now() > deadline => panic!("not within {patience:?}: {what}; seen last: {seen}"),
            // Whoever looks often takes the time from what is looked for.
            Err(_) => std::thread::sleep(pause),
        }
        pause = (pause * 3 / 2).min(Duration::from_millis(250));
    }
}

/// What a query answers, a line a row.
pub(crate) fn sql(database_url: &str, query: &str) -> String {
    let output = Command::new("psql")
        .args([database_url, "--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-At", "-c", query])
        .output()
        .unwrap();
    assert!(output.status.success(), "{query}: {}", text(&output.stderr));
    text(&output.stdout).trim().to_owned()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The value of the last header of this name.
pub(crate) fn header_of<'a>(message: &'a Value, name: &str) -> &'a Value {
    let headers = message["headers"].as_array().unwrap();
    headers.iter().rfind(|header| header["name"] == name).map_or(&Value::Null, |header| &header["value"])
}
