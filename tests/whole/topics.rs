//! `/topics`: what it says is what other clients and Kafka's own tools say, and what it cannot know it does not say.

use crate::harness::{REGISTER, Running, World, text, until};
use chrono::{DateTime, Utc};
use foldstream_events::CATALOGUE;
use foldstream_log::{REPLICATION_FACTOR, Writers};
use reqwest::blocking::Client;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    os::unix::ffi::OsStringExt,
    process::{Command, Stdio},
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(30);
const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const LOG_DIRECTORIES: &str = "org.apache.kafka.tools.LogDirsCommand";
const CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const SHARE_CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleShareConsumer";
/// Enough keys that every partition gets some.
const PENDING: i64 = 40;
const PROCESSOR: &str = "foldstream-people-processor";

#[test]
fn topics_are_as_the_brokers_and_their_tools_say() {
    let world = World::of_a_whole_cluster("laid-out");
    let services = world.run_all();
    posts(&world);
    world.until_caught_up();
    let groups = world.oracle("groups.py", &[]);

    are_laid_out_as_another_client_sees(&world);
    are_held_against_their_declarations(&world);
    counts_what_was_appended(&world);
    services.terminate();

    // Nobody decides or folds any more, and more comes.
    for number in 0..PENDING {
        world.append("person-commands", &format!("nobody-{number}"), b"no command");
        world.append("locations", &format!("nobody-{number}"), b"no location");
    }
    let api = world.spawn("api", &["run", "api"]);
    until("the API answers", PATIENCE, || world.get("/health").map(drop).map_err(|error| error.to_string()));
    shows_lag_as_the_tool_does(&world, "person-commands", PROCESSOR);
    shows_where_readers_stand(&world);
    shows_bytes_as_the_tool_does(&world);
    refuses_what_is_no_topic(&world);
    assert_eq!(world.oracle("groups.py", &[]), groups, "looking made a group");
    let appended = shows_groups_of_every_kind(&world);
    goes_on_without_a_broker(&world, 3 + PENDING + appended);
    drop(api);
}

/// More than an answer can look at was appended: what is counted is exact for the period that is named.
#[test]
fn a_busy_topic_is_counted_as_far_back_as_an_answer_goes() {
    let world = World::start("busy");
    let api = world.spawn("api", &["run", "api"]);
    until("the API answers", PATIENCE, || world.get("/health").map(drop).map_err(|error| error.to_string()));
    let appended = || world.json("/topics/locations")["appended"].take();
    world.succeeds(&["replay", "aircraft", "--limit", "60000"]);
    let all = appended();
    let types = json!([{"type": "foldstream.locations.LocationReported", "records": 60_000}]);
    assert_eq!((&all["types"], &all["complete"], number(&all, "records")), (&types, &json!(true), 60_000), "{all}");

    world.succeeds(&["replay", "aircraft"]);
    let lately = appended();
    assert_eq!(lately["complete"], false, "{lately}");
    let milliseconds = |name: &str| -> i64 {
        let time: DateTime<Utc> = lately[name].as_str().unwrap().parse().unwrap();
        time.timestamp_millis()
    };
    let (since, until) = (milliseconds("since"), milliseconds("until"));
    let times = Command::new("kcat")
        .args(["-b", &world.stack.bootstrap(), "-t", &world.topic("locations"), "-C", "-e", "-q", "-f", "%T\n"])
        .output()
        .unwrap();
    let times: Vec<i64> = text(&times.stdout).lines().map(|time| time.parse().unwrap()).collect();
    assert!(times.len() > 200_000, "{} records", times.len());
    let counted = times.iter().filter(|time| (since..=until).contains(time)).count();
    assert_eq!(number(&lately, "records"), i64::try_from(counted).unwrap(), "{lately}");
    println!("of {} records, counted {lately}", times.len());
    api.terminate();
}

/// Two people, three locations of one, and the other one erased.
fn posts(world: &World) {
    let client = Client::new();
    let post = |path: &str, body: Value| -> Value {
        let answer = client.post(format!("http://{}{path}", world.http)).json(&body).send().unwrap();
        assert_eq!(answer.status().as_u16(), 201);
        answer.json().unwrap()
    };
    let [ada, grace] = ["Ada", "Grace"].map(|name| {
        let person = json!({"first_name": name, "last_name": "L", "company_name": "C"});
        post(REGISTER, person)["id"].as_str().unwrap().to_owned()
    });
    for _ in 0..3 {
        let time = "2026-01-02T03:04:05Z";
        post("/api/locations", json!({"person_id": grace, "latitude": 1, "longitude": 2, "creation_time": time}));
    }
    let erased = client.delete(format!("http://{}/api/persons/{ada}", world.http)).send().unwrap();
    assert_eq!(erased.status().as_u16(), 204);
}

fn are_laid_out_as_another_client_sees(world: &World) {
    until("kcat and /topics agree", PATIENCE, || {
        let output = Command::new("kcat").args(["-b", &world.stack.bootstrap(), "-L", "-J"]).output().unwrap();
        let listed: Value = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
        let mut theirs: Vec<(String, Value)> = Vec::new();
        for topic in listed["topics"].as_array().unwrap() {
            let ids = |of: &Value| of.as_array().unwrap().iter().map(|broker| broker["id"].clone()).collect::<Value>();
            let partition = |of: &Value| {
                json!([of["partition"], of["leader"], sorted(&ids(&of["replicas"])), sorted(&ids(&of["isrs"]))])
            };
            let partitions = topic["partitions"].as_array().unwrap().iter().map(partition).collect();
            theirs.push((topic["topic"].as_str().unwrap().to_owned(), partitions));
        }
        theirs.sort_by(|a, b| a.0.cmp(&b.0));
        let topics = world.json("/topics");
        let names = topics.as_array().unwrap().iter().map(|topic| topic["name"].as_str().unwrap().to_owned());
        let ours: Vec<(String, Value)> = names
            .map(|name| {
                let topic = world.json(&format!("/topics/{name}"));
                let partition = |of: &Value| {
                    json!([of["partition"], of["leader"], sorted(&of["replicas"]), sorted(&of["in_sync"])])
                };
                (name, topic["partitions"].as_array().unwrap().iter().map(partition).collect())
            })
            .collect();
        if ours == theirs && ours.len() > CATALOGUE.topics.len() {
            Ok(())
        } else {
            Err(format!("{ours:?}\n{theirs:?}"))
        }
    });
    let offsets = world.json("/topics/__consumer_offsets");
    assert_eq!((&offsets["internal"], &offsets["declaration"]), (&json!(true), &Value::Null), "{offsets}");
}

fn sorted(numbers: &Value) -> Value {
    let mut numbers: Vec<i64> = numbers.as_array().unwrap().iter().map(|number| number.as_i64().unwrap()).collect();
    numbers.sort_unstable();
    json!(numbers)
}

fn sorted_names(names: &Value) -> Vec<String> {
    let mut names: Vec<String> = serde_json::from_value(names.clone()).unwrap();
    names.sort();
    names
}

fn are_held_against_their_declarations(world: &World) {
    let summary = |name: &str| {
        let topics = world.json("/topics");
        topics.as_array().unwrap().iter().find(|topic| topic["name"] == name).cloned().unwrap()
    };
    for topic in CATALOGUE.topics {
        let found = summary(topic.name);
        assert_eq!(found["key"], topic.key);
        assert_eq!(found["partitions"], topic.partitions);
        let written = match topic.writers {
            Writers::Services(services) => json!(services),
            Writers::EveryProcessor => json!(["people-processor"]),
        };
        assert_eq!(sorted_names(&found["writers"]), sorted_names(&written));
        assert_eq!((&found["declared"], &found["differences"]), (&json!(true), &json!([])), "{found}");
        let declaration = world.json(&format!("/topics/{}", topic.name))["declaration"].take();
        assert_eq!(declaration["replication_factor"], REPLICATION_FACTOR);
        for (name, value) in topic.settings() {
            assert_eq!(declaration["settings"][name], value, "{}", topic.name);
        }
    }
    assert_eq!(summary("locations")["readers"], json!(["locations-projection", "activity-projection"]));
    assert_eq!(summary("source-progress")["readers"], json!(["replay"]));

    // An operator alters retention by hand.
    world.oracle("admin.py", &["set", "locations", "retention.ms", "3600000"]);
    let expected = json!([{
        "topic": "locations", "property": "retention.ms", "declared": "-1", "found": "3600000", "fatal": false
    }]);
    until("the difference is named", PATIENCE, || match summary("locations")["differences"].take() {
        differences if differences == expected => Ok(()),
        other => Err(other.to_string()),
    });
    let topic = world.json("/topics/locations");
    assert_eq!(topic["differences"], expected);
    let set = json!({"name": "retention.ms", "value": "3600000", "source": "topic"});
    assert!(topic["settings"].as_array().unwrap().contains(&set), "{topic}");
    let table = world.succeeds(&["topics", "list"]);
    assert!(table.lines().any(|row| row.starts_with("locations ") && row.ends_with("1 difference")), "{table}");
    let table = world.succeeds(&["topics", "show", "locations"]);
    assert!(table.contains("retention.ms  -1        3600000"), "{table}");
    world.succeeds(&["topics", "apply"]);
}

fn counts_what_was_appended(world: &World) {
    world.append("source-progress", "nobody", b"no progress");
    for (topic, types) in [
        ("locations", json!([{"type": "foldstream.locations.LocationReported", "records": 3}])),
        (
            "person-profiles",
            json!([
                {"type": "foldstream.people.PersonProfileRecorded", "records": 2},
                {"type": "tombstone", "records": 1},
            ]),
        ),
        ("source-progress", json!([{"type": "text", "records": 1}])),
    ] {
        let appended = world.json(&format!("/topics/{topic}"))["appended"].take();
        assert_eq!((&appended["types"], &appended["complete"]), (&types, &json!(true)), "{topic}: {appended}");
    }
}

/// What a group has committed and how far it lags, by partition; `null` where the tool prints a dash.
type Standing = BTreeMap<i64, (Option<i64>, Option<i64>)>;

fn shows_lag_as_the_tool_does(world: &World, topic: &str, group: &str) {
    until("the tool and /topics agree on the lag", PATIENCE, || {
        let printed = printed_by(world, GROUPS, &["--describe", "--group", group]);
        let theirs: Standing = printed
            .lines()
            .map(|row| row.split_whitespace().collect::<Vec<_>>())
            .filter(|row| row.len() >= 6 && row[1] == topic)
            .map(|row| (row[2].parse().unwrap(), (row[3].parse().ok(), row[5].parse().ok())))
            .collect();
        let topic = world.json(&format!("/topics/{topic}"));
        let found = topic["groups"].as_array().unwrap().iter().find(|found| found["group"] == group);
        let found = found.ok_or_else(|| format!("{topic}"))?;
        let partitions = found["partitions"].as_array().unwrap().iter();
        let ours: Standing = partitions
            .map(|of| {
                (of["partition"].as_i64().unwrap(), (of["committed_offset"].as_i64(), of["lag_records"].as_i64()))
            })
            .collect();
        let lag: i64 = ours.values().filter_map(|(_, lag)| *lag).sum();
        if ours == theirs && lag > 0 { Ok(()) } else { Err(format!("{printed}\n{found}")) }
    });
}

fn shows_where_readers_stand(world: &World) {
    for (command, service, topic) in [
        ("processors", "people-processor", "person-commands"),
        ("projections", "locations-projection", "locations"),
        ("projections", "activity-projection", "locations"),
    ] {
        let status: Value = serde_json::from_str(&world.succeeds(&[command, "status", "--output", "json"])).unwrap();
        let theirs: BTreeMap<i64, (i64, i64)> = status
            .as_array()
            .unwrap()
            .iter()
            .filter(|row| row["topic"] == topic && (row["processor"] == service || row["projection"] == service))
            .map(|row| (number(row, "partition"), (number(row, "next_offset"), number(row, "lag_records"))))
            .collect();
        let answer = world.json(&format!("/topics/{topic}"));
        let reader = answer["readers"].as_array().unwrap().iter().find(|reader| reader["service"] == service).unwrap();
        let partitions = reader["partitions"].as_array().unwrap().iter();
        let ours: BTreeMap<i64, (i64, i64)> = partitions
            .map(|row| (number(row, "partition"), (number(row, "next_offset"), number(row, "lag_records"))))
            .collect();
        assert_eq!(ours, theirs, "{service}");
        assert_eq!(number(reader, "lag_records"), theirs.values().map(|(_, lag)| lag).sum::<i64>());
        assert_eq!(number(reader, "lag_records"), PENDING, "{service}: {reader}");
        // The command prints what the API answers.
        let shown: Value =
            serde_json::from_str(&world.succeeds(&["topics", "show", topic, "--output", "json"])).unwrap();
        for part in ["partitions", "readers", "settings", "declaration", "bytes", "offsets", "id"] {
            assert_eq!(shown[part], answer[part], "{topic}: {part}");
        }
    }
}

fn number(of: &Value, name: &str) -> i64 {
    of[name].as_i64().unwrap_or_else(|| panic!("no {name} in {of}"))
}

fn shows_bytes_as_the_tool_does(world: &World) {
    let printed = printed_by(world, LOG_DIRECTORIES, &["--describe", "--topic-list", "locations,person-commands"]);
    let told: Value = serde_json::from_str(printed.lines().find(|line| line.starts_with('{')).unwrap()).unwrap();
    for name in ["locations", "person-commands"] {
        let topic = world.json(&format!("/topics/{name}"));
        let (mut leaders, mut replicas) = (0, 0);
        for broker in told["brokers"].as_array().unwrap() {
            let directories = broker["logDirs"].as_array().unwrap().iter();
            for partition in directories.flat_map(|directory| directory["partitions"].as_array().unwrap()) {
                let (of, index) = partition["partition"].as_str().unwrap().rsplit_once('-').unwrap();
                if of == name {
                    let index: usize = index.parse().unwrap();
                    replicas += number(partition, "size");
                    if topic["partitions"][index]["leader"] == broker["broker"] {
                        leaders += number(partition, "size");
                    }
                }
            }
        }
        assert!(leaders > 0, "{printed}");
        assert_eq!(topic["bytes"], json!({"leaders": leaders, "replicas": replicas}), "{printed}");
    }
}

fn refuses_what_is_no_topic(world: &World) {
    for (path, status) in [("/topics/no-such-topic", 404), ("/topics/a%20b", 400), ("/topics/locations?limit=1", 400)] {
        let response = world.get(path).unwrap();
        assert_eq!(response.status().as_u16(), status, "{path}");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
    let said = world.fails(&["topics", "show", "no-such-topic"]);
    assert!(said.contains("there is no topic no-such-topic"), "{said}");
    let names = world.json("/topics").to_string();
    assert!(!names.contains("no-such-topic"), "{names}");
}

/// Consumers of KIP-848 and of KIP-932, each of which other requests describe; gives how much was appended for them.
fn shows_groups_of_every_kind(world: &World) -> i64 {
    let consumer = |class, group: &str, more: &[&str]| {
        let log = world.directory().join(format!("{group}.log"));
        let mut consumer = tool(world, class);
        consumer.args(["--topic", "locations", "--group", group]).args(more);
        consumer.stdout(Stdio::null()).stderr(fs::File::create(&log).unwrap());
        Running::of(consumer.spawn().unwrap(), log)
    };
    let newcomers = ["--from-beginning", "--command-property", "group.protocol=consumer"];
    let consumers = [
        ("consumer", "newcomers", consumer(CONSUMER, "newcomers", &newcomers)),
        ("share", "sharers", consumer(SHARE_CONSUMER, "sharers", &[])),
    ];
    let shown = |group: &str| {
        let topic = world.json("/topics/locations");
        let found = topic["groups"].as_array().unwrap().iter().find(|found| found["group"] == group).cloned();
        found.ok_or_else(|| topic["groups"].to_string())
    };
    for (kind, group, consumer) in &consumers {
        until("the group is shown with its member", PATIENCE, || {
            let found = shown(group).map_err(|groups| format!("{groups}\n{}", consumer.log_tail()))?;
            let told = found["kind"] == *kind && found["state"] == "Stable";
            let given = found["members"][0]["partitions"] == json!([0, 1, 2, 3, 4, 5]);
            if told && given { Ok(()) } else { Err(found.to_string()) }
        });
    }
    // A share begins at the end there is when its member first asks, and is told when a record was settled.
    let mut appended = 0;
    until("a share has begun", PATIENCE, || {
        let found = shown("sharers")?;
        let begun = found["partitions"].as_array().unwrap().iter().any(|at| at["committed_offset"].is_i64());
        if begun && found["lag_records"].is_null() {
            return Ok(());
        }
        world.append("locations", "nobody", b"no location");
        appended += 1;
        Err(found.to_string())
    });
    until("the group of the new protocol has read everything", PATIENCE, || match shown("newcomers")? {
        found if found["lag_records"] == 0 => Ok(()),
        found => Err(found.to_string()),
    });
    for (_, _, mut consumer) in consumers {
        consumer.kill_9();
    }
    world.append("locations", "nobody", b"no location");
    shows_lag_as_the_tool_does(world, "locations", "newcomers");
    appended + 1
}

/// One of three brokers away: its replicas are of unknown size, and everything else is told. All away: 503.
fn goes_on_without_a_broker(world: &World, appended: i64) {
    world.stack.kill_broker(3).unwrap();
    until("the others lead", Duration::from_secs(60), || {
        let topic = world.json("/topics/locations");
        let partitions = topic["partitions"].as_array().unwrap();
        let led = partitions
            .iter()
            .all(|partition| partition["high_watermark"].is_i64() && sorted(&partition["in_sync"]) == json!([1, 2]));
        if led { Ok(()) } else { Err(topic.to_string()) }
    });
    let topic = world.json("/topics/locations");
    assert!(topic["bytes"]["leaders"].is_i64() && topic["bytes"]["replicas"].is_null(), "{topic}");
    assert_eq!(number(&topic["appended"], "records"), appended, "{topic}");
    for broker in [1, 2] {
        world.stack.kill_broker(broker).unwrap();
    }
    for path in ["/topics", "/topics/locations"] {
        let response = world.get(path).unwrap();
        assert_eq!(response.status().as_u16(), 503, "{path}");
        assert!(response.text().unwrap().contains("Kafka cannot be reached"));
    }
}

fn printed_by(world: &World, class: &str, arguments: &[&str]) -> String {
    let output = tool(world, class).args(arguments).output().unwrap();
    assert!(output.status.success(), "{class}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// One of Kafka's own tools, on the Java and the jars of the brokers: both are read off a broker's process.
fn tool(world: &World, class: &str) -> Command {
    let pid = world.stack.broker_pid(1).unwrap().unwrap();
    let java = fs::read_link(format!("/proc/{pid}/exe")).unwrap();
    let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    let mut arguments = arguments.split(|byte| *byte == 0).skip_while(|argument| *argument != b"-cp").skip(1);
    let classes = OsString::from_vec(arguments.next().unwrap().to_vec());
    let mut command = Command::new(java);
    let temporary = format!("-Djava.io.tmpdir={}", world.directory().join("tmp").display());
    command.args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", &temporary, "-cp"]);
    command.arg(classes);
    command.arg(class).args(["--bootstrap-server", &world.stack.bootstrap()]).stdin(Stdio::null());
    command
}
