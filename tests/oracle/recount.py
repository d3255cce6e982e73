"""An independent recount: reads topics with confluent-kafka and its own Avro decoder, the tables with psycopg, and
compares them row by row. Prints the counts; fails with the first differences.

    python tests/oracle/recount.py BROKERS REGISTRY_URL DATABASE_URL [--without-activity] [DISCARDED...]

DISCARDED are positions (topic:partition:offset) of records that somebody discarded: they are nowhere but on the topic.
A projection that has folded nothing though its topic holds something is a difference like any other;
`--without-activity` says that it was not run.
"""

import collections
import sys

import psycopg

from topics import compare, decode, read

database_url = sys.argv[3]
with_activity = "--without-activity" not in sys.argv
discarded = [position.rsplit(":", 2) for position in sys.argv[4:] if not position.startswith("--")]


def microseconds(at):
    return round(at.timestamp() * 1_000_000)


def decode_type(message):
    return dict(message.headers())["ce_type"].decode()


def poison(connection, projection, topic):
    """Positions that a projection put aside, or that wait behind one: they are in no table, and must be listed here."""
    rows = connection.execute(
        """select partition, "offset" from dead_letter
        where projection = %(projection)s and topic = %(topic)s and not settled
        union all
        select letter.partition, parked."offset"
        from parked_record as parked join dead_letter as letter on letter.id = parked.dead_letter_id
        where letter.projection = %(projection)s and letter.topic = %(topic)s""",
        {"projection": projection, "topic": topic},
    ).fetchall()
    assert len(rows) == len(set(rows)), "a record is put aside twice"
    return set(rows) | {(int(partition), int(offset)) for name, partition, offset in discarded if name == topic}


with psycopg.connect(database_url) as connection:
    put_aside = poison(connection, "locations-projection", "locations")
    erased = {message.key() for message in read("people") if decode_type(message).endswith("PersonErased")}
    history, current = [], {}
    for message in read("locations"):
        place = (message.partition(), message.offset())
        if place in put_aside or message.key() in erased:
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

    put_aside = poison(connection, "people-projection", "person-profiles")
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
    # A projection that never ran has no table: then its topic must hold nothing.
    table = []
    if connection.execute("select to_regclass('person')").fetchone()[0] is not None:
        table = connection.execute(
            """select person_id, first_name, last_name, company_name, event_id::text, source_partition, source_offset
            from person"""
        ).fetchall()
    compare("person", sorted(people.values()), sorted(table))

    if with_activity:
        put_aside = poison(connection, "activity-projection", "locations")
        hours = collections.Counter()
        for message in read("locations"):
            if (message.partition(), message.offset()) not in put_aside:
                hours[decode(message)["occurred_at"].replace(minute=0, second=0, microsecond=0)] += 1
        table = connection.execute("select hour, reports from activity order by hour").fetchall()
        compare("activity", sorted(hours.items()), table)

    sequences = [decode(message)["next_sequence"] for message in read("source-progress")]
    print(f"source-progress: {len(sequences)} records")
