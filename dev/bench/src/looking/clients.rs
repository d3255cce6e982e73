//! What else one could do to see the newest records of a topic: by the same client library, or by kcat.
//!
//! Each reads just as much as the question needs: the last so many of every partition, twice as many where that was not
//! enough, decoded with the same decoder. So they differ from `GET /messages` in how they ask, not in what they do with
//! the answer.

use super::filled::{DEADLINE, PARTITIONS, TOPIC};
use crate::world::World;
use anyhow::{Context, Result, bail, ensure};
use foldstream_log::{AnySchema, Registry, SchemaId, Schemas, partition_of, unframe};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};
use std::{
    collections::HashMap,
    process::Command,
    time::{Duration, Instant},
};

const REQUEST: Duration = Duration::from_secs(10);
const MOST_AT_ONCE: i64 = 50_000;

/// What is looked for.
pub(super) struct Asked {
    limit: usize,
    key: Option<&'static str>,
    person: Option<&'static str>,
}

impl Asked {
    pub(super) fn everything(limit: usize) -> Self {
        Self { limit, key: None, person: None }
    }

    pub(super) fn of_key(limit: usize, key: &'static str) -> Self {
        Self { limit, key: Some(key), person: None }
    }

    pub(super) fn of_person(limit: usize, person: &'static str) -> Self {
        Self { limit, key: None, person: Some(person) }
    }
}

/// (timestamp, partition, offset): the order of the answer.
type Found = (i64, i32, i64);

/// One client, kept; assigned anew for each question.
pub(super) struct Assigning {
    consumer: BaseConsumer,
    schemas: Schemas,
}

fn config(world: &World, group: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", world.stack.bootstrap())
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_committed")
        .set("fetch.wait.max.ms", "20");
    config
}

impl Assigning {
    pub(super) fn new(world: &World) -> Result<Self> {
        Ok(Self {
            consumer: config(world, "never-joined").create()?,
            schemas: Schemas::new(Registry::new(&world.wire)?),
        })
    }

    /// Positions, newest first.
    pub(super) fn newest(&mut self, asked: &Asked) -> Result<Vec<String>> {
        let partitions: Vec<i32> = match asked.key {
            Some(key) => vec![partition_of(key.as_bytes(), PARTITIONS.unsigned_abs() as usize)],
            None => (0..PARTITIONS).collect(),
        };
        let mut list = TopicPartitionList::new();
        for partition in &partitions {
            list.add_partition_offset(TOPIC, *partition, Offset::End)?;
        }
        let ends = self.consumer.offsets_for_times(list, REQUEST)?;
        let mut unread: HashMap<i32, i64> =
            ends.elements().iter().map(|end| (end.partition(), end.offset().to_raw().unwrap_or(0))).collect();
        let mut found: Vec<Found> = Vec::new();
        let mut step = asked.limit as i64;
        // Timestamps are the broker's, so what is older in one partition than everything found is older than it.
        let mut oldest_read: HashMap<i32, i64> = HashMap::new();
        loop {
            let windows = unread
                .iter()
                .filter(|(_, end)| **end > 0)
                .map(|(partition, end)| (*partition, (end - step).max(0), *end));
            let windows: Vec<_> = windows
                .filter(|(partition, ..)| {
                    let enough = nth_newest(&mut found, asked.limit);
                    enough.is_none_or(|nth| oldest_read.get(partition).is_none_or(|oldest| *oldest >= nth))
                })
                .collect();
            if windows.is_empty() {
                break;
            }
            self.read(&windows, asked, (&mut found, &mut oldest_read))?;
            for (partition, start, _) in windows {
                unread.insert(partition, start);
            }
            step = (step * 2).min(MOST_AT_ONCE);
        }
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.truncate(asked.limit);
        Ok(found.into_iter().map(|(_, partition, offset)| format!("{TOPIC}:{partition}:{offset}")).collect())
    }

    fn read(
        &self,
        windows: &[(i32, i64, i64)],
        asked: &Asked,
        (found, oldest_read): (&mut Vec<Found>, &mut HashMap<i32, i64>),
    ) -> Result<()> {
        let mut list = TopicPartitionList::new();
        for (partition, start, _) in windows {
            list.add_partition_offset(TOPIC, *partition, Offset::Offset(*start))?;
        }
        self.consumer.assign(&list)?;
        let mut open: HashMap<i32, (i64, bool)> =
            windows.iter().map(|(partition, _, end)| (*partition, (*end, true))).collect();
        let deadline = Instant::now() + DEADLINE;
        while !open.is_empty() {
            let Some(message) = self.consumer.poll(Duration::from_millis(100)) else {
                if Instant::now() > deadline {
                    bail!("the client reads for more than {} s", DEADLINE.as_secs());
                }
                continue;
            };
            let message = message?;
            let Some((end, first)) = open.get_mut(&message.partition()) else { continue };
            let time = message.timestamp().to_millis().unwrap_or(0);
            if std::mem::take(first) {
                oldest_read.insert(message.partition(), time);
            }
            if message.offset() < *end && self.wanted(&message, asked)? {
                found.push((time, message.partition(), message.offset()));
            }
            if message.offset() + 1 >= *end {
                open.remove(&message.partition());
            }
        }
        self.consumer.unassign()?;
        Ok(())
    }

    fn wanted(&self, message: &impl Message, asked: &Asked) -> Result<bool> {
        if asked.key.is_some_and(|key| message.key() != Some(key.as_bytes())) {
            return Ok(false);
        }
        let (id, datum) = unframe(message.payload().context("no value")?)?;
        let known = self.schemas.get_blocking(SchemaId::Number(id), &tokio::runtime::Handle::current())?;
        let AnySchema::Avro(writer) = &known.schema else { bail!("a value that is not Avro") };
        let (value, _) = writer.to_json(datum).map_err(anyhow::Error::msg)?;
        Ok(asked.person.is_none_or(|person| value["person_id"] == person))
    }
}

/// The time of the so-manyth newest, if there are as many.
fn nth_newest(found: &mut [Found], limit: usize) -> Option<i64> {
    (found.len() >= limit).then(|| {
        let (_, nth, _) = found.select_nth_unstable_by(limit - 1, |a, b| b.cmp(a));
        nth.0
    })
}

/// A client of its own and a new group for one question, as a handler would do who knows only `subscribe`.
pub(super) fn with_a_group(world: &World, limit: usize) -> Result<()> {
    let group = format!("looking-{}", foldstream_log::new_event_id());
    let consumer: BaseConsumer = config(world, &group).create()?;
    consumer.subscribe(&[TOPIC])?;
    let deadline = Instant::now() + DEADLINE;
    while consumer.assignment()?.count() == 0 {
        if Instant::now() > deadline {
            bail!("the group is not formed after {} s", DEADLINE.as_secs());
        }
        let _ = consumer.poll(Duration::from_millis(20));
    }
    let mut open = HashMap::new();
    for partition in 0..PARTITIONS {
        let (low, high) = consumer.fetch_watermarks(TOPIC, partition, REQUEST)?;
        let start = Offset::Offset((high - limit as i64).max(low));
        // Not before the client has begun to fetch.
        while consumer.seek(TOPIC, partition, start, REQUEST).is_err() {
            let _ = consumer.poll(Duration::from_millis(5));
            ensure!(Instant::now() < deadline, "the group has not begun to read after {} s", DEADLINE.as_secs());
        }
        open.insert(partition, high);
    }
    while !open.is_empty() && Instant::now() < deadline {
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
        if open.get(&message.partition()).is_some_and(|end| message.offset() + 1 >= *end) {
            open.remove(&message.partition());
        }
    }
    match open.is_empty() {
        true => Ok(()),
        false => bail!("the group has not read the ends after {} s", DEADLINE.as_secs()),
    }
}

/// The last records of every partition, as kcat prints them.
pub(super) fn kcat(world: &World, limit: usize) -> Result<()> {
    let output = Command::new("kcat")
        .args(["-b", &world.stack.bootstrap(), "-C", "-t", TOPIC, "-o", &format!("-{limit}"), "-e", "-q"])
        .args(["-f", "%T %p %o %k\\n"])
        .output()
        .context("cannot start kcat")?;
    let lines = output.stdout.iter().filter(|byte| **byte == b'\n').count();
    match output.status.success() && lines >= limit * PARTITIONS.unsigned_abs() as usize {
        true => Ok(()),
        false => bail!("kcat gave {lines} records: {}", String::from_utf8_lossy(&output.stderr)),
    }
}
