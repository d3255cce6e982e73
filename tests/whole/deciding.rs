//! Commands: each has one outcome whatever happens, and a person who was erased is gone everywhere.

use crate::harness::{Running, World, so_much, until};
use rand::{Rng, SeedableRng, rngs::StdRng};
use reqwest::{
    Method,
    blocking::{Client, Response},
};
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

#[test]
fn people_are_registered_changed_and_erased() {
    let world = World::start("deciding");
    let services = world.run_all();
    let client = People::of(&world);

    // The same key asks for the same person, and is answered as the first time; with another content it is refused.
    let ada = json!({"first_name": "Ada", "last_name": "Byron", "company_name": "Engines"});
    let first = client.ask(Method::POST, "", Some(&ada), &[("idempotency-key", "ada-1")]);
    assert_eq!(first.status, 201, "{first:?}");
    let again = client.ask(Method::POST, "", Some(&ada), &[("idempotency-key", "\"ada-1\"")]);
    assert_eq!((again.status, &again.body), (201, &first.body));
    let other = json!({"first_name": "Eve", "last_name": "Byron", "company_name": "Engines"});
    let reused = client.ask(Method::POST, "", Some(&other), &[("idempotency-key", "ada-1")]);
    assert_eq!((reused.status, reused.field()), (422, "Idempotency-Key"), "{reused:?}");
    let after = first.header("foldstream-position");
    assert_eq!(world.json(&format!("/api/persons?after={after}")).as_array().unwrap().len(), 1);

    // A change is answered with the person as it then is; one that changes nothing too.
    let id = first.body["id"].as_str().unwrap().to_owned();
    let path = format!("/{id}");
    let changed = client.ask(Method::PATCH, &path, Some(&json!({"last_name": "Lovelace"})), &[]);
    assert_eq!((changed.status, &changed.body["last_name"]), (200, &json!("Lovelace")), "{changed:?}");
    assert_eq!(changed.body["first_name"], "Ada");
    let same = client.ask(Method::PATCH, &path, Some(&json!({"last_name": "Lovelace"})), &[]);
    assert_eq!((same.status, &same.body), (200, &changed.body));
    let nobody = client.ask(Method::PATCH, "/nobody", Some(&json!({"last_name": "X"})), &[]);
    assert_eq!((nobody.status, nobody.field()), (404, "id"), "{nobody:?}");
    assert_eq!(client.ask(Method::PATCH, &path, Some(&json!({})), &[]).status, 422);
    let bad_key = client.ask(Method::POST, "", Some(&ada), &[("idempotency-key", "a b")]);
    assert_eq!((bad_key.status, bad_key.field()), (400, "Idempotency-Key"), "{bad_key:?}");

    // Answered at once, with a link to the outcome.
    let pending = client.ask(Method::PATCH, &path, Some(&json!({"first_name": "A."})), &[("prefer", "respond-async")]);
    assert_eq!((pending.status, pending.header("preference-applied")), (202, "respond-async"), "{pending:?}");
    let link = pending.header("location").to_owned();
    let outcome = world.json(&link);
    assert_eq!((&outcome["decision"], &outcome["id"]), (&json!("accepted"), &json!(id)));
    let person = world.json(outcome["href"].as_str().unwrap());
    assert_eq!(person["first_name"], "A.");
    assert_eq!(world.get("/api/outcomes/person-commands:0:999999").unwrap().status().as_u16(), 404);
    assert_eq!(world.get("/api/outcomes/locations:0:0").unwrap().status().as_u16(), 404);

    // Read at the command's position, before anybody knows what is decided: the read waits for that too.
    for number in 0..20 {
        let name = format!("A. {number}");
        let asked = [("prefer", "respond-async")];
        let pending = client.ask(Method::PATCH, &path, Some(&json!({"first_name": name})), &asked);
        assert_eq!(pending.status, 202, "{pending:?}");
        let after = pending.header("foldstream-position");
        assert_eq!(world.json(&format!("/api/persons{path}?after={after}"))["first_name"], json!(name));
    }

    masks_what_is_personal(&world, &id);
    sets_poison_aside(&world, &client, &id);
    erases(&world, &client, &id);
    println!("{}", world.oracle("decide.py", &[]));
    println!("{}", world.recount(&[]));
    services.terminate();
}

/// Names are shown to nobody who looks into a topic, whichever way, and found by nobody; unless it is set otherwise.
fn masks_what_is_personal(world: &World, id: &str) {
    let mask = json!({"masked": "personal"});
    for topic in ["person-commands", "person-profiles"] {
        let page = world.json(&format!("/messages?topic={topic}&key={id}&limit=1"));
        let message = &page["messages"][0];
        assert_eq!((&message["value"]["last_name"], &message["value_masked"]), (&mask, &json!(true)), "{page}");
        assert_eq!((&message["value"]["person_id"], &page["complete"]), (&json!(id), &json!(true)));
        for asked in ["where=last_name=Lovelace", "where=last_name!=Lovelace", "contains=Lovelace", "contains=nobody"] {
            let page = world.json(&format!("/messages?topic={topic}&key={id}&limit=1000&{asked}"));
            assert_eq!((&page["messages"], &page["complete"]), (&json!([]), &json!(false)), "{asked}: {page}");
            assert!(page["uncompared"]["reasons"].to_string().contains("personal"), "{page}");
        }
        for read_as in ["hex", "base64", "text", "json"] {
            let page = world.json(&format!("/messages?topic={topic}&key={id}&limit=1&value_as={read_as}"));
            let message = &page["messages"][0];
            assert_eq!((&message["value"], &message["error"]["value_base64"]), (&Value::Null, &Value::Null), "{page}");
        }
    }
    let shown = ["messages", "-t", "person-profiles", "--key", id, "-n", "1", "--output", "value"];
    assert!(!world.succeeds(&shown).contains("Lovelace"));
    assert!(world.succeeds(&[&shown[..], &["--personal", "shown"]].concat()).contains("Lovelace"));
}

/// What is no command goes to `dead-letters` with its bytes, and the next command of the same key is decided.
fn sets_poison_aside(world: &World, client: &People, id: &str) {
    world.append("person-commands", id, b"no command");
    let change = json!({"company_name": "Looms"});
    let changed = client.ask(Method::PATCH, &format!("/{id}"), Some(&change), &[]);
    assert_eq!((changed.status, &changed.body["company_name"]), (200, &json!("Looms")), "{changed:?}");
    // What is on it may be personal: only who runs the command line with that setting is shown it.
    let letter = world.json("/messages?topic=dead-letters")["messages"][0]["value"].take();
    assert_eq!(letter["value"], json!({"masked": "personal"}));
    let letters = ["messages", "-t", "dead-letters", "-n", "1", "--output", "value", "--personal", "shown"];
    let letter: Value = serde_json::from_str(&world.succeeds(&letters)).unwrap();
    assert_eq!((&letter["service"], &letter["topic"]), (&json!("people-processor"), &json!("person-commands")));
    assert!(letter["reason"].as_str().unwrap().contains("no schema id"), "{letter}");
    let value = world.sql("select encode('no command'::bytea, 'base64')");
    assert!(letter["value"].to_string().contains(&value), "{letter}");
}

/// Everything that is kept of a person goes, and does not come back.
fn erases(world: &World, client: &People, id: &str) {
    let report = || {
        let location = json!({"person_id": id, "latitude": 1, "longitude": 2, "creation_time": "2026-01-02T03:04:05Z"});
        Client::new().post(format!("http://{}/api/locations", world.http)).json(&location).send().unwrap()
    };
    let reported = report();
    assert_eq!(reported.status().as_u16(), 201);
    let position = reported.headers()["foldstream-position"].to_str().unwrap().to_owned();
    let locations = format!("/api/persons/{id}/locations");
    assert_eq!(world.json(&format!("{locations}?after={position}")).as_array().unwrap().len(), 1);

    let path = format!("/{id}");
    let erased = client.ask(Method::DELETE, &path, None, &[]);
    assert_eq!(erased.status, 204, "{erased:?}");
    let after = erased.header("foldstream-position");
    assert_eq!(world.get(&format!("/api/persons/{id}?after={after}")).unwrap().status().as_u16(), 404);
    assert_eq!(world.get(&format!("{locations}?after={after}")).unwrap().status().as_u16(), 404);
    for table in ["person", "location_history", "current_location"] {
        assert_eq!(world.sql(&format!("select count(*) from {table} where person_id = '{id}'")), "0", "{table}");
    }
    assert_eq!(client.ask(Method::DELETE, &path, None, &[]).status, 204);
    let gone = client.ask(Method::PATCH, &path, Some(&json!({"last_name": "X"})), &[]);
    assert_eq!((gone.status, gone.field()), (410, "id"), "{gone:?}");
    assert_eq!(client.ask(Method::DELETE, "/nobody", None, &[]).status, 404);
    assert_eq!(report().status().as_u16(), 422);

    // A location that was on its way when the person was erased: its copy is appended behind the erasure.
    world.oracle("append_copy.py", &["locations", id]);
    world.until_caught_up();
    assert_eq!(world.sql(&format!("select count(*) from location_history where person_id = '{id}'")), "0");
}

#[test]
fn killed_while_deciding_every_command_has_one_outcome() {
    let world = World::start("kill-decider");
    let seed: u64 = std::env::var("FOLDSTREAM_TEST_SEED").map_or(19_061_843, |seed| seed.parse().unwrap());
    println!("FOLDSTREAM_TEST_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let front =
        world.spawn("front", &["run", "api", "people-projection", "locations-projection", "activity-projection"]);
    until("the API answers", Duration::from_secs(60), || {
        world.get("/health").map(drop).map_err(|error| error.to_string())
    });
    let start = |instance: &str| world.spawn(instance, &["run", "people-processor", "--instance", instance]);
    let mut deciders = [start("decider-0"), start("decider-1")];
    let asked = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for worker in 0..8 {
            let (world, asked) = (&world, &asked);
            scope.spawn(move || wish(world, worker, seed, asked));
        }
        for kill in 1..=kills() {
            let moment = wishes() * kill / (kills() + 1) + random.random_range(0..wishes() / (kills() + 1) / 2);
            until(&format!("{moment} wishes were answered"), Duration::from_secs(300), || {
                let answered = asked.load(Ordering::Relaxed);
                if answered >= moment { Ok(()) } else { Err(format!("{answered} answers")) }
            });
            let victim = random.random_range(0..deciders.len());
            deciders[victim].kill_9();
            deciders[victim] = start(&format!("decider-{victim}"));
        }
    });
    world.until_caught_up();
    println!("{}", world.oracle("decide.py", &[]));
    println!("{}", world.recount(&[]));
    deciders.into_iter().for_each(Running::terminate);
    front.terminate();
}

fn kills() -> usize {
    so_much(10, 5)
}

fn wishes() -> usize {
    so_much(4_000, 1_600)
}

/// Asks for one thing after the other about a few people; what is not answered is asked again with the same key.
fn wish(world: &World, worker: usize, seed: u64, asked: &AtomicUsize) {
    let client = People::of(world);
    let mut random = StdRng::seed_from_u64(seed ^ worker as u64);
    let mut ids: Vec<String> = Vec::new();
    for number in 0..wishes() / 8 {
        let mut key = format!("{worker}-{number}");
        if random.random_bool(0.1) {
            // A key from before, perhaps with the same content and perhaps not.
            key = format!("{worker}-{}", number / 2);
        }
        let name = format!("name {}", random.random_range(0..3));
        let known = (!ids.is_empty()).then(|| ids[random.random_range(0..ids.len())].clone());
        let (method, path, body) = match (random.random_range(0..10), known) {
            (0..=2, _) | (_, None) => {
                let body = json!({"first_name": name, "last_name": "x", "company_name": "y"});
                (Method::POST, String::new(), Some(body))
            }
            (3..=8, Some(id)) => (Method::PATCH, format!("/{id}"), Some(json!({"first_name": name}))),
            (_, Some(id)) => (Method::DELETE, format!("/{id}"), None),
        };
        let answer = loop {
            let answer = client.ask(method.clone(), &path, body.as_ref(), &[("idempotency-key", &key)]);
            // A gateway that waits in vain answers 202; a log that is away 503.
            if ![202, 503].contains(&answer.status) {
                break answer;
            }
        };
        assert!([200, 201, 204, 404, 409, 410, 422].contains(&answer.status), "{answer:?}");
        if answer.status == 201 {
            ids.push(answer.body["id"].as_str().unwrap().to_owned());
        }
        asked.fetch_add(1, Ordering::Relaxed);
    }
}

/// A client of `/api/persons`.
struct People {
    client: Client,
    url: String,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: reqwest::header::HeaderMap,
    body: Value,
}

impl People {
    fn of(world: &World) -> Self {
        Self { client: Client::new(), url: format!("http://{}/api/persons", world.http) }
    }

    fn ask(&self, method: Method, path: &str, body: Option<&Value>, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.client.request(method, format!("{}{path}?wait_ms=30000", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer: Response = request.send().unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Answer { status, headers, body: answer.json().unwrap_or(Value::Null) }
    }
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}: {self:?}")).to_str().unwrap()
    }

    /// The field a problem names first.
    fn field(&self) -> &str {
        self.body["errors"][0]["field"].as_str().unwrap_or_default()
    }
}
