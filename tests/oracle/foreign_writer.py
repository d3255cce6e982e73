"""Writes locations with schemas of its own, as a team would that never saw ours, and prints the key of each and what of
it must be named.

    python tests/oracle/foreign_writer.py BROKERS REGISTRY_URL DATABASE_URL

Each schema is registered under the subject that most clients use (`<topic>-value`), where nothing holds it against ours;
the registry is asked for no compatibility there.
"""

import copy
import io
import json
import pathlib
import sys
import time
import urllib.request
import uuid

import fastavro
from confluent_kafka import Producer

from names import physical

ROOT = pathlib.Path(__file__).resolve().parents[2]
brokers, registry = sys.argv[1:3]
ours = json.loads((ROOT / "schemas/avro/locations/LocationReported.avsc").read_text())
value = {
    "event_id": uuid.UUID(int=7),
    "occurred_at": int(time.time() * 1000),
    "latitude": 1.0,
    "longitude": 2.0,
    "accuracy_m": None,
}


def field(schema, name):
    return next(field for field in schema["fields"] if field["name"] == name)


def call(method, path, body):
    request = urllib.request.Request(
        f"{registry}{path}",
        method=method,
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/vnd.schemaregistry.v1+json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def milliseconds(schema, value):
    field(schema, "occurred_at")["type"]["logicalType"] = "timestamp-millis"
    return "field occurred_at is long (timestamp-millis) in it, and is read as long (timestamp-micros)"


def a_bare_number(schema, value):
    field(schema, "occurred_at")["type"] = "long"
    return "field occurred_at is long in it, and is read as long (timestamp-micros)"


def a_text_for_an_id(schema, value):
    field(schema, "event_id")["type"] = "string"
    value["event_id"] = str(value["event_id"])
    return "field event_id is string in it, and is read as string (uuid)"


def another_name(schema, value):
    field(schema, "accuracy_m").update(name="accuracy", type="double")
    del field(schema, "accuracy")["default"]
    value["accuracy"] = 4.0
    return "field accuracy is double in it, and would be lost"


def a_narrow_number(schema, value):
    field(schema, "latitude")["type"] = "float"
    return "field latitude is float in it, and is read as double"


def always_there(schema, value):
    field(schema, "accuracy_m").update(type="double")
    del field(schema, "accuracy_m")["default"]
    value["accuracy_m"] = 4.0
    return "field accuracy_m is double in it, and is read as [null, double]"


subject = physical("locations-value")
producer = Producer({"bootstrap.servers": brokers, "partitioner": "murmur2_random", "acks": "all"})
failed = []
call("PUT", f"/config/{subject}", {"compatibility": "NONE"})
for case in (milliseconds, a_bare_number, a_text_for_an_id, another_name, a_narrow_number, always_there):
    schema, written = copy.deepcopy(ours), dict(value, person_id=case.__name__)
    expected = case(schema, written)
    schema_id = call("POST", f"/subjects/{subject}/versions", {"schema": json.dumps(schema)})["id"]
    datum = io.BytesIO()
    fastavro.schemaless_writer(datum, fastavro.parse_schema(schema), written)
    producer.produce(
        physical("locations"),
        key=case.__name__,
        value=b"\0" + schema_id.to_bytes(4, "big") + datum.getvalue(),
        on_delivery=lambda error, _: failed.append(error) if error else None,
    )
    print(f"{case.__name__}\t{expected}")
producer.flush(30)
if failed or len(producer):
    sys.exit(f"not appended: {failed}")
