"""A log as a client that is not ours reads it, whole and by brute force; what a page of it must hold, in plain words.

Shared by the shows of `looking.py`. Nothing here knows how `/messages` reads: every record is fetched, the merge takes
one record after the other, and a filter is a function of one record.
"""

import base64
import collections
import datetime
import heapq
import io
import json
import urllib.error
import urllib.request

import fastavro
from confluent_kafka import Consumer, IsolationLevel, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

Record = collections.namedtuple("Record", "topic partition offset timestamp key value headers transaction")
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


class Log:
    """The brokers, for reading."""

    def __init__(self, brokers, registry_url):
        self.brokers, self.registry_url = brokers, registry_url
        self.admin = AdminClient({"bootstrap.servers": brokers})
        self.schemas = {}

    def partitions(self, topic):
        return sorted(self.admin.list_topics(topic, timeout=30).topics[topic].partitions)

    def offsets(self, topic, spec, isolation=IsolationLevel.READ_UNCOMMITTED):
        """Of every partition the offset that is meant."""
        asked = {TopicPartition(topic, partition): spec for partition in self.partitions(topic)}
        found = self.admin.list_offsets(asked, isolation_level=isolation)
        return {place.partition: future.result(30).offset for place, future in found.items()}

    def lows(self, topic):
        return self.offsets(topic, OffsetSpec.earliest())

    def stable_ends(self, topic):
        return self.offsets(topic, OffsetSpec.latest(), IsolationLevel.READ_COMMITTED)

    def ends(self, topic):
        return self.offsets(topic, OffsetSpec.latest())

    def read(self, topic, isolation="read_committed"):
        """Every record, by partition in the order of offsets; of empty partitions an empty list."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.brokers,
                "group.id": "oracle-never-joined",
                "enable.auto.commit": False,
                "isolation.level": isolation,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": 10,
            }
        )
        lows = self.lows(topic)
        consumer.assign([TopicPartition(topic, partition, low) for partition, low in lows.items()])
        found, unread = {partition: [] for partition in lows}, set(lows)
        while unread:
            for message in consumer.consume(10_000, timeout=0.05):
                if message.error() is None:
                    found[message.partition()].append(record_of(message))
                elif message.error().name() == "_PARTITION_EOF":
                    unread.discard(message.partition())
                else:
                    raise OSError(f"{topic}: {message.error()}")
        consumer.close()
        return found

    def read_flagged(self, topic):
        """The same with aborted and undecided records, each flagged as such."""
        committed = {(record.partition, record.offset) for records in self.read(topic).values() for record in records}
        stable_ends = self.stable_ends(topic)

        def flagged(record):
            if record.offset >= stable_ends[record.partition]:
                return record._replace(transaction="undecided")
            return record if (record.partition, record.offset) in committed else record._replace(transaction="aborted")

        everything = self.read(topic, "read_uncommitted")
        return {partition: [flagged(record) for record in records] for partition, records in everything.items()}

    def decoded(self, record):
        """Name of the type and the value; none when there is no value or it cannot be decoded to its last byte."""
        value = record.value
        if value is None or len(value) < 5 or value[0] != 0:
            return None
        schema_id = int.from_bytes(value[1:5], "big")
        if schema_id not in self.schemas:
            self.schemas[schema_id] = self.schema(schema_id)
        schema = self.schemas[schema_id]
        if schema is None:
            return None
        datum = io.BytesIO(value[5:])
        try:
            decoded = fastavro.schemaless_reader(datum, schema)
        except Exception:  # Whatever a decoder does with bytes that are none of its schema.
            return None
        return None if datum.read() else (schema["name"], decoded)

    def type_of(self, record):
        """Name of the type that the schema of a value has, whatever follows it; none where there is no such schema."""
        self.decoded(record)
        value = record.value or b""
        schema = self.schemas.get(int.from_bytes(value[1:5], "big")) if len(value) >= 5 and value[0] == 0 else None
        return schema and schema["name"]

    def schema(self, schema_id):
        try:
            with urllib.request.urlopen(f"{self.registry_url}/schemas/ids/{schema_id}", timeout=30) as answer:
                found = json.load(answer)
        except urllib.error.HTTPError:
            return None
        return fastavro.parse_schema(json.loads(found["schema"])) if found.get("schemaType", "AVRO") == "AVRO" else None

    def described(self, record):
        """What a message of this record must say."""
        decoded = self.decoded(record)
        unreadable = record.value is not None and decoded is None
        key, key_encoding = text(record.key)
        return {
            "position": f"{record.topic}:{record.partition}:{record.offset}",
            "timestamp": written(record.timestamp),
            "key": key,
            "key_encoding": key_encoding,
            "value": decoded[1] if decoded else None,
            "value_base64": base64.b64encode(record.value).decode() if unreadable else None,
            "headers": {name: header(value) for name, value in record.headers},
            "size": len(record.key or b"") + len(record.value or b""),
            "transaction": record.transaction,
        }


def record_of(message):
    return Record(
        message.topic(),
        message.partition(),
        message.offset(),
        message.timestamp()[1],
        message.key(),
        message.value(),
        message.headers() or [],
        None,
    )


def shown(message):
    """A message of ours, in the same words as `described`."""
    error = message.get("error")
    assert error is None or error["reason"], message
    return {
        "position": message["position"],
        "timestamp": message["timestamp"],
        "key": message["key"],
        "key_encoding": message.get("key_encoding"),
        "value": message["value"],
        "value_base64": error["value_base64"] if error else None,
        "headers": message["headers"],
        "size": message["size"],
        "transaction": message.get("transaction"),
    }


def text(value):
    try:
        return (None if value is None else value.decode()), None
    except UnicodeDecodeError:
        return base64.b64encode(value).decode(), "base64"


def header(value):
    readable, encoding = text(value)
    return {"base64": readable} if encoding else readable


def written(milliseconds):
    at = EPOCH + datetime.timedelta(milliseconds=milliseconds)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03}Z"


def merged(partitions, order="newest"):
    """The rule: of the partitions' next records again and again the greatest (newest first) or the smallest."""
    sign = -1 if order == "newest" else 1
    lanes = {partition: iter(records[::sign]) for partition, records in partitions.items()}
    heads = []

    def push(partition):
        record = next(lanes[partition], None)
        if record is not None:
            heapq.heappush(heads, ((sign * record.timestamp, sign * partition, sign * record.offset), record))

    for partition in lanes:
        push(partition)
    found = []
    while heads:
        _, record = heapq.heappop(heads)
        found.append(record)
        push(record.partition)
    return found


def only(partitions, wanted):
    """The records that are wanted."""
    return {partition: [record for record in records if wanted(record)] for partition, records in partitions.items()}


def partition_of(key, partitions):
    """Where the Java client's partitioner puts a key: murmur2."""
    word, mask = 0x5BD1E995, 0xFFFFFFFF
    state = 0x9747B28C ^ len(key)
    whole = len(key) - len(key) % 4
    for at in range(0, whole, 4):
        part = int.from_bytes(key[at : at + 4], "little") * word & mask
        part = (part ^ part >> 24) * word & mask
        state = state * word & mask ^ part
    if key[whole:]:
        state = (state ^ int.from_bytes(key[whole:], "little")) * word & mask
    state = (state ^ state >> 13) * word & mask
    return ((state ^ state >> 15) & 0x7FFFFFFF) % partitions
