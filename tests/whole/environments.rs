//! Environments that share a cluster, set apart by their prefixes; and what a service does not need, it does without.

use crate::harness::{Running, World, text, until};
use foldstream_events::CATALOGUE;
use foldstream_log::{Cluster, Topic};
use reqwest::blocking::Client;
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn two_environments_on_one_cluster_know_nothing_of_each_other() {
    let worlds = [World::start("blue"), World::start("green")];
    let services = worlds.each_ref().map(World::run_all);
    let people = worlds.each_ref().map(registered);
    // At the same time, from the same source, and not as much.
    let replay = |(world, limit): (&World, _)| world.spawn("replay", &["replay", "aircraft", "--limit", limit]);
    for mut replay in worlds.iter().zip(["4000", "7000"]).map(replay).collect::<Vec<_>>() {
        assert!(replay.wait(Duration::from_secs(60)).success(), "{}", replay.log_tail());
    }
    for (world, rows) in worlds.iter().zip(["4000", "7000"]) {
        world.until_caught_up();
        assert_eq!(world.sql("select count(*) from location_history"), rows);
        println!("{}", world.oracle("recount.py", &[]));
        println!("{}", world.oracle("decide.py", &[]));
    }

    // Each answers in its own words, of its own topics, and of nobody else's person.
    let [blue, green] = worlds.each_ref().map(|world| world.json("/topics"));
    let names = |topics: &Value| -> Vec<String> {
        topics.as_array().unwrap().iter().map(|topic| topic["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&blue), names(&green));
    assert!(names(&blue).iter().any(|name| name == "locations"), "{blue}");
    for (world, theirs) in worlds.iter().zip(people.iter().rev()) {
        assert_eq!(world.get(&format!("/api/persons/{theirs}")).unwrap().status().as_u16(), 404);
        let said = world.fails(&["messages", "--topic", &worlds[0].topic("locations"), "--limit", "1"]);
        assert!(said.contains("there is no topic"), "{said}");
    }
    // Without a prefix a cluster is seen as it is.
    let mut newest =
        worlds[0].foldstream(&["messages", "--topic", "green.locations", "--limit", "1", "--output", "json"]);
    let newest = newest.env("FOLDSTREAM_PREFIX", "").output().unwrap();
    assert!(newest.status.success(), "{}", text(&newest.stderr));
    let newest: Value = serde_json::from_slice(&newest.stdout).unwrap();
    assert_eq!(newest["topic"], "green.locations");

    services.into_iter().for_each(Running::terminate);
}

#[test]
fn a_decider_runs_where_there_is_no_database() {
    let world = World::start("no-database");
    let nowhere = ["--database-url", "postgres://nobody@127.0.0.1:1/none"];
    let decider = world.spawn("decider", &[&["run", "people-processor"], &nowhere[..]].concat());
    let front = world.spawn("front", &["run", "api", "people-projection"]);
    until("the API answers", Duration::from_secs(60), || {
        world.get("/health").map(drop).map_err(|error| error.to_string())
    });
    let ada = registered(&world);
    until("Ada is shown", Duration::from_secs(60), || {
        let found = world.get(&format!("/api/persons/{ada}")).unwrap();
        if found.status().is_success() { Ok(()) } else { Err(found.text().unwrap()) }
    });
    decider.terminate();
    front.terminate();
}

#[test]
fn a_missing_topic_stops_whom_it_belongs_to_and_nobody_else() {
    let world = World::on_the_shared_stack("no-locations");
    let topics: Vec<&Topic> = CATALOGUE.topics.iter().filter(|topic| topic.name != "locations").copied().collect();
    let cluster = Cluster::connect(&world.log()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let done = runtime.block_on(cluster.apply(&topics)).unwrap();
    assert_eq!(done.len(), topics.len(), "{done:?}");
    assert_eq!(runtime.block_on(cluster.apply(&topics)).unwrap(), Vec::<String>::new());
    let missing = "topic locations: existence is missing, declared present";
    let differences = runtime.block_on(cluster.check(CATALOGUE.topics)).unwrap();
    assert_eq!(differences.iter().map(ToString::to_string).collect::<Vec<_>>(), [missing]);
    world.succeeds(&["schemas", "register"]);

    for service in ["locations-projection", "activity-projection", "api", "all"] {
        let said = world.fails(&["run", service]);
        assert!(said.contains(missing), "{service}: {said}");
    }
    let listen = ["--telemetry-listen", &world.http];
    let others = world.spawn("others", &[&["run", "people-processor", "people-projection"], &listen[..]].concat());
    until("the others are ready", Duration::from_secs(60), || match world.get("/health/ready") {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(answer.text().unwrap_or_default()),
        Err(error) => Err(error.to_string()),
    });
    others.terminate();
}

/// Somebody who is registered by the time this returns; gives the id.
fn registered(world: &World) -> String {
    let client = Client::new();
    let person = json!({"first_name": "Ada", "last_name": "Lovelace", "company_name": "Analytical Engines"});
    until("Ada is registered", Duration::from_secs(60), || {
        // The same key: asked again, it is the same wish.
        let request =
            client.post(format!("http://{}/api/persons", world.http)).header("idempotency-key", world.topic("ada"));
        let answer = request.json(&person).send().map_err(|error| error.to_string())?;
        let (status, text) = (answer.status(), answer.text().unwrap());
        let body: Value = serde_json::from_str(&text).unwrap();
        match status.as_u16() {
            200 | 201 => Ok(body["id"].as_str().unwrap().to_owned()),
            202 | 503 => Err(text),
            _ => panic!("{status}: {text}"),
        }
    })
}
