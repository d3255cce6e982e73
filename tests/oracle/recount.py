"""An independent recount: reads topics with confluent-kafka and its own Avro decoder, the tables with psycopg, and
compares them row by row. Prints the counts; fails with the first differences.

    python tests/oracle/recount.py BROKERS REGISTRY_URL DATABASE_URL [DISCARDED...]

DISCARDED are positions (topic:partition:offset) of records that somebody discarded: they are nowhere but on the topic.
"""

import sys

import psycopg
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient, topic_record_subject_name_strategy
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

brokers, registry_url, database_url = sys.argv[1:4]
discarded = [position.rsplit(":", 2) for position in sys.argv[4:]]
# The default strategy asks the registry about associations, for every record, and this registry has none.
strategy = {"subject.name.strategy": topic_record_subject_name_strategy}
decode_value = AvroDeserializer(SchemaRegistryClient({"url": registry_url}), conf=strategy)


def read(topic):
    """Every committed record of a topic, per partition in the order of offsets."""
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "recount-never-joined",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
        }
    )
    partitions = sorted(consumer.list_topics(topic, timeout=30).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    open_partitions = set(partitions)
    while open_partitions:
        for message in consumer.consume(10_000, timeout=1):
            if message.error():
                if message.error().name() != "_PARTITION_EOF":
                    raise SystemExit(f"{topic}: {message.error()}")
                open_partitions.discard(message.partition())
                continue
            yield message
    consumer.close()


def microseconds(at):
    return round(at.timestamp() * 1_000_000)


def decode(message):
    context = SerializationContext(message.topic(), MessageField.VALUE)
    return decode_value(message.value(), context)


def poison(connection, topic):
    """Positions that a projection put aside, or that wait behind one: they are in no table, and must be listed here."""
    rows = connection.execute(
        """select partition, "offset" from dead_letter where topic = %(topic)s and not settled
        union all
        select letter.partition, parked."offset"
        from parked_record as parked join dead_letter as letter on letter.id = parked.dead_letter_id
        where letter.topic = %(topic)s""",
        {"topic": topic},
    ).fetchall()
    assert len(rows) == len(set(rows)), "a record is put aside twice"
    return set(rows) | {(int(partition), int(offset)) for name, partition, offset in discarded if name == topic}


def compare(name, topic_rows, table_rows):
    if topic_rows == table_rows:
        print(f"{name}: {len(topic_rows)} rows on the topic, {len(table_rows)} in the table, equal row by row")
        return
    missing = sorted(set(topic_rows) - set(table_rows))
    extra = sorted(set(table_rows) - set(topic_rows))
    doubled = len(table_rows) - len(set(table_rows))
    sys.exit(
        f"{name}: {len(topic_rows)} rows on the topic, {len(table_rows)} in the table; "
        f"{len(missing)} missing {missing[:3]}, {len(extra)} extra {extra[:3]}, {doubled} doubled"
    )


with psycopg.connect(database_url) as connection:
    put_aside = poison(connection, "locations")
    history, current = [], {}
    for message in read("locations"):
        place = (message.partition(), message.offset())
        if place in put_aside:
            continue
        event = decode(message)
        assert message.key().decode() == event["person_id"], place
        row = (
            *place,
            str(event["event_id"]),
            event["person_id"],
            microseconds(event["occurred_at"]),
            event["latitude"],
            event["longitude"],
        )
        history.append(row)
        latest = current.get(row[3])
        if latest is None or (latest[4], latest[1]) < (row[4], row[1]):
            current[row[3]] = row
    columns = """source_partition, source_offset, event_id::text, person_id,
        (extract(epoch from occurred_at) * 1000000)::bigint,
        st_y(position::geometry), st_x(position::geometry)"""
    order = "order by source_partition, source_offset"
    table = connection.execute(f"select {columns} from location_history {order}").fetchall()
    compare("location_history", sorted(history), table)
    table = connection.execute(f"select {columns} from current_location {order}").fetchall()
    compare("current_location", sorted(current.values()), table)

    put_aside = poison(connection, "person-profiles")
    people = {}
    for message in read("person-profiles"):
        if (message.partition(), message.offset()) in put_aside:
            continue
        if message.value() is None:
            people.pop(message.key().decode(), None)
            continue
        event = decode(message)
        people[event["person_id"]] = (
            event["person_id"],
            event["first_name"],
            event["last_name"],
            event["company_name"],
            str(event["event_id"]),
            message.partition(),
            message.offset(),
        )
    table = connection.execute(
        """select person_id, first_name, last_name, company_name, event_id::text, source_partition, source_offset
        from person"""
    ).fetchall()
    compare("person", sorted(people.values()), sorted(table))

    sequences = [decode(message)["next_sequence"] for message in read("source-progress")]
    print(f"source-progress: {len(sequences)} records")
