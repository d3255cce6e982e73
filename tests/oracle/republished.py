"""Records to republish, and whether they were: by a client that is not ours.

    python republished.py BROKERS REGISTRY_URL DATABASE_URL fill
    python republished.py BROKERS REGISTRY_URL DATABASE_URL held FROM TO WHICH

`fill` makes the topics `parcels` (4 partitions), `labels` (3), `narrow` (1, records of a kilobyte at most) and `latest` (1,
compacted), and appends to `parcels` keys, values and headers of every kind, some of them in a transaction that is aborted.
It prints how many records are committed.

`held` says that of the committed records of FROM those that WHICH names (`none`, `all`, `key=KEY`, or positions joined by commas) have
exactly one copy on TO and no other has one: each with the bytes and headers of its original, in its partition, behind copies
of what lies before it. It prints how many there are.
"""

import collections
import random
import sys

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from looking_log import partition_of
from names import physical

REDRIVE_OF = "redrive_of"
TOPICS = [
    ("parcels", 4, {}),
    ("labels", 3, {}),
    ("narrow", 1, {"max.message.bytes": "1000"}),
    ("latest", 1, {"cleanup.policy": "compact"}),
]

brokers, action = sys.argv[1], sys.argv[4]


def fill():
    admin = AdminClient({"bootstrap.servers": brokers})
    topics = [NewTopic(physical(name), partitions, 3, config=config) for name, partitions, config in TOPICS]
    for future in admin.create_topics(topics).values():
        future.result(30)
    settings = {"bootstrap.servers": brokers, "partitioner": "murmur2_random", "linger.ms": 5}
    producer = Producer(settings)
    keys = [None, b"", b"ada", b"grace", b"\xff\x00\xfe", "käthe".encode()]
    values = [None, b"", b"text", b"\x00\x01\xff", b'{"a": 1}', random.Random(7).randbytes(2000)]
    headers = [
        None,
        [("name", b"one"), ("name", b"two"), ("other", None), ("name", b"one")],
        [("bytes", b"\xff\x00"), ("empty", b""), ("", b"no name")],
        [(REDRIVE_OF, b"elsewhere:0:7"), ("between", b"x"), (REDRIVE_OF, b"elsewhere:0:8")],
    ]
    count = 0
    for turn in range(90):
        for number, key in enumerate(keys):
            count += 1
            value, header = values[(turn + number) % len(values)], headers[(turn * 5 + number) % len(headers)]
            place = {} if key is not None else {"partition": turn % 4}
            producer.produce(physical("parcels"), key=key, value=value, headers=header, **place)
    assert producer.flush(30) == 0
    producer = Producer({**settings, "transactional.id": physical("never")})
    producer.init_transactions(30)
    producer.begin_transaction()
    for key in keys:
        producer.produce(physical("parcels"), key=key, value=b"never committed")
    producer.flush(30)
    producer.abort_transaction(30)
    print(count)


def read(topic):
    """Every committed record, by partition in the order of offsets."""
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
    unread = set(consumer.list_topics(physical(topic), 30).topics[physical(topic)].partitions)
    found = {partition: [] for partition in sorted(unread)}
    consumer.assign([TopicPartition(physical(topic), partition, 0) for partition in unread])
    while unread:
        for message in consumer.consume(1000, timeout=0.05):
            if message.error() is None:
                found[message.partition()].append(message)
            else:
                assert message.error().name() == "_PARTITION_EOF", message.error()
                unread.discard(message.partition())
    consumer.close()
    return found


def position(topic, message):
    return f"{topic}:{message.partition()}:{message.offset()}"


def original_of(message, topic):
    """Where it was first, of a copy of a record of that topic."""
    named = [value for name, value in message.headers() or [] if name == REDRIVE_OF]
    return named[-1].decode() if named and named[-1].startswith(topic.encode() + b":") else None


def without(headers):
    return [(name, value) for name, value in headers or [] if name != REDRIVE_OF]


def is_wanted(which, place, message):
    if which in ("all", "none"):
        return which == "all"
    kind, _, named = which.partition("=")
    return message.key() == named.encode() if kind == "key" else place in which.split(",")


def held(source, target, which):
    originals = {
        position(source, message): message
        for messages in read(source).values()
        for message in messages
        if original_of(message, source) is None
    }
    wanted = {place for place, message in originals.items() if is_wanted(which, place, message)}
    copies = read(target)
    seen = collections.Counter()
    for partition, messages in copies.items():
        last = {}
        for message in messages:
            place = original_of(message, source)
            if place is None:
                continue
            seen[place] += 1
            original = originals[place]
            assert message.key() == original.key(), (place, message.key(), original.key())
            assert message.value() == original.value(), place
            assert message.headers()[-1] == (REDRIVE_OF, place.encode()), (place, message.headers())
            assert sum(name == REDRIVE_OF for name, _ in message.headers()) == 1, (place, message.headers())
            assert without(message.headers()) == without(original.headers()), (place, message.headers())
            if source == target:
                assert partition == original.partition(), place
            elif original.key() is not None:
                assert partition == partition_of(original.key(), len(copies)), (place, partition)
            assert last.get(original.partition(), -1) < original.offset(), f"{place} lies behind what came after it"
            last[original.partition()] = original.offset()
    assert seen == collections.Counter(wanted), f"missing {wanted - set(seen)}, besides {seen - collections.Counter(wanted)}"
    if source != target and which == "all":
        assert all(copies.values()), "what has no key is spread"
    print(sum(seen.values()))


if action == "fill":
    fill()
else:
    held(*sys.argv[5:])
