//! Where the brokers and the registry are, and the client settings every Kafka client here starts from.

use crate::{
    avro_cursor::{DEPTH, MOST_DEPTH},
    personal::Personal,
    prefix::Prefix,
};
use rdkafka::ClientConfig;
use url::Url;

/// Brokers bound what a batch takes compressed, by default to 1 MiB; this is many times as much.
const DEFAULT_MAX_BATCH_BYTES: usize = 64 * 1024 * 1024;

#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub struct Config {
    /// Kafka bootstrap addresses, joined by commas
    #[arg(
        long = "kafka-brokers",
        env = "FOLDSTREAM_KAFKA_BROKERS",
        default_value = "127.0.0.1:19092,127.0.0.1:29092,127.0.0.1:30092",
        value_name = "HOST:PORT,…",
        global = true
    )]
    pub brokers: String,

    /// Put before the names of topics, consumer groups, transactional ids and subjects: sets environments on one cluster
    /// apart
    #[arg(long, env = "FOLDSTREAM_PREFIX", default_value = "", value_name = "TEXT", global = true)]
    pub prefix: Prefix,

    /// Schema registry, its Confluent-compatible API
    #[arg(
        long = "registry-url",
        env = "FOLDSTREAM_REGISTRY_URL",
        default_value = "http://127.0.0.1:8081/apis/ccompat/v7",
        value_name = "URL",
        global = true
    )]
    pub registry_url: Url,

    /// A batch of records that takes more memory than this, decompressed, is not read by those who look into a topic; it is
    /// named instead
    #[arg(
        long = "max-batch-bytes",
        env = "FOLDSTREAM_MAX_BATCH_BYTES",
        default_value_t = DEFAULT_MAX_BATCH_BYTES,
        value_name = "BYTES",
        global = true
    )]
    pub max_batch_bytes: usize,

    /// How deep the Avro values may nest that are looked into; deeper ones are shown as their bytes
    #[arg(
        long = "avro-depth",
        env = "FOLDSTREAM_AVRO_DEPTH",
        default_value_t = DEPTH,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_DEPTH)),
        value_name = "LEVELS",
        global = true
    )]
    pub avro_depth: u32,

    /// What those who look into a topic see of fields that are marked as personal
    #[arg(long, env = "FOLDSTREAM_PERSONAL", value_enum, default_value_t, value_name = "HOW", global = true)]
    pub personal: Personal,

    /// Name of this instance among those of the same service; stable across restarts (on Kubernetes: the pod's name)
    #[arg(long = "instance", env = "FOLDSTREAM_INSTANCE", default_value = "0", value_name = "NAME", global = true)]
    pub instance: String,
}

impl Config {
    /// These addresses, and all else as it is by default.
    #[must_use]
    pub fn at(brokers: &str, registry_url: Url) -> Self {
        Self {
            brokers: brokers.to_owned(),
            prefix: Prefix::default(),
            registry_url,
            max_batch_bytes: DEFAULT_MAX_BATCH_BYTES,
            avro_depth: DEPTH,
            personal: Personal::default(),
            instance: "0".to_owned(),
        }
    }

    /// What every client has in common.
    pub(crate) fn client(&self, client_id: &str) -> ClientConfig {
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", client_id)
            // A broker that is away is tried again within a second, not ten.
            .set("reconnect.backoff.max.ms", "1000")
            .set("socket.keepalive.enable", "true")
            .set("socket.nagle.disable", "true")
            // Nothing but `topics apply` creates topics.
            .set("allow.auto.create.topics", "false")
            .set("log_level", "4");
        client
    }

    /// A consumer: reads committed records only and never moves where it stands by itself.
    pub(crate) fn consumer(&self, client_id: &str, group: &str) -> ClientConfig {
        let mut client = self.client(client_id);
        client
            .set("group.id", group)
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("enable.partition.eof", "true")
            .set("queued.max.messages.kbytes", "8192")
            // The default waits a second before it fetches again once the queue was full.
            .set("fetch.queue.backoff.ms", "2");
        client
    }

    /// A producer whose records are on a majority of replicas when acknowledged, each once and in order.
    pub(crate) fn producer(&self, client_id: &str) -> ClientConfig {
        let mut client = self.client(client_id);
        client
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("compression.type", "lz4")
            // The partitioner of the Java client, so that every client agrees where a key lives.
            .set("partitioner", "murmur2_random")
            .set("queue.buffering.max.kbytes", "32768")
            .set("message.max.bytes", crate::topic::MAX_DEAD_LETTER_BYTES.to_string());
        client
    }
}
