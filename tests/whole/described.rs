//! The API is as its OpenAPI document describes it, by `tests/oracle/described.py`: the document is valid, and no request that
//! it allows is refused for its shape.

use crate::harness::{World, so_much};

#[test]
fn what_the_description_allows_is_not_refused() {
    let world = World::start("described");
    // Nothing is confirmed, so nothing is written.
    let services = world.run(&["all", "--republish"]);
    println!("{}", world.oracle("described.py", &[&world.http, so_much("500", "8")]));
    services.terminate();
}
