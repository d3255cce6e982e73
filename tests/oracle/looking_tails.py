"""Shows of `looking.py`: live tails, left and taken up again."""

import collections

from confluent_kafka.admin import NewPartitions

from looking_api import until
from looking_log import only, shown


def by_partition(messages):
    found = collections.defaultdict(list)
    for message in messages:
        found[message["partition"]].append(shown(message))
    return found


def exactly(log, expected, messages, what):
    """Each partition's records in the order of offsets, nothing missed and nothing twice."""
    wanted = {at: [log.described(record) for record in records] for at, records in expected.items() if records}
    found = by_partition(messages)
    for partition in wanted.keys() | found.keys():
        offsets = [[record["position"] for record in side.get(partition, [])] for side in (wanted, found)]
        assert offsets[0] == offsets[1], f"{what}, partition {partition}\nexpected {offsets[0]}\nfound    {offsets[1]}"
    assert wanted == dict(found), what


def since(log, topic, ends):
    """What was appended behind these ends."""
    return only(log.read(topic), lambda record: record.offset >= ends.get(record.partition, 0))


def append(log, writer, topic, count, random, timestamp=lambda: 0):
    """Records that become visible, and others that are aborted; how many of the first there are."""
    stable = log.stable_ends(topic)
    # Behind an undecided transaction nothing becomes visible.
    free = [partition for partition, end in log.ends(topic).items() if end == stable[partition]]
    transactional = writer.transactional(f"{topic}-tail")
    for commits in (True, False):
        transactional.begin_transaction()
        for _ in range(count // 2):
            writer.append(topic, random.choice(free), transactional, timestamp())
        writer.end(transactional, commits)
    for _ in range(count - count // 2):
        writer.append(topic, random.choice(free), timestamp=timestamp())
    writer.flush()
    return count


def live(log, api, writer, topic, random, settings):
    """Several listen at once, one of them with a filter; each is given exactly what it asked for."""
    before = log.stable_ends(topic)
    tails = [api.tail(topic) for _ in range(3)]
    blue = api.tail(topic, [("where", "kind=blue")])
    count = append(log, writer, topic, 60, random)
    expected = since(log, topic, before)
    for tail in tails:
        exactly(log, expected, tail.messages(count), "a live tail")

    def is_blue(record):
        decoded = log.decoded(record)
        return decoded is not None and decoded[1].get("kind") == "blue"

    wanted = only(expected, is_blue)
    exactly(log, wanted, blue.messages(sum(map(len, wanted.values()))), "a tail with a filter")
    told = set(blue.untold)
    unreadable = {
        (record.partition, record.offset)
        for records in expected.values()
        for record in records
        if record.value is not None and log.decoded(record) is None
    }
    assert told <= unreadable and len(told) == len(blue.untold), (blue.untold, unreadable)
    for at, records in wanted.items():
        # What lies before something that was shown was told of before it.
        before_last = {place for place in unreadable if place[0] == at and records and place[1] < records[-1].offset}
        assert before_last <= told, (before_last, told)
    # In the middle of what came together: the rest is what comes next, also from another process.
    before = log.stable_ends(topic)
    count = append(log, writer, topic, 80, random)
    first = tails[0].messages(13)
    tails[0].close()
    again = api.tail(topic, last_id=tails[0].last_id)
    exactly(log, since(log, topic, before), first + again.messages(count - 13), "a tail that was interrupted")
    again.close()
    api.restart(*settings)
    later = api.tail(topic, last_id=tails[0].last_id)
    exactly(log, since(log, topic, before), first + later.messages(count - 13), "the same after a restart")
    for tail in (*tails[1:], blue, later):
        tail.close()


def comes_back(log, api, writer, topic, random, settings):
    """Away while much is appended, with times that are out of order, and again and again while it catches up."""
    before = log.stable_ends(topic)
    tail = api.tail(topic)
    tail.close()
    clock = iter(random.sample(range(1_700_000_000_000, 1_700_000_100_000), 5_000))
    count = append(log, writer, topic, 400, random, lambda: next(clock))
    found = []
    for number in (1, 2, 50, 7, 100):
        tail = api.tail(topic, last_id=tail.last_id)
        found += tail.messages(number)
        tail.close()
        if number == 50:
            api.restart(*settings)
    tail = api.tail(topic, last_id=tail.last_id)
    count += append(log, writer, topic, 40, random, lambda: next(clock))
    found += tail.messages(count - len(found))
    tail.close()
    exactly(log, since(log, topic, before), found, "a tail that came back")


def passed_by(log, api, writer, topic, random):
    """A tail whose filter lets nothing pass is told where it stands all the same, and goes on from there."""
    tail = api.tail(topic, [("key", "nobody")])
    append(log, writer, topic, 40, random)
    passed = log.stable_ends(topic)
    name, line = tail.event()
    if name == "undecided":
        name, line = tail.event()
    assert name == "comment", (name, line)
    tail.close()
    count = append(log, writer, topic, 20, random)
    again = api.tail(topic, last_id=tail.last_id)
    exactly(log, since(log, topic, passed), again.messages(count), "a tail that nothing passed")
    again.close()


def waits(log, api, writer, topic):
    """What waits for the end of a transaction is told to whoever listens, before and after; and so is its end."""
    writer.create(topic, 2)
    writer.register(topic)
    before = api.tail(topic)
    producer = writer.transactional(f"{topic}-open")
    producer.begin_transaction()
    writer.append(topic, 1, producer)
    writer.flush(producer)
    writer.append(topic, 1)
    writer.flush()
    waiting = {"undecided": [{"partition": 1, "from": 0, "to": 2}]}
    assert until_event(before, "undecided") == waiting
    after = api.tail(topic)
    assert until_event(after, "undecided") == waiting
    writer.end(producer, True)
    for tail in (before, after):
        found = tail.messages(2)
        if tail.undecided != []:
            assert until_event(tail, "undecided") == {"undecided": []}
        exactly(log, log.read(topic), found, "a tail of what waited")
        tail.close()


def until_event(tail, wanted):
    """What the next event of this name says; nothing else comes before it but signs of life."""
    while True:
        name, data = tail.event()
        if name == "undecided":
            tail.undecided = data["undecided"]
        if name == wanted:
            return data
        assert name == "comment", (name, data)


def grows(log, api, writer, topic):
    """Partitions that are added while somebody listens are listened to from their beginning."""
    writer.create(topic, 1)
    writer.register(topic)
    tail = api.tail(topic)
    writer.append(topic, 0)
    writer.flush()
    found = tail.messages(1)
    for future in log.admin.create_partitions([NewPartitions(topic, 3)]).values():
        future.result(30)
    until(f"{topic} has grown", 30, lambda: ((seen := log.partitions(topic)) == [0, 1, 2], seen))
    # A client that knew the topic as it was before would not send to partitions it does not know.
    fresh = writer.producer({})
    for partition in (0, 1, 2, 1):
        writer.append(topic, partition, fresh)
    writer.flush(fresh)
    found += tail.messages(4)
    tail.close()
    exactly(log, log.read(topic), found, "a tail of a topic that grew")
