//! Starts a real stack, looks at it with tools of others, breaks it, and sees that nothing of it is left.
#![expect(clippy::expect_used, reason = "a helper that cannot do its work fails its test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use foldstream_stack::{Options, Parts, Stack, wait};

#[test]
fn a_stack_serves_survives_and_ends() {
    let begin = Instant::now();
    let stack = Stack::start(Options::temporary("stack").expect("free ports")).expect("the stack starts");
    eprintln!("ready after {:?}", begin.elapsed());
    let directory = stack.directory().to_owned();
    let places = places_of(&directory);

    let listing = output("kcat", &["-b", &stack.bootstrap(), "-L"]);
    assert!(listing.contains(" 3 brokers:"), "{listing}");

    let version = output("psql", &[&stack.database_url(), "-tAc", "select postgis_version()"]);
    assert!(version.starts_with('3'), "{version}");
    let own = stack.create_database("own").expect("a database of one's own");
    let version = output("psql", &[&own, "-tAc", "select postgis_version()"]);
    assert!(version.starts_with('3'), "{version}");

    let subjects = output("curl", &["-sf", &format!("{}/subjects", stack.registry_url())]);
    assert_eq!(subjects, "[]");

    stack.kill_broker(2).expect("broker 2 dies");
    assert_eq!(stack.broker_pid(2).expect("broker 2 is known"), None);
    let begin = Instant::now();
    stack.start_broker(2).expect("broker 2 starts");
    stack.wait_broker_ready(2).expect("broker 2 is ready");
    eprintln!("broker 2 is back after {:?}", begin.elapsed());
    let listing = output("kcat", &["-b", &stack.bootstrap(), "-L"]);
    assert!(listing.contains(" 3 brokers:"), "{listing}");

    stack.restart_postgres().expect("PostgreSQL restarts");
    let version = output("psql", &[&stack.database_url(), "-tAc", "select postgis_version()"]);
    assert!(version.starts_with('3'), "{version}");

    assert!(processes_in(&places).len() > 5, "{:?}", processes_in(&places));
    drop(stack);
    assert_no_process_in(&places);
    assert!(!directory.exists(), "{} is left", directory.display());
}

#[test]
fn a_stack_ends_with_the_process_that_started_it() {
    // This binary runs itself as the process that dies.
    let me = std::env::current_exe().expect("this binary");
    let mut owner = Command::new(me)
        .args(["--exact", "owner_that_waits_to_be_killed", "--ignored", "--nocapture"])
        .env("FOLDSTREAM_STACK_TEST_OWNER", "1")
        .spawn()
        .expect("the owner starts");
    let directory = foldstream_stack::workspace_root().join(format!(".local/tests/owner-{}", owner.id()));
    let up = wait::until_true(Duration::from_secs(120), || directory.join("ready").exists());
    assert!(up, "the owner did not bring up its stack");
    let places = places_of(&directory);
    assert!(!processes_in(&places).is_empty());
    owner.kill().expect("the owner dies by kill -9");
    owner.wait().expect("the owner is reaped");
    assert_no_process_in(&places);
    // Its directory stays for the next stack of that name to remove.
    let next = Stack::start(postgres_only("owner")).expect("the next stack of that name starts");
    assert!(!directory.exists(), "{} is left", directory.display());
    drop(next);
}

#[test]
#[ignore = "run by a_stack_ends_with_the_process_that_started_it"]
fn owner_that_waits_to_be_killed() {
    if std::env::var_os("FOLDSTREAM_STACK_TEST_OWNER").is_none() {
        return;
    }
    let stack = Stack::start(postgres_only("owner")).expect("the stack starts");
    fs::write(stack.directory().join("ready"), "").expect("a file");
    wait::until_true(Duration::from_secs(60), || false);
}

#[test]
fn a_test_that_panics_leaves_its_logs_and_no_process() {
    let options = postgres_only("panics");
    let directory = options.directory.clone();
    let test = std::thread::spawn({
        let options = options.clone();
        move || {
            let stack = Stack::start(options).expect("the stack starts");
            let places = places_of(stack.directory());
            assert!(processes_in(&places).is_empty(), "this panic is wanted");
        }
    });
    test.join().expect_err("the test panics");
    assert!(directory.join("logs/postgres.log").exists());
    let kept = Stack::describe(options).expect("its files are there");
    assert_no_process_in(&places_of(&directory));
    kept.remove_data().expect("they are removed");
    assert!(!directory.exists(), "{} is left", directory.display());
}

#[test]
fn a_taken_port_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let mut options = postgres_only("taken");
    options.ports.postgres = port;
    let error = Stack::start(options).expect_err("the port is taken").to_string();
    let expected = format!("port {port} of postgres is taken by process {}", std::process::id());
    assert!(error.starts_with(&expected), "{error}");
}

fn postgres_only(name: &str) -> Options {
    Options::temporary(name).expect("free ports").with_parts(Parts::POSTGRES)
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect("the program starts");
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn assert_no_process_in(places: &[PathBuf]) {
    // Helpers of the database server notice its death on their own.
    let gone = wait::until_true(Duration::from_secs(10), || processes_in(places).is_empty());
    assert!(gone, "left: {:?}", processes_in(places));
}

/// The directory of a stack and that of its database, which may lie elsewhere.
fn places_of(directory: &Path) -> Vec<PathBuf> {
    let data = fs::canonicalize(directory.join("data/postgres")).expect("a data directory");
    vec![directory.to_owned(), data]
}

/// Every process that works in these places or names one in its command line, children of the server included.
fn processes_in(places: &[PathBuf]) -> Vec<String> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let processes = entries.filter_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let command = fs::read(entry.path().join("cmdline")).ok()?;
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        let works_in = fs::read_link(entry.path().join("cwd")).ok()?;
        let belongs = |place: &PathBuf| command.contains(&*place.to_string_lossy()) || works_in.starts_with(place);
        (pid != std::process::id() && places.iter().any(belongs)).then(|| format!("{pid} {command}"))
    });
    processes.collect()
}
