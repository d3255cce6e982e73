"""Topics of every kind to look into, made at random from a seed: by compression, clocks, transactions, skew, gaps.

Shared by the shows of `looking.py`. Values are of two Avro types, or no Avro at all; what is of which is for the reader
to find out.
"""

import io
import json
import time
import urllib.error
import urllib.request

import fastavro
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
KINDS = ("red", "green", "blue")
WORDS = ("alpha", "beta", "zeta", "omega", "Ädelmetall", 'a "quoted" one')
SEEN = {
    "type": "record",
    "name": "looking.Seen",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "n", "type": "long"},
        {"name": "kind", "type": "string"},
        {"name": "ratio", "type": "double"},
        {"name": "note", "type": ["null", "string"], "default": None},
    ],
}
LEFT = {
    "type": "record",
    "name": "looking.Left",
    "fields": [{"name": "id", "type": "string"}, {"name": "n", "type": "long"}],
}


class Writer:
    """Topics, records and transactions."""

    def __init__(self, brokers, registry_url, random):
        self.brokers, self.registry_url, self.random = brokers, registry_url, random
        self.admin = AdminClient({"bootstrap.servers": brokers})
        self.plain = {codec: self.producer({"compression.type": codec}) for codec in CODECS}
        self.ids, self.failed = {}, []
        # What has no value of its own to compare by: a number for each record.
        self.count = 0

    def producer(self, settings):
        return Producer({"bootstrap.servers": self.brokers, "acks": "all", "linger.ms": 2, **settings})

    def transactional(self, name):
        producer = self.producer({"transactional.id": name, "transaction.timeout.ms": 600_000})
        producer.init_transactions(60)
        return producer

    def create(self, topic, partitions, **settings):
        defaults = {"retention_ms": -1, "min_insync_replicas": 2, "message_timestamp_type": "CreateTime"}
        settings = {**defaults, **settings}
        config = {name.replace("_", "."): str(value) for name, value in settings.items()}
        wanted = NewTopic(topic, num_partitions=partitions, replication_factor=3, config=config)
        for future in self.admin.create_topics([wanted], operation_timeout=30).values():
            future.result(60)

    def create_on(self, topic, brokers):
        """A partition on each of these brokers, and nowhere else."""
        placed = [[broker] for broker in brokers]
        wanted = NewTopic(topic, len(placed), replica_assignment=placed, config={"min.insync.replicas": "1"})
        for future in self.admin.create_topics([wanted], operation_timeout=30).values():
            future.result(60)

    def delete(self, topic):
        for future in self.admin.delete_topics([topic], operation_timeout=30).values():
            future.result(60)

    def configure(self, topic, name, value):
        change = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[change])
        for future in self.admin.incremental_alter_configs([resource]).values():
            future.result(60)

    def remove_before(self, topic, offsets):
        """Moves the beginnings of partitions."""
        asked = [TopicPartition(topic, partition, offset) for partition, offset in offsets.items()]
        for future in self.admin.delete_records(asked, operation_timeout=30).values():
            future.result(60)

    def register(self, topic):
        for schema in (SEEN, LEFT):
            self.ids[topic, schema["name"]] = self.register_as(f"{topic}-{schema['name']}", json.dumps(schema), "AVRO")

    def register_as(self, subject, schema, kind):
        body = json.dumps({"schema": schema, "schemaType": kind}).encode()
        request = urllib.request.Request(
            f"{self.registry_url}/subjects/{subject}/versions",
            body,
            {"content-type": "application/vnd.schemaregistry.v1+json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)["id"]
        except urllib.error.HTTPError as refused:
            raise ValueError(f"{subject}: {refused.read().decode()}") from refused

    def framed(self, topic, schema, value):
        datum = io.BytesIO()
        fastavro.schemaless_writer(datum, schema, value)
        return b"\0" + self.ids[topic, schema["name"]].to_bytes(4, "big") + datum.getvalue()

    def value(self, topic):
        random = self.random
        self.count += 1
        if random.random() < 0.3:
            return self.framed(topic, LEFT, {"id": f"left-{self.count}", "n": random.randrange(-1000, 1000)})
        note = random.choice((None, random.choice(WORDS), "x" * random.choice((0, 30, 30, 2_000))))
        if random.random() < 0.002:
            note = "big " * 40_000
        seen = {"id": f"seen-{self.count}", "n": random.randrange(-1000, 1000), "kind": random.choice(KINDS)}
        return self.framed(topic, SEEN, {**seen, "ratio": random.random(), "note": note})

    def spoilt(self, topic):
        """A value that is something, but nothing that can be decoded, or nothing at all."""
        random, whole = self.random, self.value(topic)
        unknown = b"\0" + (999_999).to_bytes(4, "big") + whole[5:]
        return random.choice((None, None, b"", b"\0", b"A beta text", whole[:-1], whole + b"!", unknown))

    def append(self, topic, partition, producer=None, timestamp=0, compacted=False):
        """One record, somehow."""
        random = self.random
        key = f"k{random.randrange(20)}".encode()
        if not compacted:
            key = random.choices((key, None, b"", b"\xff\xfe\x00"), (90, 6, 2, 2))[0]
        value = self.value(topic) if random.random() < 0.9 else self.spoilt(topic)
        headers = random.choice((None, None, [("trace", b"omega-1"), ("odd", None), ("raw", b"\xff\x00")]))
        producer = producer or self.plain[random.choice(CODECS)]
        while True:
            try:
                return producer.produce(
                    topic,
                    value,
                    key,
                    partition,
                    timestamp=timestamp,
                    headers=headers,
                    on_delivery=lambda error, _: self.failed.append(error) if error else None,
                )
            except BufferError:
                producer.poll(1)

    def append_whole(self, topic, partition):
        """A record that can be decoded."""
        seen = {"id": "whole", "n": 1, "kind": "red", "ratio": 0.5, "note": None}
        self.plain["none"].produce(topic, self.framed(topic, SEEN, seen), b"k", partition)

    def flush(self, *producers):
        for producer in producers or self.plain.values():
            left = producer.flush(60)
            assert not left and not self.failed, (left, self.failed)

    def fill(self, topic, weights, records, timestamp=lambda: 0, compacted=False):
        """Records of no transaction and of transactions that commit and abort, side by side."""
        random, open_transactions = self.random, []
        writers = [self.transactional(f"{topic}-{number}") for number in range(3)]
        partitions = random.choices(range(len(weights)), weights, k=records)
        for number, partition in enumerate(partitions):
            if number % 60 == 0 and (idle := [writer for writer in writers if writer not in open_transactions]):
                open_transactions.append(random.choice(idle))
                open_transactions[-1].begin_transaction()
            if number % 90 == 89 and open_transactions:
                self.end(open_transactions.pop(0), random.random() < 0.5)
            producer = random.choice([None, *open_transactions])
            self.append(topic, partition, producer, timestamp(), compacted)
            if random.random() < 0.05:
                # What is in flight together goes into one batch; this makes many small ones, interleaved.
                self.flush(*open_transactions, *self.plain.values())
        for producer in open_transactions:
            self.end(producer, random.random() < 0.5)
        self.flush()

    def end(self, producer, commits):
        producer.flush(60)
        if commits:
            producer.commit_transaction(60)
        else:
            # Records that were not sent yet would never reach the log; those that did are to be passed over.
            producer.abort_transaction(60)

    def leave_open(self, topic, partition):
        """A transaction that stays undecided, and plain records behind it. Whoever holds it holds it open."""
        producer = self.transactional(f"{topic}-open")
        producer.begin_transaction()
        for _ in range(5):
            self.append(topic, partition, producer)
        self.flush(producer)
        for _ in range(5):
            self.append(topic, partition)
        self.flush()
        return producer


def now_ms():
    return int(time.time() * 1000)
