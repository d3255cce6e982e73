"""Whatever was acknowledged to a client is a row, unless its person was erased.

    python tests/oracle/acknowledged.py BROKERS REGISTRY_URL DATABASE_URL FILE

FILE has a line for each acknowledged location: its event id and its person's id.
"""

import sys

import psycopg

from topics import read

with open(sys.argv[4]) as lines:
    acknowledged = dict(line.split() for line in lines)
if not acknowledged:
    sys.exit("no location was acknowledged: that none is lost says nothing")
erased = {message.key().decode() for message in read("people") if message.headers() and dict(message.headers())["ce_type"].endswith(b"PersonErased")}
with psycopg.connect(sys.argv[3]) as connection:
    rows = connection.execute("select event_id::text from location_history where event_id::text = any(%s)", (list(acknowledged),))
    found = {event_id for (event_id,) in rows}
missing = [event_id for event_id, person in acknowledged.items() if event_id not in found and person not in erased]
if missing:
    sys.exit(f"{len(missing)} of {len(acknowledged)} acknowledged locations are lost: {missing[:3]}")
of_erased = sum(person in erased for person in acknowledged.values())
print(f"acknowledged: {len(acknowledged)} locations, none lost, {of_erased} of people who were erased later")
