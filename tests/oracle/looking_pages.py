"""Shows of `looking.py`: lists of records, in one page and in many, against the brute-force list."""

import json
import threading

from looking_api import until
from looking_log import merged, only, shown
from looking_topics import now_ms


def same(log, expected, messages, what):
    """The messages are exactly these records, in this order."""
    wanted, found = [log.described(record) for record in expected], [shown(message) for message in messages]
    for at, (record, message) in enumerate(zip(wanted, found)):
        assert record == message, f"{what}: number {at} differs\nexpected {record}\nfound    {message}"
    assert len(wanted) == len(found), f"{what}: {len(wanted)} expected, {len(found)} found"


def covers(page, partitions, began):
    """What a page says it covered holds exactly its messages; every partition goes on where it stopped before."""
    for covered in page["covered"]:
        partition = covered["partition"]
        within = [record.offset for record in partitions[partition] if covered["from"] <= record.offset < covered["to"]]
        held = sorted(message["offset"] for message in page["messages"] if message["partition"] == partition)
        assert held == within, f"{covered} holds {within}, the page {held}"
        began.setdefault((partition, "end"), covered["end"])
        assert began[partition, "end"] == covered["end"], "the end of a partition has moved"


def newest(log, api, _, topic):
    """One page of every size in both orders, asked twice: what is at hand the second time is the same."""
    partitions = log.read(topic)
    for order in ("newest", "oldest"):
        expected = merged(partitions, order)
        for limit in (1, 7, 50, 1000, 50):
            page = api.get("/messages", [("topic", topic), ("limit", limit), ("order", order)])
            same(log, expected[:limit], page["messages"], f"{topic}, {order} {limit}")
            assert page["complete"] is True and page["topic"] == topic
            covers(page, partitions, {})
            if len(expected) < limit:
                assert page["next"] is None, "there is nothing more"


def glued(log, api, topic, partitions, parameters, between=None, untold=None):
    """Pages that follow each other are the list, and nothing else, and count what could not be told; gives them."""
    found, began, pages, uncompared = [], {}, [], 0
    positions = {f"{topic}:{at}:{record.offset}" for at, records in (untold or {}).items() for record in records}
    for page in api.pages(topic, parameters, between):
        covers(page, partitions, began)
        found.extend(page["messages"])
        pages.append(page)
        if "uncompared" in page:
            told = page["uncompared"]
            assert told["first"] in positions and not told["retriable"], told
            assert sum(reason["count"] for reason in told["reasons"]) == told["count"] > 0, told
            uncompared += told["count"]
    same(log, merged(partitions, dict(parameters).get("order", "newest")), found, f"{topic} {parameters}")
    assert uncompared == len(positions), f"{topic} {parameters}: {uncompared} of {len(positions)} were not compared"
    return pages


def questions(log, topic, partitions, random):
    """Filters, each as parameters, as a function of one record, and of which records it cannot be told."""
    everything = [record for records in partitions.values() for record in records]
    times = sorted(record.timestamp for record in everything)
    since, until = times[len(times) // 4], times[len(times) * 3 // 4] + 1
    key = f"k{random.randrange(20)}"
    some = sorted(random.sample(sorted(partitions), min(3, len(partitions))))
    word = "zeta"

    def field(name, test):
        def meets(record):
            decoded = log.decoded(record)
            return decoded is not None and test(decoded[1].get(name, KeyError))

        return meets

    def holds(record):
        decoded = log.decoded(record)
        texts = [record.key or b"", *(value or b"" for _, value in record.headers)]
        inside = str(decoded[1]).encode() if decoded else record.value or b""
        return any(word.encode() in text for text in [*texts, inside])

    def named(name):
        return lambda record: (log.decoded(record) or (None,))[0] == f"looking.{name}"

    def undecodable(record):
        return log.described(record)["value_encoding"] == "base64"

    def unreadable(record):
        """It is something, but no datum that has a type and fields."""
        return record.value is not None and log.decoded(record) is None

    def unreadable_as(name):
        return lambda record: unreadable(record) and log.type_of(record) in (None, f"looking.{name}")

    def half_read(record):
        """Its bytes are more than text, and do not tell what it would be when decoded."""
        is_framed = len(record.value or b"") >= 5 and record.value[0] == 0
        return is_framed and unreadable(record) and not holds(record)

    def always_told(_):
        return False

    high, odd = field("n", lambda n: n > 500), field("kind", lambda kind: kind != "red")
    low, lacking = field("n", lambda n: n <= -3.5), field("note", lambda note: note is None)
    listed = ("partition", ",".join(map(str, some)))
    return [
        ([("where", "n>500")], high, unreadable),
        ([("where", "n<=-3.5"), ("where", "kind!=red")], lambda record: low(record) and odd(record), unreadable),
        (
            [("where", "note=null"), ("type", "Seen")],
            lambda record: lacking(record) and named("Seen")(record),
            unreadable_as("Seen"),
        ),
        ([("where", "note~quoted")], field("note", lambda note: isinstance(note, str) and "quoted" in note), unreadable),
        ([("type", "looking.Left")], named("Left"), unreadable_as("Left")),
        ([("key", key)], lambda record: record.key == key.encode(), always_told),
        ([("key", key), ("key_encoding", "text")], lambda record: record.key == key.encode(), always_told),
        ([("key", "")], lambda record: record.key == b"", always_told),
        ([("key", "//4A"), ("key_encoding", "base64")], lambda record: record.key == b"\xff\xfe\x00", always_told),
        (
            [("key", key), listed],
            lambda record: record.partition in some and record.key == key.encode(),
            always_told,
        ),
        ([listed], lambda record: record.partition in some, always_told),
        ([("since", since)], lambda record: record.timestamp >= since, always_told),
        ([("until", until)], lambda record: record.timestamp < until, always_told),
        (
            [("since", since), ("until", until), ("where", "n>500")],
            lambda record: since <= record.timestamp < until and high(record),
            lambda record: since <= record.timestamp < until and unreadable(record),
        ),
        ([("contains", word)], holds, half_read),
        ([("undecodable", "true")], undecodable, always_told),
    ]


def filtered(log, api, writer, topic, random):
    """Every filter in small pages, in both orders, while others append."""
    for number, (parameters, wanted, unclear) in enumerate(questions(log, topic, log.read(topic), random)):
        # What was appended during the question before belongs to the list of this one.
        whole = log.read(topic)
        partitions, untold = only(whole, wanted), only(whole, unclear)
        left = sum(map(len, partitions.values()))
        limit = max(left // 6, 1) + random.randrange(3)
        order = ("newest", "oldest")[(number + random.randrange(2)) % 2]
        compacted = topic.startswith("compacted")
        appending = (lambda _: None) if compacted else appends(writer, topic, len(partitions), random)
        glued(log, api, topic, partitions, [*parameters, ("limit", limit), ("order", order)], appending, untold)


def appends(writer, topic, partitions, random):
    """Appends a little to partitions that may have been empty before."""

    def between(_):
        for _ in range(3):
            writer.append(topic, random.randrange(partitions))
        writer.flush()

    return between


def through_restarts(log, api, writer, topic, random, settings):
    """The process that goes on with a cursor never saw the page before."""
    partitions = log.read(topic)
    append = appends(writer, topic, len(partitions), random)

    def between(count):
        append(count)
        if count in (1, 3):
            api.restart(*settings)

    total = sum(map(len, partitions.values()))
    pages = glued(log, api, topic, partitions, [("limit", min(total // 5, 1000))], between)
    assert len(pages) > 3


def uncommitted(log, api, _, topic):
    """Everything up to the high watermarks, with what became of its transaction."""
    partitions = log.read_flagged(topic)
    everything = merged(partitions)
    flags = {record.transaction for record in everything}
    assert {None, "aborted"} <= flags, flags
    glued(log, api, topic, partitions, [("limit", 700), ("isolation", "read_uncommitted")])
    oldest = [("limit", 400), ("isolation", "read_uncommitted"), ("order", "oldest")]
    glued(log, api, topic, partitions, oldest)


def exported(log, api, _, topic):
    partitions = log.read(topic)
    same(log, merged(partitions, "oldest"), api.export(topic, (), undecided(log, topic)), f"export of {topic}")
    flagged = only(log.read_flagged(topic), lambda record: record.partition == 0)
    parameters = [("partition", 0), ("isolation", "read_uncommitted")]
    same(log, merged(flagged, "oldest"), api.export(topic, parameters, []), f"export of {topic}, uncommitted")


def undecided(log, topic):
    """What is behind the last stable offsets."""
    ends, stable = log.ends(topic), log.stable_ends(topic)
    return [{"partition": at, "from": stable[at], "to": end} for at, end in sorted(ends.items()) if stable[at] < end]


def heavy(log, api, writer, topic):
    """A page holds no more at once than it may, however much its records weigh: it is cut, and leads on to the rest."""
    writer.create(topic, 3)
    for number in range(45):
        # In batches of their own, and some that are light.
        writer.plain["none"].produce(topic, b"x" * (100_000 if number % 3 else 10), None, number % 2)
        writer.flush(writer.plain["none"])
    partitions = log.read(topic)
    api.restart("--page-memory", "1000000", "--page-ms", "60000")
    for order in ("newest", "oldest"):
        pages = glued(log, api, topic, partitions, [("limit", 1000), ("order", order)])
        assert {page.get("spent") for page in pages[:-1]} == {"memory"} and len(pages) > 3, pages
        for page in pages:
            held = sum(message["size"] for message in page["messages"])
            # Half of it, and a record of each partition.
            assert held <= 500_000 + 2 * 100_010, held
    status, headers, body = api.ask("/messages", [("topic", topic), ("limit", 1000), ("contains", "y")])
    assert status == 200 and json.loads(body)["messages"] == [], body
    same(log, merged(partitions, "oldest"), api.export(topic), f"export of {topic}")


def budgeted(log, api, _, topic, random):
    """A page that may read little ends early, says why, and leads on to the rest."""
    partitions = log.read(topic)
    api.restart("--page-records", "1000", "--page-ms", "60000")
    everything, all_spent = ([], lambda _: True, lambda _: False), set()
    for parameters, wanted, unclear in [everything, *questions(log, topic, partitions, random)]:
        untold = only(partitions, unclear)
        for order in ("newest", "oldest"):
            asked = [*parameters, ("limit", 1000), ("order", order)]
            pages = glued(log, api, topic, only(partitions, wanted), asked, untold=untold)
            spent = {page.get("spent") for page in pages[:-1]}
            assert spent <= {"records", None}, spent
            all_spent |= spent
    # How evenly a topic is filled decides whether a page is full with its first round, but not with every filter.
    assert "records" in all_spent, all_spent


def in_one_partition(log, api, writer, topic):
    """Where brokers stamp the times, what only one partition has costs no more of the others than the time it spans."""
    writer.create(topic, 4, message_timestamp_type="LogAppendTime")
    # A retry must not change the order.
    producer = writer.producer({"enable.idempotence": True, "compression.type": "lz4"})

    def append(value, partition, count):
        for _ in range(count):
            producer.produce(topic, value, None, partition)
            producer.poll(0)

    def passes():
        """So much time that no difference of clocks explains it."""
        writer.flush(producer)
        begun = now_ms()
        until("eleven seconds have passed", 20, lambda: (now_ms() > begun + 11_000, now_ms()))

    append(b"needle", 2, 30)
    passes()
    for partition in range(4):
        append(b"hay", partition, 3_000)
    passes()
    append(b"needle", 2, 30)
    writer.flush(producer)
    needles = only(log.read(topic), lambda record: record.value == b"needle")
    for order in ("newest", "oldest"):
        asked = [("contains", "needle"), ("order", order)]
        page = api.get("/messages", [("topic", topic), ("limit", 5), *asked])
        same(log, merged(needles, order)[:5], page["messages"], f"the {order} needles")
        assert page["order"] == "timestamp" and page["looked_at"]["records"] < 6_000, page["looked_at"]
        glued(log, api, topic, needles, [*asked, ("limit", 7)])


def switched(log, api, writer, topic):
    """A topic that was given to the brokers' times later on keeps the times it had: nothing is lost by `until`."""
    writer.create(topic, 3)
    writer.register(topic)
    begun = now_ms()
    for number in range(600):
        # Some of clocks that are ahead, in front of some that are behind.
        writer.append(topic, number % 3, timestamp=begun + writer.random.randrange(-3_600_000, 3_600_000))
    writer.flush()
    writer.configure(topic, "message.timestamp.type", "LogAppendTime")

    def is_switched():
        writer.append(topic, 0)
        writer.flush()
        newest = max(log.read(topic)[0], key=lambda record: record.offset)
        return newest.timestamp >= begun and newest.timestamp <= now_ms(), newest

    until("the brokers stamp what is appended", 60, is_switched)
    for number in range(30):
        writer.append(topic, number % 3)
    writer.flush()
    for until_ms in (begun - 1_800_000, begun - 100, begun, now_ms() - 10, begun + 1_800_000):
        for order in ("newest", "oldest"):
            before = only(log.read(topic), lambda record, until_ms=until_ms: record.timestamp < until_ms)
            pages = glued(log, api, topic, before, [("until", until_ms), ("order", order), ("limit", 100)])
            assert all(page["order"] == "merge" for page in pages), "its times are anything"


def racing(log, api, writer, topic, random):
    """Many ask for the newest while others append, commit and abort: each answer is the list at its own ends, and those
    lie at or behind every end that was known before it was asked."""
    partitions = len(log.partitions(topic))
    done, answers, failures = threading.Event(), [], []
    transactional = writer.transactional(f"{topic}-racing")

    def ask(number):
        try:
            while not done.is_set():
                before = log.stable_ends(topic) if number == 0 else {}
                limit = (50, 1, 7, 200)[number]
                answers.append((before, limit, api.get("/messages", [("topic", topic), ("limit", limit)])))
        except BaseException as failure:
            failures.append(failure)

    askers = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for asker in askers:
        asker.start()
    begun = now_ms()
    while now_ms() - begun < 4_000 and not failures:
        transactional.begin_transaction()
        for _ in range(random.randrange(1, 30)):
            producer = transactional if random.random() < 0.5 else None
            writer.append(topic, random.randrange(partitions), producer)
        writer.flush(transactional, *writer.plain.values())
        writer.end(transactional, random.random() < 0.6)
    done.set()
    for asker in askers:
        asker.join()
    assert not failures, failures
    whole = log.read(topic)
    described = {}
    for before, limit, page in answers:
        ends = {covered["partition"]: covered["end"] for covered in page["covered"]}
        late = {partition: end for partition, end in before.items() if ends[partition] < end}
        assert not late, f"the answer ends before {late}, which was known when it was asked: {ends}"
        expected = newest_before(whole, ends, limit)
        same(log, expected, page["messages"], f"{topic} at {ends}")
        covers(page, {at: [record for record in whole[at] if record.offset < end] for at, end in ends.items()}, described)
        described.clear()
    print(f"{len(answers)} answers while {topic} grew", flush=True)


def newest_before(partitions, ends, limit):
    """The newest so many of the log as it was when it ended there."""
    # A page never needs more of a partition than it has room for.
    cut = {at: [record for record in partitions[at] if record.offset < end][-limit:] for at, end in ends.items()}
    return merged(cut)[:limit]
