//! Looking into topics: what `/messages` shows is what a reader of the whole log would show, by `tests/oracle/looking.py`.
//!
//! The oracle makes topics at random, reads them by brute force with a client that is not ours, and compares. It may ask
//! for the API to be killed and started anew, so that nothing it is told can come from what a process remembers, for a
//! broker to be killed, and for the registry to be away. The seed is printed; `FOLDSTREAM_LOOKING_SEED` sets it,
//! `FOLDSTREAM_LOOKING_ROUNDS` has more topics made.

use crate::harness::{Running, World, so_much, until};
use std::{
    env,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

#[test]
fn looking_agrees_with_brute_force() {
    let world = World::of_a_whole_cluster("looking");
    // What every commit goes through is the same each time; what is found in `make soak` is printed with its seed.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let seed = env::var("FOLDSTREAM_LOOKING_SEED").unwrap_or_else(|_| so_much(now, 1_795_797_950).to_string());
    let rounds = env::var("FOLDSTREAM_LOOKING_ROUNDS").unwrap_or_else(|_| "1".to_owned());
    // What it says is read line by line; what goes wrong with it goes where the test's own errors go.
    let mut oracle = world.script("looking.py");
    oracle.args([&world.http, &seed, &rounds]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut oracle = oracle.spawn().unwrap();
    let mut answers = oracle.stdin.take().unwrap();
    let mut api = run_api(&world, &[]);
    for line in BufReader::new(oracle.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["restart", ref settings @ ..] => {
                api.kill_9();
                api = run_api(&world, settings);
            }
            ["freeze-registry"] => freeze_registry(&world),
            ["kill-registry"] => world.stack.kill_registry().unwrap(),
            ["start-registry"] => world.stack.start_registry().unwrap(),
            ["kill-broker", number] => world.stack.kill_broker(number.parse().unwrap()).unwrap(),
            ["start-broker", number] => world.stack.start_broker(number.parse().unwrap()).unwrap(),
            _ => {
                println!("{line}");
                continue;
            }
        }
        writeln!(answers, "ready").unwrap();
    }
    let status = oracle.wait().unwrap();
    assert!(status.success(), "seed {seed}: {status}; the API's log ends with: {}", api.log_tail());
    api.terminate();
}

fn freeze_registry(world: &World) {
    let pid = world.stack.registry_pid().unwrap().unwrap().to_string();
    assert!(Command::new("kill").args(["-STOP", &pid]).status().unwrap().success());
}

/// The API alone, up to readiness.
fn run_api(world: &World, settings: &[&str]) -> Running {
    let api = world.spawn("api", &[&["run", "api"], settings].concat());
    until("the API answers", Duration::from_secs(30), || match world.get("/health/ready") {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(answer.text().unwrap_or_default()),
        Err(error) => Err(error.to_string()),
    });
    api
}
