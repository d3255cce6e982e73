"""Writes a golden record with an encoder that is not ours (fastavro): schema, bytes and value of one version.

    python golden/make.py avro/locations/LocationReported.avsc 1 '{"event_id": …}'

Run once for each new version of a schema; what is written stays for ever, because records like it do. A version that
exists is not written again: a schema that changed is a new version.
"""

import datetime
import io
import json
import pathlib
import sys

import fastavro

schema_file, version, value = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
schema = json.loads(pathlib.Path(schema_file).read_text())
for field in schema["fields"]:
    # Rules are no part of what is registered.
    field.pop("rule", None)


def native(kind, value):
    """The value as the encoder wants it: JSON has neither times nor bytes."""
    if isinstance(kind, list):
        return None if value is None else native(next(one for one in kind if one != "null"), value)
    if kind == "bytes":
        return bytes(value)
    if not isinstance(kind, dict):
        return value
    if kind.get("logicalType") == "timestamp-micros":
        epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
        return epoch + datetime.timedelta(microseconds=value)
    if kind["type"] == "array":
        return [native(kind["items"], item) for item in value]
    if kind["type"] == "record":
        return {field["name"]: native(field["type"], value[field["name"]]) for field in kind["fields"]}
    return value


datum = io.BytesIO()
fastavro.schemaless_writer(datum, fastavro.parse_schema(schema), native(schema, value))
folder = pathlib.Path(__file__).parent / f"{schema['namespace']}.{schema['name']}"
folder.mkdir(exist_ok=True)
golden = {"schema": schema, "datum_hex": datum.getvalue().hex(), "value": value}
with (folder / f"v{version}.json").open("x") as file:
    file.write(json.dumps(golden, indent=2) + "\n")
