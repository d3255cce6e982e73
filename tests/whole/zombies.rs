//! Processes that were frozen past their session and woke up: their commits are refused.
//!
//! Frozen with a batch in hand, so that there is something to refuse: a projection while its transaction waits for a table, a
//! decider in the midst of its transactions. Without the condition on the position in `checkpoint/advance.sql` the first
//! test fails (`make mutations`). The fence of a decider is the brokers' own and cannot be taken out here; that it is in
//! the transaction of the facts is what `deciding` notices.

use crate::harness::{World, until};
use reqwest::blocking::Client;
use serde_json::json;
use std::{
    io::Write,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

#[test]
fn a_frozen_projection_that_wakes_up_is_refused() {
    let world = World::start("zombie-projection");
    let start = |instance: &str| world.spawn(instance, &["run", "locations-projection", "--instance", instance]);
    let zombie = start("zombie");
    world.succeeds(&["replay", "aircraft", "--limit", "3000"]);
    let folded = |rows: i64| {
        until(&format!("{rows} rows are folded"), Duration::from_secs(90), || {
            let found: i64 = world.sql("select count(*) from location_history").parse().unwrap();
            if found == rows { Ok(()) } else { Err(found.to_string()) }
        });
    };
    folded(3000);

    // The batch is in hand where its transaction waits for the table. What waits is ended before the table is free, or the
    // server would go on with it while the process sleeps.
    let table = Locked::hold(&world, "location_history");
    let key = world.newest_key("locations");
    world.oracle("append_copy.py", &["locations", &key]);
    const WAITING: &str = "from pg_stat_activity where datname = current_database() and application_name = 'foldstream'
                           and wait_event_type = 'Lock'";
    until("the projection's transaction waits for the table", Duration::from_secs(60), || {
        let waiting = world.sql(&format!("select count(*) {WAITING}"));
        if waiting == "1" { Ok(()) } else { Err(waiting) }
    });
    zombie.freeze();
    world.sql(&format!("select pg_terminate_backend(pid) {WAITING}"));
    table.release();
    let heir = start("heir");
    folded(3001);

    zombie.thaw();
    zombie.until_log_says("another owner is ahead", Duration::from_secs(60));
    folded(3001);
    println!("{}", world.oracle("recount.py", &["--without-activity"]));
    zombie.terminate();
    heir.terminate();
}

#[test]
fn a_frozen_decider_that_wakes_up_is_refused() {
    let world = World::start("zombie-decider");
    let front =
        world.spawn("front", &["run", "api", "people-projection", "locations-projection", "activity-projection"]);
    let start = |instance: &str| world.spawn(instance, &["run", "people-processor", "--instance", instance]);
    let zombie = start("zombie");
    zombie.until_log_says("state restored", Duration::from_secs(60));
    let (done, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| register(&world, &done, &sent));
        }
        let until_sent = |more: usize| {
            let wanted = sent.load(Ordering::Relaxed) + more;
            until(&format!("{wanted} commands were sent"), Duration::from_secs(120), || {
                let found = sent.load(Ordering::Relaxed);
                if found >= wanted { Ok(()) } else { Err(found.to_string()) }
            });
        };
        until_sent(500);
        zombie.freeze();
        let heir = start("heir");
        // The session of the frozen one has to end first.
        heir.until_log_says("state restored", Duration::from_secs(90));
        until_sent(500);
        zombie.thaw();
        zombie.until_log_says("starting again from the stored positions", Duration::from_secs(90));
        until_sent(500);
        done.store(true, Ordering::Relaxed);
        world.until_caught_up();
        heir.terminate();
    });
    println!("{}", world.oracle("decide.py", &[]));
    zombie.terminate();
    front.terminate();
}

/// A table that nobody else can use.
struct Locked {
    session: Child,
}

impl Locked {
    fn hold(world: &World, table: &str) -> Self {
        let mut session = Command::new("psql")
            .args([world.database_url(), "--no-psqlrc", "-v", "ON_ERROR_STOP=1"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let statements = format!("begin;\nlock table {table} in access exclusive mode;\n");
        session.stdin.as_mut().unwrap().write_all(statements.as_bytes()).unwrap();
        until(&format!("{table} is locked"), Duration::from_secs(60), || {
            let held = world.sql(&format!(
                "select count(*) from pg_locks where relation = '{table}'::regclass and mode = 'AccessExclusiveLock' and granted"
            ));
            if held == "1" { Ok(()) } else { Err(held) }
        });
        Self { session }
    }

    /// Lets go of it; returns when it is free.
    fn release(mut self) {
        drop(self.session.stdin.take());
        assert!(self.session.wait().unwrap().success());
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        let _ = self.session.kill();
        let _ = self.session.wait();
    }
}

/// Registers people without waiting for the outcomes, until it is enough.
fn register(world: &World, done: &AtomicBool, sent: &AtomicUsize) {
    let client = Client::new();
    let person = json!({"first_name": "a", "last_name": "b", "company_name": "c"});
    while !done.load(Ordering::Relaxed) {
        let request = client.post(format!("http://{}/api/persons", world.http)).header("prefer", "respond-async");
        match request.json(&person).send().map(|answer| answer.status().as_u16()) {
            Ok(202) => drop(sent.fetch_add(1, Ordering::Relaxed)),
            // Starting, or the log is away for a moment.
            Ok(503) | Err(_) => std::thread::yield_now(),
            Ok(other) => panic!("{other}"),
        }
    }
}
