"""Appends a golden record to a topic, as a client that is not ours would.

    python dev/check/append_golden.py BROKERS REGISTRY_URL TOPIC KEY FILE
"""

import json
import pathlib
import sys
import urllib.request

from confluent_kafka import Producer

brokers, registry, topic, key, file = sys.argv[1:]
golden = json.loads(pathlib.Path(file).read_text())
subject = f"{topic}-{golden['schema']['namespace']}.{golden['schema']['name']}"
with urllib.request.urlopen(f"{registry}/subjects/{subject}/versions/latest", timeout=30) as answer:
    schema_id = json.load(answer)["id"]
value = b"\0" + schema_id.to_bytes(4) + bytes.fromhex(golden["datum_hex"])
failed = []
producer = Producer({"bootstrap.servers": brokers, "partitioner": "murmur2_random", "acks": "all"})
producer.produce(topic, key=key, value=value, on_delivery=lambda error, _: failed.append(error) if error else None)
producer.flush(30)
if failed or len(producer):
    sys.exit(f"not appended: {failed}")
