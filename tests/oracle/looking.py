"""Looks into random topics by `/messages` and by brute force, and compares: lists, pages, tails, single records.

    python tests/oracle/looking.py BROKERS REGISTRY_URL DATABASE_URL API_ADDRESS SEED ROUNDS

Speaks with the test that runs it: the line `restart [SETTINGS]` asks for the API process to be killed and started
anew, `kill-broker`, `start-broker`, `stop-registry` and `start-registry` for what they say; each is answered by `ready`. Every other line is for people.
"""

import random
import sys
import time
import traceback

import looking_pages as pages
import looking_places as places
import looking_tails as tails
from looking_api import Api, until
from looking_log import Log
from looking_topics import Writer, now_ms

brokers, registry_url, _, address, seed, rounds = sys.argv[1:7]
random = random.Random(int(seed))
log, api, writer = Log(brokers, registry_url), Api(address), Writer(brokers, registry_url, random)
# Whoever measures exactness must not be interrupted by a budget of time on a busy machine.
PATIENT = ("--page-ms", "60000", "--client-bytes-per-second", "4000000000")
held_open, failed = [], []


def skewed(partitions):
    """Heavily so, and some partitions stay empty."""
    weights = [0 if random.random() < 0.25 else random.random() ** 3 + 0.001 for _ in range(partitions)]
    weights[random.randrange(partitions)] = 4
    return weights


def jumbled():
    """Times of producers whose clocks are anything, some of them alike."""
    base = now_ms()
    return lambda: base - random.choice((0, 1, 1000)) * random.randrange(-1000, 10_000)


def make_wide(topic):
    """Times of the brokers, many partitions, transactions, one of them undecided."""
    writer.create(topic, 24, message_timestamp_type="LogAppendTime", segment_bytes=1_048_576)
    weights = skewed(24)
    writer.fill(topic, weights, 2_500)
    held_open.append(writer.leave_open(topic, random.choice([at for at, weight in enumerate(weights) if weight])))


def make_jumbled(topic):
    """Times of producers, and records that were removed."""
    partitions = random.randrange(2, 8)
    writer.create(topic, partitions)
    writer.fill(topic, skewed(partitions), 2_000, jumbled())
    ends = log.ends(topic)
    writer.remove_before(topic, {partition: random.randrange(end // 3 + 1) for partition, end in ends.items()})


def make_single(topic):
    kind = random.choice(("LogAppendTime", "CreateTime"))
    writer.create(topic, 1, message_timestamp_type=kind)
    writer.fill(topic, [1], 1_200)
    held_open.append(writer.leave_open(topic, 0))


def make_compacted(topic):
    """Compacted once the cleaner has come by: `until_compacted`."""
    writer.create(topic, 3, cleanup_policy="compact", segment_ms=1000, min_cleanable_dirty_ratio=0.01)
    # Segments are rolled by the times of records: each one is two seconds younger than the one before.
    clock = iter(range(now_ms() - 10_000_000, now_ms(), 2_000))
    writer.fill(topic, [1, 2, 3], 800, lambda: next(clock), compacted=True)
    # The cleaner leaves the newest segment alone: here it is of one record.
    for partition in range(3):
        writer.append(topic, partition, timestamp=now_ms(), compacted=True)
    writer.flush()
    return {partition: len(records) for partition, records in log.read(topic).items()}


def until_compacted(log, api, writer, topic, written):
    """The cleaner has been everywhere, and what is there stays."""

    def look():
        left, again = log.read(topic), log.read(topic)
        counts = {partition: len(records) for partition, records in left.items()}
        return left == again and all(count < written[at] for at, count in counts.items()), counts

    print(topic, written, "compacted to", until(f"{topic} is compacted", 90, look))


def show(name, function, *arguments):
    begun, ended = time.monotonic(), "as it must be"
    try:
        function(log, api, writer, *arguments)
    except Exception:
        # The others are shown all the same: which fail together says what is broken.
        failed.append(name)
        ended = f"NOT as it must be: {traceback.format_exc()}"
    print(f"{name}: {ended}, {time.monotonic() - begun:.1f} s", flush=True)


def main():
    groups, topics = traces(), set()
    print(f"seed {seed}", flush=True)
    for number in range(int(rounds)):
        made = {}
        for make in (make_compacted, make_wide, make_jumbled, make_single):
            topic = f"{make.__name__.removeprefix('make_')}-{seed}-{number}"
            writer.register(topic)
            begun = time.monotonic()
            made[topic] = make(topic)
            print(f"made {topic} in {time.monotonic() - begun:.1f} s", flush=True)
        topics.update(made)
        compacted, wide, jumbled_topic, single = made
        api.restart(*PATIENT)
        for topic in (wide, jumbled_topic, single):
            show(f"newest of {topic}", pages.newest, topic)
            show(f"pages of {topic}", pages.filtered, topic, random)
            show(f"aborted and undecided of {topic}", pages.uncommitted, topic)
            show(f"export of {topic}", pages.exported, topic)
            show(f"single records of {topic}", places.single, topic, random)
        show("pages while the API is killed", pages.through_restarts, wide, random, PATIENT)
        show("newest while producers append", pages.racing, wide, random)
        show("a live tail", tails.live, wide, random, PATIENT)
        show("a tail that comes back", tails.comes_back, jumbled_topic, random, PATIENT)
        show("a tail that nothing passes", tails.passed_by, wide, random)
        show("small budgets", pages.budgeted, jumbled_topic, random)
        api.restart(*PATIENT)
        show("compaction", until_compacted, compacted, made[compacted])
        show(f"newest of {compacted}", pages.newest, compacted)
        show(f"pages of {compacted}", pages.filtered, compacted, random)
        show(f"single records of {compacted}", places.single, compacted, random)
    for name, function in (
        ("a page of poison", places.poison),
        ("a tail of a topic that grows", tails.grows),
        ("cursors that lead nowhere", places.lost_cursors),
        ("paths that nothing has", places.unknown_paths),
        ("times and numbers", places.times_and_numbers),
        ("parts of values", places.parts_of_values),
        ("what is asked wrongly", places.wrong),
        ("times that pass between pages", places.times_pass),
        ("pages of a topic that grows", places.grows_between),
        ("what only one partition has", pages.in_one_partition),
        ("a tail of what waits", tails.waits),
        ("a topic switched to the brokers' times", pages.switched),
    ):
        topic = f"{function.__name__.replace('_', '-')}-{seed}"
        topics.update({topic, f"{topic}-other"})
        show(name, function, topic)
    show("a thousand calls", places.many_calls, f"grows-between-{seed}", random)
    topics.add(f"heavy-{seed}")
    show("records that weigh much", pages.heavy, f"heavy-{seed}")
    show("a greedy client", places.greedy, f"poison-{seed}")
    topics.add(f"registry-away-{seed}")
    show("a registry that is away", places.registry_away, f"registry-away-{seed}", PATIENT)
    new_groups, new_topics = (after - before for after, before in zip(traces(), groups))
    assert not new_groups, f"groups were left behind: {new_groups}"
    # The brokers make these when the oracle's own producers and consumers look for their coordinators.
    internal = {"__transaction_state", "__consumer_offsets"}
    assert new_topics <= topics | internal, f"topics were created: {new_topics - topics}"
    print(f"{api.calls} calls left no group and no topic behind", flush=True)
    api.restart(*PATIENT)
    show("a partition without a leader", places.without_a_leader, f"without-a-leader-{seed}", PATIENT)
    if failed:
        sys.exit(f"seed {seed}: not as it must be: {', '.join(failed)}")


def traces():
    """Groups and topics that there are."""
    listed = log.admin.list_consumer_groups().result(30)
    assert not listed.errors, listed.errors
    return {group.group_id for group in listed.valid}, set(log.admin.list_topics(timeout=30).topics)


main()
