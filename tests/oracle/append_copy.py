"""Appends a copy of a key's newest record to its topic, bytes and headers as they are.

    python tests/oracle/append_copy.py BROKERS REGISTRY_URL DATABASE_URL TOPIC KEY
"""

import sys

from confluent_kafka import Producer

from names import physical
from topics import read

topic, key = sys.argv[4:6]
newest = [message for message in read(topic) if message.key() == key.encode()][-1]
producer = Producer({"bootstrap.servers": sys.argv[1], "partitioner": "murmur2_random", "acks": "all"})
failed = []
producer.produce(
    physical(topic),
    key=newest.key(),
    value=newest.value(),
    headers=newest.headers(),
    on_delivery=lambda error, _: failed.append(error) if error else None,
)
producer.flush(30)
if failed or len(producer):
    sys.exit(f"not appended: {failed}")
