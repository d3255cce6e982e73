"""Topics as a client that is not ours reads them, and the comparison of two lists. Shared by the oracles."""

import sys

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient, topic_record_subject_name_strategy
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from names import physical

brokers, registry_url = sys.argv[1:3]
# The default strategy asks the registry about associations, for every record, and this registry has none.
strategy = {"subject.name.strategy": topic_record_subject_name_strategy}
decode_value = AvroDeserializer(SchemaRegistryClient({"url": registry_url}), conf=strategy)


def read(topic):
    """Every committed record of a topic, per partition in the order of offsets."""
    topic = physical(topic)
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "oracle-never-joined",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "fetch.wait.max.ms": 10,
        }
    )
    partitions = sorted(consumer.list_topics(topic, timeout=30).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    open_partitions = set(partitions)
    while open_partitions:
        for message in consumer.consume(10_000, timeout=0.05):
            if message.error():
                if message.error().name() != "_PARTITION_EOF":
                    raise SystemExit(f"{topic}: {message.error()}")
                open_partitions.discard(message.partition())
                continue
            yield message
    consumer.close()


def decode(message):
    context = SerializationContext(message.topic(), MessageField.VALUE)
    return decode_value(message.value(), context)


def compare(name, expected, found):
    """Two lists must be equal; says what is missing, extra or doubled."""
    if expected == found:
        print(f"{name}: {len(expected)} expected, {len(found)} found, equal row by row")
        return
    missing = sorted(set(expected) - set(found))
    extra = sorted(set(found) - set(expected))
    doubled = len(found) - len(set(found))
    sys.exit(
        f"{name}: {len(expected)} expected, {len(found)} found; "
        f"{len(missing)} missing {missing[:3]}, {len(extra)} extra {extra[:3]}, {doubled} doubled"
    )
