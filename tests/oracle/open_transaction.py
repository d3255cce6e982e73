"""Opens a transaction with records of a key on some topics, and leaves it open until a line comes in; then aborts it.

    python tests/oracle/open_transaction.py BROKERS REGISTRY_URL DATABASE_URL KEY TOPIC...

Prints `open` when the brokers have the records.
"""

import sys
import uuid

from confluent_kafka import Producer

from names import physical

key, *topics = sys.argv[4:]
producer = Producer(
    {
        "bootstrap.servers": sys.argv[1],
        "partitioner": "murmur2_random",
        "transactional.id": f"somebody-{uuid.uuid4()}",
        "transaction.timeout.ms": 900_000,
    }
)
producer.init_transactions(30)
producer.begin_transaction()
for topic in topics:
    producer.produce(physical(topic), key=key, value=b"never committed")
if producer.flush(30):
    sys.exit("not appended")
print("open", flush=True)
sys.stdin.readline()
producer.abort_transaction(30)
