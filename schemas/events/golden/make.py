"""Writes a golden record with an encoder that is not ours (fastavro): schema, bytes and value of one version.

    python golden/make.py avro/locations/LocationReported.avsc 1 '{"event_id": …}'

Run once for each new version of a schema; what is written stays for ever, because records like it do.
"""

import datetime
import io
import json
import pathlib
import sys

import fastavro

schema_file, version, value = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
schema = json.loads(pathlib.Path(schema_file).read_text())
native = dict(value)
for field in schema["fields"]:
    if isinstance(field["type"], dict) and field["type"].get("logicalType") == "timestamp-micros":
        epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
        native[field["name"]] = epoch + datetime.timedelta(microseconds=value[field["name"]])
datum = io.BytesIO()
fastavro.schemaless_writer(datum, fastavro.parse_schema(schema), native)
folder = pathlib.Path(__file__).parent / f"{schema['namespace']}.{schema['name']}"
folder.mkdir(exist_ok=True)
golden = {"schema": schema, "datum_hex": datum.getvalue().hex(), "value": value}
(folder / f"v{version}.json").write_text(json.dumps(golden, indent=2) + "\n")
