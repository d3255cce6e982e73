//! The topic that is looked into: twelve partitions of generated locations, each with the broker's append time.

use crate::world::{World, tell};
use anyhow::{Context, Result, anyhow};
use foldstream_events::{LocationReported, LocationsEvent};
use foldstream_log::{RecordType, new_event_id};
use foldstream_log::{Registry, encode};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{JoinHandle, sleep},
    time::{Duration, Instant},
};

/// How long whoever is asked for something may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);
pub(super) const TOPIC: &str = "looking-bench";
pub(super) const PARTITIONS: i32 = 12;
/// The person of one record in ten thousand, in any partition.
pub(super) const RARE: &str = "rare";
/// A person with a record in five thousand, as all the others.
pub(super) const MARKED: &str = "walker-17";
const PERSONS: u64 = 5_000;
/// A prime near ten thousand, so that keys, and with them partitions, take turns.
const RARE_EVERY: u64 = 9_973;
const FLUSH: Duration = Duration::from_secs(120);

type Bulk = ThreadedProducer<DefaultProducerContext>;

pub(super) struct Filled {
    producer: Arc<Bulk>,
    values: Arc<Values>,
}

/// Writes on until it is stopped.
pub(super) struct Writing {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

/// Encoded records, made once.
struct Values {
    of_persons: Vec<(String, Vec<u8>)>,
    rare: Vec<u8>,
}

impl Filled {
    pub(super) async fn fill(world: &World, partition_records: u64) -> Result<Self> {
        let records = partition_records * PARTITIONS.unsigned_abs() as u64;
        tell(&format!("writing {records} records to {PARTITIONS} partitions"));
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", world.stack.bootstrap());
        let admin: AdminClient<_> = client.create()?;
        let topic =
            NewTopic::new(TOPIC, PARTITIONS, TopicReplication::Fixed(3)).set("message.timestamp.type", "LogAppendTime");
        let created = admin.create_topics([&topic], &AdminOptions::new()).await?;
        created.into_iter().collect::<Result<Vec<_>, _>>().map_err(|(topic, error)| anyhow!("{topic}: {error}"))?;
        client
            .set("acks", "all")
            .set("compression.type", "lz4")
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "5")
            .set("batch.size", "131072")
            .set("queue.buffering.max.messages", "500000");
        let producer: Arc<Bulk> = Arc::new(client.create()?);
        let values = Arc::new(Values::make(world).await?);
        let filled = Self { producer, values };
        tokio::task::block_in_place(|| {
            (0..records).try_for_each(|number| filled.write(number))?;
            filled.producer.flush(FLUSH).context("the brokers did not take all records in time")
        })?;
        Ok(filled)
    }

    fn write(&self, number: u64) -> Result<()> {
        write(&self.producer, &self.values, number)
    }

    /// So many records a second, evenly.
    pub(super) fn keep_writing(&self, a_second: u64) -> Result<Writing> {
        let (producer, values, stop) = (self.producer.clone(), self.values.clone(), Arc::new(AtomicBool::new(false)));
        let stopped = stop.clone();
        let thread = std::thread::Builder::new().name("writing".to_owned()).spawn(move || {
            let started = Instant::now();
            let mut written = 0;
            while !stopped.load(Ordering::Relaxed) {
                let due = (started.elapsed().as_secs_f64() * a_second as f64) as u64;
                while written < due {
                    if write(&producer, &values, written).is_err() {
                        break;
                    }
                    written += 1;
                }
                sleep(Duration::from_millis(2));
            }
            let _ = producer.flush(FLUSH);
            written
        })?;
        Ok(Writing { stop, thread })
    }
}

impl Writing {
    /// Gives how many were written.
    pub(super) fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

fn write(producer: &Bulk, values: &Values, number: u64) -> Result<()> {
    // A stride that meets every person, so that neighbours in time are other people.
    let at = usize::try_from(number.wrapping_mul(7) % PERSONS).unwrap_or_default();
    let (key, value) = values.of_persons.get(at).context("no such person")?;
    let value = if number % RARE_EVERY == RARE_EVERY / 2 { &values.rare } else { value };
    let mut record = BaseRecord::to(TOPIC).key(key.as_str()).payload(value.as_slice());
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            // Full: what is in it goes first.
            Err((_, back)) => record = back,
        }
        sleep(Duration::from_millis(1));
    }
}

impl Values {
    async fn make(world: &World) -> Result<Self> {
        let registry = Registry::new(&world.wire)?;
        let record: &RecordType = LocationsEvent::RECORD_TYPES
            .iter()
            .find(|record| record.full_name.ends_with("LocationReported"))
            .context("no such type")?;
        let schema = registry.schema(registry.id_of(record).await?).await?;
        let value = |person: &str, number: u64| -> Result<Vec<u8>> {
            let reported = LocationReported {
                event_id: new_event_id(),
                person_id: person.to_owned(),
                occurred_at: chrono::Utc::now(),
                latitude: 48.0 + number as f64 / 10_000.0,
                longitude: 2.0 + number as f64 / 10_000.0,
                accuracy_m: None,
            };
            Ok(encode(&LocationsEvent::LocationReported(reported), &schema)?)
        };
        let of_persons = (0..PERSONS).map(|number| {
            let person = format!("walker-{number}");
            Ok((person.clone(), value(&person, number)?))
        });
        Ok(Self { of_persons: of_persons.collect::<Result<_>>()?, rare: value(RARE, 0)? })
    }
}
