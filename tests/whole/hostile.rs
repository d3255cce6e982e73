//! Random hostile reads and writes at the API's doors, by `tests/oracle/hostile.py`: it stays alive, answers in bounded time, and
//! holds no more memory than it may. What somebody else meets meanwhile is reported.
//!
//! Memory is the peak of the process' resident set, as /proc tells it: no limit kills it, so that what it would have taken is
//! seen.

use crate::harness::{World, so_much, until};
use std::time::Duration;

const MEMORY_MB: &str = "400";

#[test]
fn the_api_stays_within_its_memory_whatever_is_asked() {
    let world = World::start("hostile");
    let others = world.spawn("others", &["run", "people-processor", "people-projection", "locations-projection"]);
    let api = world.spawn("api", &["run", "api", "--client-header", "x-client"]);
    until("the API answers", Duration::from_secs(60), || match world.get("/api/persons?limit=1") {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(answer.text().unwrap_or_default()),
        Err(error) => Err(error.to_string()),
    });
    let pid = api.pid().to_string();
    println!("{}", world.oracle("hostile.py", &[&world.http, &pid, so_much("60", "8"), MEMORY_MB]));
    api.terminate();
    others.terminate();
}
