"""Decodes a topic with a client that is not ours and compares it, field by field, with `foldstream messages`.

    python tests/oracle/decode.py BROKERS REGISTRY_URL DATABASE_URL TOPIC MESSAGES_FILE

MESSAGES_FILE holds what `foldstream messages --output json` printed: one JSON object a line.
"""

import base64
import datetime
import json
import sys
import uuid

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient, topic_record_subject_name_strategy
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from names import physical

brokers, registry_url, _, topic, messages_file = sys.argv[1:6]
registry = SchemaRegistryClient({"url": registry_url})
decode = AvroDeserializer(registry, conf={"subject.name.strategy": topic_record_subject_name_strategy})
consumer = Consumer(
    {
        "bootstrap.servers": brokers,
        "group.id": "decode-never-joined",
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
        "auto.offset.reset": "error",
        "enable.partition.eof": True,
    }
)


def records():
    """Every committed record of the topic by partition and offset."""
    name = physical(topic)
    partitions = consumer.list_topics(name, timeout=30).topics[name].partitions
    consumer.assign([TopicPartition(name, partition, 0) for partition in partitions])
    found, open_partitions = {}, set(partitions)
    while open_partitions:
        for message in consumer.consume(10_000, timeout=0.05):
            if message.error() is None:
                found[message.partition(), message.offset()] = message
            elif message.error().name() == "_PARTITION_EOF":
                open_partitions.discard(message.partition())
            else:
                sys.exit(f"{topic}: {message.error()}")
    return found


def written(value):
    """A decoded value as foldstream writes it."""
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc)
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, list):
        return [written(item) for item in value]
    if isinstance(value, dict):
        return {name: written(item) for name, item in value.items()}
    return value


def read(ours, like):
    """A value of ours, with times read back where the other client has a time."""
    if isinstance(like, datetime.datetime) and isinstance(ours, str):
        return datetime.datetime.fromisoformat(ours)
    if isinstance(like, list) and isinstance(ours, list) and len(like) == len(ours):
        return [read(*pair) for pair in zip(ours, like)]
    if isinstance(like, dict) and isinstance(ours, dict):
        return {name: read(value, like.get(name)) for name, value in ours.items()}
    return ours


compared = 0
with open(messages_file) as lines:
    messages = [json.loads(line) for line in lines]
assert messages, f"no messages of {topic}"
recorded = records()
for ours in messages:
    theirs = recorded[ours["partition"], ours["offset"]]
    assert ours["topic"] == topic
    assert ours["position"] == f"{topic}:{ours['partition']}:{ours['offset']}"
    assert ours["key"] == theirs.key().decode(), ours["position"]
    kind, at = theirs.timestamp()
    assert kind == TIMESTAMP_LOG_APPEND_TIME, kind
    assert datetime.datetime.fromisoformat(ours["timestamp"]).timestamp() == at / 1000, ours["position"]
    headers = [{"name": name, "value": value.decode()} for name, value in theirs.headers() or []]
    assert ours["headers"] == headers, ours["position"]
    assert ours["size"] == len(theirs.key()) + len(theirs.value() or b""), ours["position"]
    if theirs.value() is None:
        assert ours["value"] is None, ours["position"]
        continue
    if ours.get("error"):
        assert base64.b64decode(ours["error"]["value_base64"]) == theirs.value(), ours
        continue
    if ours["value_encoding"] == "text":
        assert ours["value"] == theirs.value().decode(), ours
        continue
    schema_id = int.from_bytes(theirs.value()[1:5], "big")
    assert ours["schema"]["id"] == schema_id, ours["position"]
    latest = registry.get_latest_version(physical(ours["schema"]["subject"]))
    assert latest.schema_id == schema_id and latest.version == ours["schema"]["version"], ours["schema"]
    value = written(decode(theirs.value(), SerializationContext(physical(topic), MessageField.VALUE)))
    assert {name: read(ours["value"].get(name), field) for name, field in value.items()} == value, ours
    assert ours["value"].keys() == value.keys(), ours
    compared += 1
print(f"{topic}: {compared} records agree field by field")
