"""Shows of `looking.py`: single records, poison, what is asked wrongly, and that looking leaves nothing behind."""

import datetime
import io
import json
import time

import fastavro
from confluent_kafka.admin import NewPartitions

from looking_api import until
from looking_log import merged, partition_of, shown
from looking_pages import same
from looking_topics import SEEN, now_ms

JSON_SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "properties": {"id": {"type": "integer"}},
}
UNCOMMITTED = [("isolation", "read_uncommitted")]


def single(log, api, _, topic, random):
    """What lies at an offset, or why there is nothing."""
    committed, flagged = log.read(topic), log.read_flagged(topic)
    lows, ends = log.lows(topic), log.ends(topic)
    visible = {(record.partition, record.offset): record for records in committed.values() for record in records}
    present = {(record.partition, record.offset): record for records in flagged.values() for record in records}
    places = [(partition, offset) for partition, end in ends.items() for offset in range(lows[partition], end)]
    reasons = set()
    # Of every kind some, however rare it is.
    kinds = (visible, present.keys() - visible.keys(), set(places) - present.keys())
    for place in [place for kind in kinds for place in random.sample(sorted(kind), min(50, len(kind)))]:
        path = f"/messages/{topic}/{place[0]}/{place[1]}"
        record = present.get(place)
        if place in visible:
            assert shown(api.get(path)) == log.described(visible[place]), path
        elif record:
            word = {"aborted": "its transaction was aborted", "undecided": "its transaction is undecided"}
            api.refused(path, [], 404, "offset", word[record.transaction])
            reasons.add(record.transaction)
            assert shown(api.get(path, UNCOMMITTED)) == log.described(record), path
        else:
            _, _, body = api.ask(path)
            reason = "compaction removed it" if b"compaction" in body else "it is the mark of a transaction"
            assert reason != "compaction removed it" or topic.startswith("compacted"), body
            api.refused(path, UNCOMMITTED, 404, "offset", reason)
            reasons.add(reason)
    # The cleaner removes marks too.
    assert "it is the mark of a transaction" in reasons or topic.startswith("compacted"), reasons
    assert ("compaction removed it" in reasons) == topic.startswith("compacted"), reasons
    for partition, end in ends.items():
        api.refused(f"/messages/{topic}/{partition}/{end}", [], 404, "offset", "not", "appended")
        if lows[partition]:
            removed = random.randrange(lows[partition])
            api.refused(f"/messages/{topic}/{partition}/{removed}", [], 404, "offset", "retention removed it")


def poison(log, api, writer, topic):
    """Every kind of broken record stands in its place, with the reason and its bytes."""
    writer.create(topic, 1, max_message_bytes=8_000_000)
    writer.register(topic)
    as_json = writer.register_as(f"{topic}-json", json.dumps(JSON_SCHEMA), "JSON")
    protobuf = 'syntax = "proto3"; package looking; message Spot { string id = 1; }'
    as_protobuf = writer.register_as(f"{topic}-protobuf", protobuf, "PROTOBUF")
    as_text = writer.register_as(f"{topic}-key", json.dumps("string"), "AVRO")
    whole = writer.framed(topic, SEEN, {"id": "good", "n": 1, "kind": "red", "ratio": 0.5, "note": "short"})

    def of_schema(schema_id, datum=whole[5:]):
        return b"\0" + schema_id.to_bytes(4, "big") + datum

    records = [
        (b"good", whole, []),
        (b"empty", b"", []),
        (b"not framed", b"hello", []),
        (b"json text", b'{"id": "good"}', []),
        (b"frame cut off", whole[:3], []),
        (b"frame only", whole[:5], []),
        (b"unknown schema", of_schema(999_999), []),
        (b"greatest id", of_schema(0xFFFF_FFFF), []),
        (b"json schema", of_schema(as_json, b'{"id": 1}'), []),
        (b"protobuf schema", of_schema(as_protobuf, b"\0\n\x01a"), []),
        *((b"truncated", whole[:end], []) for end in range(6, len(whole))),
        (b"trailing", whole + b"!", []),
        (b"no text inside", whole.replace(b"good", b"\xff\xfe\xff\xfe"), []),
        (b"endless", of_schema(int.from_bytes(whole[1:5], "big"), b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"), []),
        (b"huge", b"h" * 3_000_000, []),
        (b"\xff\xfe", whole, []),
        (None, whole, []),
        (b"", whole, []),
        (b"tombstone", None, []),
        (None, None, []),
        (b"headers", whole, [("none", None), ("raw", b"\xff\x00"), ("empty", b""), ("", b"no name")]),
        (b"doubled headers", whole, [("twice", b"first"), ("twice", b"second")]),
        (b"odd headers", whole, [("controls", b"a\x01b"), ("tab", b"a\tb"), ("not text", b"\xc3"), ("accent", "é".encode())]),
        (b"by header", whole[5:], [("__value_schema_id", whole[:5])]),
        (b"frame behind a header", whole, [("__value_schema_id", whole[:5])]),
        (b"unknown by header", whole, [("__value_schema_id", of_schema(999_999, b""))]),
        (b"json array", b' ["Z\\u00fcrich", 1.5, null]', []),
        (b"json number", b"42", []),
        (of_schema(as_text, b"\x06ada"), whole, []),
        (b"ada", whole, []),
        (b"YWRh", whole, []),
        ((42).to_bytes(8, "big"), whole, []),
        (of_schema(as_text, b"\x06ad"), whole, []),
        (b"good again", whole, []),
    ]
    producer = writer.producer({"message.max.bytes": 8_000_000})
    for key, value, headers in records:
        producer.produce(topic, value, key, 0, headers=headers)
    writer.flush(producer)
    read = log.read(topic)
    assert len(read[0]) == len(records)
    page = api.get("/messages", [("topic", topic), ("limit", 1000)])
    same(log, merged(read), page["messages"], "a page of poison")
    for message in page["messages"]:
        if message["key_encoding"] is None:
            continue
        # What is shown as JSON is asked for as that.
        key = message["key"] if isinstance(message["key"], str) else json.dumps(message["key"])
        asked = [("topic", topic), ("limit", 1000), ("key", key)]
        alike = [record for record in merged(read) if log.shown_part(record, "key")[0] == message["key"]]
        same(log, alike, api.get("/messages", asked)["messages"], f"key {key}")
        encoding = message["key_encoding"]
        found = api.get("/messages", [*asked, ("key_encoding", encoding)])["messages"]
        alike = [record for record in alike if log.shown_part(record, "key")[1] == encoding]
        same(log, alike, found, f"key {key} as {encoding}")
    undecodable = [record for record in merged(read) if log.described(record)["value_encoding"] == "base64"]
    assert len(undecodable) > 20
    page = api.get("/messages", [("topic", topic), ("limit", 1000), ("undecodable", "true")])
    same(log, undecodable, page["messages"], "only what cannot be decoded")
    reasons = {message["key"]: message["error"]["reason"] for message in page["messages"]}
    for key, word in (
        ("frame cut off", "names no schema"),
        ("unknown schema", "999999"),
        ("unknown by header", "999999"),
        ("protobuf schema", str(as_protobuf)),
        ("truncated", "is not what schema"),
        ("trailing", "1 bytes follow"),
    ):
        assert word in reasons[key], reasons
    for record in read[0]:
        assert shown(api.get(f"/messages/{topic}/0/{record.offset}")) == log.described(record)
    same(log, read[0], api.export(topic), "an export of poison")


def lost_cursors(log, api, writer, topic):
    """A cursor is of one list; it is gone with the records it leads to, and with the topic."""
    for name in (topic, f"{topic}-other"):
        writer.create(name, 2)
        writer.register(name)
        for number in range(60):
            writer.append(name, number % 2)
    writer.flush()
    asked = [("topic", topic), ("limit", 10)]
    newest, oldest = (api.get("/messages", [*asked, ("order", order)])["next"] for order in ("newest", "oldest"))

    def with_cursor(cursor, order="newest", name=topic, more=()):
        return [("topic", name), ("limit", 10), ("order", order), *more, ("cursor", cursor)]

    def refuse(parameters):
        api.refused("/messages", parameters, 400, "cursor", "same list")

    refuse(with_cursor(newest, name=f"{topic}-other"))
    refuse(with_cursor(newest, "oldest"))
    refuse(with_cursor(newest, more=[("where", "n>5")]))
    for at in range(0, len(newest), 7):
        other = "B" if newest[at] == "A" else "A"
        refuse(with_cursor(newest[:at] + other + newest[at + 1 :]))
    for broken in ("", "x", newest[:-1], newest + "A", "ü", newest * 50):
        refuse(with_cursor(broken))
    # The size of a page is no part of the list.
    api.get("/messages", [("limit", 7) if name == "limit" else (name, value) for name, value in with_cursor(newest)])
    writer.remove_before(topic, {0: 28, 1: 28})
    gone = "begins at 28"
    api.refused("/messages", with_cursor(oldest, "oldest"), 410, "cursor", gone)
    writer.remove_before(topic, {0: 30, 1: 30})
    api.refused("/messages", with_cursor(newest), 410, "cursor", "begins at 30")
    # Deleted and made again, it has another id.
    other = [("topic", f"{topic}-other"), ("limit", 10)]
    cursor = api.get("/messages", other)["next"]
    writer.delete(f"{topic}-other")

    def recreated():
        try:
            writer.create(f"{topic}-other", 2)
            return True, None
        except Exception as failure:  # Still being deleted.
            return False, failure

    until("the topic is made again", 30, recreated)
    until(
        "the topic is known again",
        30,
        lambda: ((found := api.ask("/messages", other))[0] == 200, found),
    )
    api.refused("/messages", [*other, ("cursor", cursor)], 410, "cursor", "made again")
    for path in ("/messages", "/messages/export"):
        status, _, body = api.ask(path, [("topic", f"{topic}-other")])
        assert status == 200 and b"seen-" not in body, body


WRONG = {
    "limit": ("0", "-1", "1001", "x", "", "1.5", "99999999999999999999"),
    "partition": ("-1", "x", "", "1,", "1;2", "2147483648", "0,-1"),
    "key": ("k" * 16_385,),
    "key_encoding": ("", "hex", "text"),
    "since": ("yesterday", "", "-5", "2026-13-01", "5y", "99999999999999999999", "2026-01-01T00"),
    "until": ("tomorrow", "", "-5", "2026-02-30"),
    "type": ("", "a b", "1a", "a..b", "a" * 501),
    "contains": ("", "c" * 201),
    "where": ("", "n", "=5", "a..b=1", "n > 5", "n==5", "n=>5", "n=" + "5" * 1001),
    "undecodable": ("yes", "", "1", "TRUE"),
    "order": ("up", "", "Newest"),
    "isolation": ("dirty", ""),
    "value": ("", "half", "Full"),
    "fields": ("", "a,", "a..b", "a, b", ",".join(["n"] * 33)),
    "cursor": ("made-up", ""),
    "topic": ("", "a/b", "..", "a b", "ü", "t" * 250),
}


def parts_of_values(log, api, writer, topic):
    """Less of a value may be shown: then that is said, and what is shown is what stands there."""
    writer.create(topic, 2)
    writer.register(topic)
    for number in range(4):
        writer.append_whole(topic, number % 2)
    writer.plain["none"].produce(topic, json.dumps({"items": [{"sku": "a", "n": 1}, {"sku": "b"}]}), None, 0)
    writer.plain["none"].produce(topic, json.dumps({"n": 7, "long": "x" * 1000, "many": list(range(100))}), None, 0)
    writer.plain["none"].produce(topic, None, b"k", 1)
    writer.flush()
    whole = {message["position"]: message for message in api.get("/messages", [("topic", topic)])["messages"]}

    def shown(*asked):
        return api.get("/messages", [("topic", topic), *asked])

    page = shown(("fields", "n,items[*].sku"))
    assert page["complete"] is True, page
    for message in page["messages"]:
        value = whole[message["position"]]["value"]
        part = {name: value[name] for name in ("n",) if name in value} if value else None
        if value and "items" in value:
            part["items"] = [{"sku": item["sku"]} for item in value["items"]]
        assert message["value"] == part and message.get("value_cut", False) == (part != value), message
    page = shown(("fields", "n,nowhere.at_all"))
    assert page["complete"] is False and page["unknown_paths"] == ["nowhere.at_all"], page
    for message in shown(("value", "none"))["messages"]:
        expected = dict(whole[message["position"]], value=None, value_encoding=None)
        is_cut = message.pop("value_cut", False)
        assert message == expected and is_cut == (whole[message["position"]]["value"] is not None), message
    previews = {message["position"]: message for message in shown(("value", "preview"))["messages"]}
    cut = [message["value"] for message in previews.values() if message.get("value_cut")]
    assert cut == [{"n": 7, "long": "x" * 256, "many": list(range(20))}], cut
    assert {at: message for at, message in previews.items() if not message.get("value_cut")}.items() <= whole.items()
    lines = [json.loads(line) for line in api.ask("/messages/export", [("topic", topic), ("fields", "no")])[2].splitlines()]
    assert lines[-1]["error"]["unknown_paths"] == ["no"] and len(lines) == len(whole) + 1, lines[-1]
    single = api.get(f"/messages/{topic}/0/0", [("fields", "kind,no")])
    assert (single["value"], single["value_cut"], single["unknown_paths"]) == ({"kind": "red"}, True, ["no"]), single
    tail = api.tail(topic, [("fields", "n")])
    writer.append_whole(topic, 0)
    writer.flush()
    assert [(message["value"], message["value_cut"]) for message in tail.messages(1)] == [({"n": 1}, True)]
    tail.close()


def wrong(_, api, writer, topic):
    """Every parameter's wrong values, unknown and doubled parameters: a 4xx that names field, value and rule."""
    writer.create(topic, 2)
    taken = {
        "/messages": set(WRONG),
        "/messages/export": set(WRONG) - {"limit", "cursor", "order"},
        "/messages/stream": set(WRONG) - {"limit", "cursor", "order", "isolation", "since", "until"},
    }
    for path, names in taken.items():
        for name, values in WRONG.items():
            asked = [] if name == "topic" else [("topic", topic)]
            # A parameter that this path does not take is refused whatever its value.
            for value in values if name in names else ("1",):
                api.refused(path, [*asked, (name, value)], 400, name)
            if name in names and name != "where":
                api.refused(path, [*asked, *[(name, "1")] * 2], 400, name)
        api.refused(path, [], 400, "topic")
        api.refused(path, [("topic", topic), ("limti", "5")], 400, "limti")
        api.refused(path, [("topic", topic), *[("where", "n=1")] * 21], 400, "where")
        api.refused(path, [("topic", topic), ("partition", "0,2")], 404, "partition")
        api.refused(path, [("topic", "no-such-topic")], 404, "topic")
    for times in (("2026-01-02", "2026-01-01"), ("2026-01-01", "2026-01-01")):
        api.refused("/messages", [("topic", topic), ("since", times[0]), ("until", times[1])], 400, None)
    for place, field in (("-1/0", "partition"), ("x/0", "partition"), ("0/-1", "offset"), ("0/x", "offset")):
        api.refused(f"/messages/{topic}/{place}", [], 400, field)
    api.refused(f"/messages/{topic}/2/0", [], 404, "partition")
    api.refused(f"/messages/{topic}/0/0", [], 404, "offset")
    api.refused(f"/messages/{topic}/0/0", [("isolation", "dirty")], 400, "isolation")
    api.refused("/messages/no-such-topic/0/0", [], 404, "topic")
    api.refused("/messages/a%20b/0/0", [], 400, "topic")


def times_pass(log, api, writer, topic):
    """What `since=2s` meant is settled by the first page; that the time has passed `until` since changes nothing."""
    writer.create(topic, 1, message_timestamp_type="LogAppendTime")
    writer.register(topic)
    for _ in range(30):
        writer.append(topic, 0)
    writer.flush()
    deadline = now_ms() + 1
    asked = [("topic", topic), ("limit", 10), ("since", "2s"), ("until", deadline)]
    expected = merged(log.read(topic))
    page = api.get("/messages", asked)
    same(log, expected[:10], page["messages"], "the first page")
    until("two seconds have passed", 10, lambda: (now_ms() > deadline + 2_000, now_ms()))
    second = api.get("/messages", [*asked, ("cursor", page["next"])])
    same(log, expected[10:20], second["messages"], "the second page")


def grows_between(log, api, writer, topic):
    """The pages of a key are of the partitions there were at the first one; who asks anew is shown all."""
    key = next(key for key in map(str, range(1000)) if partition_of(key.encode(), 5))
    writer.create(topic, 1)
    for _ in range(30):
        writer.plain["none"].produce(topic, b"grows", key, 0)
    writer.flush()
    expected = log.read(topic)
    pages = api.pages(topic, [("key", key), ("limit", 7)])
    found = next(pages)["messages"]
    for future in log.admin.create_partitions([NewPartitions(topic, 5)]).values():
        future.result(30)
    until(f"{topic} has grown", 30, lambda: (len(seen := log.partitions(topic)) == 5, seen))
    for page in pages:
        found += page["messages"]
    same(log, merged(expected), found, "the pages of a key in a topic that grew")
    # Where the key lives now, and where it lived; librdkafka's own clients place it by CRC32.
    for partitioner in ("murmur2_random", "consistent_random"):
        producer = writer.producer({"partitioner": partitioner})
        producer.produce(topic, b"grown", key)
        writer.flush(producer)
    everything = log.read(topic)
    assert len(merged(everything)) == 32
    answered = api.get("/messages", [("topic", topic), ("key", key), ("limit", 1000)])
    same(log, merged(everything), answered["messages"], "a key in a topic that grew")


def many_calls(log, api, _, topic, random):
    """A thousand calls of all kinds, also for topics that are none."""
    places = [(record.partition, record.offset) for records in log.read(topic).values() for record in records]
    begun = api.calls
    while api.calls < begun + 1_000:
        name = random.choice((topic, topic, f"no-such-topic-{api.calls}"))
        partition, offset = random.choice(places)
        calls = [
            ("/messages", [("topic", name), ("limit", 5)]),
            ("/messages", [("topic", name), ("limit", 5), ("where", "n>500"), ("partition", partition)]),
            ("/messages", [("topic", name), ("key", "k1"), ("since", "1h"), ("order", "oldest")]),
            (f"/messages/{name}/{partition}/{offset}", []),
        ]
        status, _, body = api.ask(*random.choice(calls))
        assert status == (200 if name == topic else 404), body
        if api.calls % 100 == 0:
            api.tail(topic).close()
            api.refused("/messages/stream", [("topic", f"no-such-topic-{api.calls}")], 404, "topic")
            api.refused("/messages/export", [("topic", f"no-such-topic-{api.calls}")], 404, "topic")
            api.export(topic, [("partition", partition)])


def without_a_leader(log, api, writer, topic, settings):
    """What lies on other brokers can be seen although a partition has no leader, and a tail brings it."""
    writer.create_on(topic, (1, 2, 3))
    writer.register(topic)
    for partition in range(3):
        writer.append(topic, partition)
    writer.flush()
    expected = log.read(topic)
    tail, key = api.tail(topic), next(key for key in map(str, range(1000)) if partition_of(key.encode(), 3) == 1)
    left = api.tail(topic)
    left.close()
    api.kill_broker(3)
    # One that begins now is told of it, and does not wait for it; nor does one that comes back.
    begun = time.monotonic()
    late, again = api.tail(topic), api.tail(topic, last_id=left.last_id)
    took = time.monotonic() - begun
    assert took < 10, took
    fresh = writer.producer({})
    for partition in (0, 1, 1, 0):
        writer.append(topic, partition, fresh)
    fresh.produce(topic, b"here", key, 1)
    writer.flush(fresh)
    for each in (tail, late, again):
        found = each.messages(5)
        assert sorted(message["partition"] for message in found) == [0, 0, 1, 1, 1], found
    tail.close()
    page = api.get("/messages", [("topic", topic), ("partition", "0,1"), ("limit", 7)])
    assert len(page["messages"]) == 7 and page["next"] is None, page
    # Nobody knows where the clients of this topic put it.
    api.refused("/messages", [("topic", topic), ("key", key)], 503, None, "partition 2")
    page = api.get("/messages", [("topic", topic), ("key", key), ("partition", 1), ("since", "1h")])
    assert [message["key"] for message in page["messages"]] == [key], page
    record = expected[0][0]
    assert shown(api.get(f"/messages/{topic}/0/{record.offset}")) == log.described(record)
    for path, asked in (("/messages", [("topic", topic)]), (f"/messages/{topic}/2/0", [])):
        api.refused(path, asked, 503, None, "partition 2")
    # A process that has not listened yet.
    api.restart(*settings)
    begun = time.monotonic()
    late, again = api.tail(topic), api.tail(topic, last_id=left.last_id)
    took = time.monotonic() - begun
    assert took < 10, took
    for each in (late, again):
        assert each.listening["waiting"] == [2], each.listening
    assert sorted(message["partition"] for message in again.messages(5)) == [0, 0, 1, 1, 1]
    back = again.last_id
    again.close()
    again = api.tail(topic, last_id=back)
    writer.append(topic, 0, fresh)
    writer.flush(fresh)
    for each in (late, again):
        assert [message["partition"] for message in each.messages(1)] == [0]
    api.start_broker(3)
    writer.append(topic, 2, fresh)
    writer.flush(fresh)
    for each in (late, again):
        assert [message["position"] for message in each.messages(1)] == [f"{topic}:2:1"]
        assert each.taken_up == [{"partition": 2, "from": 1}], each.taken_up
        each.close()


def registry_away(log, api, writer, topic, settings):
    """While the registry is away nothing is taken for all there is: a page counts what could not be compared, an export is
    refused, a tail waits; and when it is back they say everything."""
    writer.create(topic, 2)
    writer.register(topic)
    # A process that has not seen the schemas.
    api.restart(*settings)
    asked = [("where", "n>=-1000")]
    api.freeze_registry()
    tail = api.tail(topic, asked)
    for number in range(6):
        writer.append_whole(topic, number % 2)
    writer.flush()
    page = api.get("/messages", [("topic", topic), *asked])
    assert page["messages"] == [] and page["complete"] is False, page
    assert page["uncompared"]["count"] == 6 and page["uncompared"]["retriable"] is True, page
    api.refused("/messages/export", [("topic", topic), *asked], 503, None, "schema registry")
    api.kill_registry()
    for parameters in (asked, [("type", "Seen")], [("type", "Seen"), *asked], [("contains", "nowhere")]):
        page = api.get("/messages", [("topic", topic), *parameters])
        assert page["messages"] == [] and page["complete"] is False, page
        assert page["uncompared"]["count"] == 6 and page["uncompared"]["retriable"] is True, page
        api.refused("/messages/export", [("topic", topic), *parameters], 503, None, "schema registry")
    page = api.get("/messages", [("topic", topic)])
    assert len(page["messages"]) == 6 and page["complete"] is True, page
    name, line = tail.event()
    assert name == "comment" and "waiting" in line, (name, line)
    api.start_registry()
    expected = log.read(topic)
    assert sorted(message["position"] for message in tail.messages(6)) == sorted(
        f"{topic}:{record.partition}:{record.offset}" for records in expected.values() for record in records
    )
    assert not tail.untold, tail.untold
    tail.close()
    page = api.get("/messages", [("topic", topic), *asked])
    same(log, merged(expected), page["messages"], "what was not to be told before")
    assert page["complete"] is True, page
    same(log, merged(expected, "oldest"), api.export(topic, asked), "the same as an export")


def times_and_numbers(log, api, writer, topic):
    """Times and numbers are understood however they are written, in `where` as in `since`, or refused with the reason."""
    writer.create(topic, 1)
    told = {
        "type": "record",
        "name": "looking.Told",
        "fields": [
            {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
            {"name": "degrees", "type": ["null", "double"]},
        ],
    }
    schema_id = writer.register_as(f"{topic}-looking.Told", json.dumps(told), "AVRO")
    now = now_ms() // 1000 * 1000
    times = [now - hours * 3_600_000 for hours in range(24, -1, -1)]
    for number, at in enumerate(times):
        datum = io.BytesIO()
        degrees = float("nan") if number == 3 else None if number == 4 else float(number)
        fastavro.schemaless_writer(datum, told, {"at": at, "degrees": degrees})
        value = b"\0" + schema_id.to_bytes(4, "big") + datum.getvalue()
        writer.plain["none"].produce(topic, value, b"k", 0, timestamp=at)
    writer.flush()
    noon = datetime.datetime.fromtimestamp(times[12] / 1000, datetime.timezone.utc)
    east = noon.astimezone(datetime.timezone(datetime.timedelta(hours=5)))
    forms = [
        str(times[12]),
        f"{noon:%Y-%m-%dT%H:%M:%SZ}",
        f"{noon:%Y-%m-%dT%H:%M:%S.000}",
        f"{noon:%Y-%m-%d %H:%M:%S}",
        f"{east:%Y-%m-%dT%H:%M:%S+05:00}",
        # As it arrives when the plus was not encoded.
        f"{east:%Y-%m-%dT%H:%M:%S 05:00}",
        "750m",
    ]
    for form in forms:
        for asked in (("since", form), ("where", f"at>={form}")):
            page = api.get("/messages", [("topic", topic), asked])
            assert len(page["messages"]) == 13 and page["complete"] is True, (asked, len(page["messages"]), page)
    pages = list(api.pages(topic, [("where", "at>=750m"), ("limit", 5)]))
    assert [len(page["messages"]) for page in pages] == [5, 5, 3], pages
    for condition, count in (("degrees>=-1e9", 23), ("degrees<1e9", 23), ("degrees=NaN", 1), ("degrees=null", 1), ("degrees>=12.50", 12)):
        page = api.get("/messages", [("topic", topic), ("where", condition)])
        assert len(page["messages"]) == count and page["complete"] is True, (condition, page)
    for value in ("tomorrow", "20261131", "1795255200", "T15:02Z", "12,5", "2026-11-25T25:00"):
        api.refused("/messages", [("topic", topic), ("where", f"at>={value}")], 400, "where", "at is a time", value)
        api.refused("/messages", [("topic", topic), ("since", value)], 400, "since", "a time is written", value)
    for condition in ("degrees>=9,5", "degrees=nine", "degrees<1_000", "degrees>=2026-11-25", "degrees>NaN"):
        for path in ("/messages", "/messages/export"):
            api.refused(path, [("topic", topic), ("where", condition)], 400, "where", "a number", condition)


def unknown_paths(log, api, writer, topic):
    """A path that no schema on the way has is named, and nothing is said to be all there is."""
    writer.create(topic, 1)
    writer.register(topic)
    for _ in range(5):
        writer.append_whole(topic, 0)
    writer.append(topic, 0)
    writer.flush()
    for condition, path in (("notes=hi", "notes"), ("note.string=hi", "note.string"), ("id[1].sku=b", "id[1].sku")):
        page = api.get("/messages", [("topic", topic), ("where", condition)])
        assert page["complete"] is False and page["unknown_paths"] == [path], page
        *_, error = api.export(topic, [("where", condition)])
        assert error["error"]["unknown_paths"] == [path] and path in error["error"]["detail"], error
    page = api.get("/messages", [("topic", topic), ("where", "note=nobody wrote this")])
    assert "unknown_paths" not in page, page


def greedy(_, api, __, topic):
    """A client that has had the brokers read too much is told to wait, and served again when it has."""
    api.restart("--client-bytes-per-second", "100000")
    asked = [("topic", topic), ("limit", 1000), ("where", "n=12345")]

    def refused():
        status, headers, body = api.ask("/messages", asked)
        assert status in (200, 429), body
        return status == 429, (headers, json.loads(body))

    headers, problem = until("a client is refused", 30, refused)
    assert headers["retry-after"] and headers["content-type"].startswith("application/problem+json")
    assert problem["status"] == 429 and problem["detail"], problem
    begun = time.monotonic()
    until("it is served again", 30, lambda: ((found := api.ask("/messages", asked))[0] == 200, found))
    print(f"a greedy client waited {time.monotonic() - begun:.1f} s", flush=True)
