//! Nothing lost, nothing doubled: processes and a broker are killed while a replay runs at full speed, then an
//! independent recount holds every table against its topic, row by row.
//!
//! The moments of the kills come from how much has been folded, spread over the whole replay, so that they fall into
//! every phase of the loop: joining, folding, committing.

use crate::harness::{World, so_much, until};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::time::Duration;

/// All there are: 284,505.
fn positions() -> i64 {
    so_much(284_505, 60_000)
}

const KILLS: i64 = 10;

#[test]
fn killed_ten_times_during_a_replay_every_row_is_there_once() {
    let world = World::start("kill-process");
    let seed: u64 = std::env::var("FOLDSTREAM_TEST_SEED").map_or(20_211_007, |seed| seed.parse().unwrap());
    println!("FOLDSTREAM_TEST_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let limit = positions().to_string();
    let all = ["replay", "aircraft", "--speed", "max", "--limit", &limit];

    let mut services = world.run_all();
    let mut replay = world.spawn("replay", &all);
    for kill in 0..KILLS {
        // Somewhere in this tenth of the data set.
        let moment = positions() * kill / KILLS + random.random_range(0..positions() / KILLS);
        until("the fold has come to the moment of the kill", Duration::from_secs(120), || {
            let folded: i64 = world.sql("select count(*) from location_history").parse().unwrap();
            if folded >= moment { Ok(()) } else { Err(format!("{folded} of {moment} rows")) }
        });
        services.kill_9();
        services = world.spawn("foldstream", &["run", "all"]);
        // The replay is killed as well, every third time.
        if kill % 3 == 2 && !replay.has_ended() {
            replay.kill_9();
            replay = world.spawn("replay", &all);
        }
    }
    let ended = replay.wait(Duration::from_secs(120));
    assert!(ended.success(), "{}", replay.log_tail());
    world.until_caught_up();
    assert_eq!(
        world.sql("select count(*), count(distinct event_id) from location_history"),
        format!("{0}|{0}", positions())
    );
    println!("{}", world.recount(&[]));

    // A second run adds nothing.
    world.succeeds(&all);
    world.until_caught_up();
    assert_eq!(world.sql("select count(*) from location_history"), positions().to_string());
    services.terminate();
}

#[test]
fn one_broker_of_three_is_killed_during_a_replay_and_it_completes() {
    let world = World::start_alone("kill-broker");
    let services = world.run_all();
    let limit = positions().to_string();
    let mut replay = world.spawn("replay", &["replay", "aircraft", "--speed", "max", "--limit", &limit]);
    until("the replay is under way", Duration::from_secs(60), || {
        let folded: i64 = world.sql("select count(*) from location_history").parse().unwrap();
        if folded > 20_000 { Ok(()) } else { Err(format!("{folded} rows")) }
    });
    world.stack.kill_broker(2).unwrap();
    let ended = replay.wait(Duration::from_secs(180));
    assert!(ended.success(), "{}", replay.log_tail());
    world.until_caught_up();
    world.stack.start_broker(2).unwrap();
    world.stack.wait_broker_ready(2).unwrap();
    assert_eq!(world.sql("select count(*) from location_history"), positions().to_string());
    println!("{}", world.recount(&[]));
    services.terminate();
}
