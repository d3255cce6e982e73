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
import unicodedata
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

    def decoded(self, record, part="value"):
        """Name of the type and the value; none when there is no value or it cannot be decoded to its last byte."""
        schema_id, datum = framed(record, part)
        kind, schema = self.schema(schema_id) if schema_id else (None, None)
        if kind != "AVRO":
            return None
        datum = io.BytesIO(datum)
        try:
            decoded = fastavro.schemaless_reader(datum, schema)
        except Exception:  # Whatever a decoder does with bytes that are none of its schema.
            return None
        return None if datum.read() else (schema["name"] if isinstance(schema, dict) else None, decoded)

    def type_of(self, record):
        """Name of the type that the schema of a value has, whatever follows it; none where there is no such schema."""
        schema_id, _ = framed(record, "value")
        kind, schema = self.schema(schema_id) if schema_id else (None, None)
        return schema["name"] if kind == "AVRO" else None

    def schema(self, schema_id):
        """Its kind, and the schema where it is Avro."""
        if schema_id not in self.schemas:
            try:
                with urllib.request.urlopen(f"{self.registry_url}/schemas/ids/{schema_id}", timeout=30) as answer:
                    found = json.load(answer)
                    kind = found.get("schemaType", "AVRO")
                    avro = fastavro.parse_schema(json.loads(found["schema"])) if kind == "AVRO" else None
                    self.schemas[schema_id] = kind, avro
            except urllib.error.HTTPError:
                self.schemas[schema_id] = None, None
        return self.schemas[schema_id]

    def shown_part(self, record, part):
        """A key or a value as it must be shown, and how that is encoded."""
        whole = getattr(record, part)
        if whole is None:
            return None, None
        decoded = self.decoded(record, part)
        if decoded:
            return decoded[1], "avro"
        schema_id, datum = framed(record, part)
        if schema_id is None or self.schema(schema_id)[0] == "JSON":
            shown, encoding = text(datum)
            if encoding == "text" and (part == "value" or schema_id) and shown.lstrip()[:1] in ("{", "["):
                try:
                    return json.loads(shown), "json"
                except ValueError:
                    pass
            if encoding == "text":
                return shown, encoding
        return base64.b64encode(whole).decode(), "base64"

    def described(self, record):
        """What a message of this record must say."""
        key, key_encoding = self.shown_part(record, "key")
        value, value_encoding = self.shown_part(record, "value")
        unreadable = value_encoding == "base64"
        return {
            "position": f"{record.topic}:{record.partition}:{record.offset}",
            "timestamp": written(record.timestamp),
            "timestamp_ms": record.timestamp,
            "key": key,
            "key_encoding": key_encoding,
            "value": None if unreadable else value,
            "value_encoding": value_encoding,
            "value_base64": value if unreadable else None,
            "headers": [{"name": name, "value": header(value)} for name, value in record.headers],
            "size": len(record.key or b"") + len(record.value or b""),
            "transaction": record.transaction,
        }


def framed(record, part):
    """The schema id that a key or a value names, and its datum; a header decides."""
    whole = getattr(record, part) or b""
    by_header = dict(record.headers).get(f"__{part}_schema_id")
    if by_header is not None:
        return int.from_bytes(by_header[1:5], "big"), whole
    if len(whole) < 5 or whole[0] != 0:
        return None, whole
    return int.from_bytes(whole[1:5], "big"), whole[5:]


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
        "timestamp_ms": message["timestamp_ms"],
        "key": message["key"],
        "key_encoding": message["key_encoding"],
        "value": message["value"],
        "value_encoding": message["value_encoding"],
        "value_base64": error["value_base64"] if error else None,
        "headers": message["headers"],
        "size": message["size"],
        "transaction": message.get("transaction"),
    }


def text(value):
    """As text where it is some, without control characters but those that shape it; otherwise as base64."""
    try:
        decoded = value.decode()
    except UnicodeDecodeError:
        decoded = "\0"
    if any(unicodedata.category(character) == "Cc" and character not in "\t\n\r" for character in decoded):
        return base64.b64encode(value).decode(), "base64"
    return decoded, "text"


def header(value):
    if value is None:
        return None
    readable, encoding = text(value)
    return {"base64": readable} if encoding == "base64" else readable


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
