"""Decides on every command again, independently: reads commands, outcomes, events, profiles and state with
confluent-kafka, applies the rules about people as they are written down, and compares.

    python tests/oracle/decide.py BROKERS REGISTRY_URL DATABASE_URL

Fails when a command has no outcome, or two, or another one than the rules say; when an event is missing, doubled or out
of order; when the state or the table is not what the commands lead to. Prints the counts.
"""

import collections
import itertools
import sys
import uuid

import psycopg

from looking_log import partition_of
from topics import compare, decode, read

brokers, registry_url, database_url = sys.argv[1:4]
REMEMBERED_FOR_MS = 7 * 24 * 60 * 60 * 1000
MOST_REMEMBERED = 1000
# Of every id that is derived from a name.
NAMESPACE = uuid.UUID(int=0x6B1D52A493F74F0E8F6E0F1D57E4A701)
PARTITIONS = 6


class Person:
    """What is known of a person, by the rules."""

    def __init__(self):
        self.status = "unknown"
        self.profile = None
        self.answered = collections.OrderedDict()

    def decide(self, kind, command, appended_at_ms):
        """The outcome, and the events that go with it."""
        content = (kind, command.get("first_name"), command.get("last_name"), command.get("company_name"))
        while self.answered and appended_at_ms - next(iter(self.answered.values()))[2] > REMEMBERED_FOR_MS:
            self.answered.popitem(last=False)
        known = self.answered.get(command["event_id"])
        if known is not None:
            if known[0] != content:
                return ("rejected", "idempotency_key_reused"), []
            return ("duplicate", known[1][1]), []
        if len(self.answered) >= MOST_REMEMBERED and kind != "ErasePerson":
            return ("rejected", "too_many_commands"), []
        outcome, events = self.fresh(kind, command)
        if outcome[1] != "person_unknown" and len(self.answered) < MOST_REMEMBERED:
            self.answered[command["event_id"]] = (content, outcome, appended_at_ms)
        return outcome, events

    def fresh(self, kind, command):
        if kind == "RegisterPerson":
            if self.status != "unknown":
                return ("rejected", "person_known" if self.status == "registered" else "person_erased"), []
            self.status = "registered"
            self.profile = {name: command[name] for name in ("first_name", "last_name", "company_name")}
            return ("accepted", None), ["PersonRegistered"]
        if self.status == "unknown":
            return ("rejected", "person_unknown"), []
        if kind == "ErasePerson":
            if self.status == "erased":
                return ("unchanged", None), []
            self.status, self.profile = "erased", None
            return ("accepted", None), ["PersonErased"]
        if self.status == "erased":
            return ("rejected", "person_erased"), []
        wished = {name: command[name] for name in self.profile if command[name] is not None}
        if all(self.profile[name] == value for name, value in wished.items()):
            return ("unchanged", None), []
        self.profile.update(wished)
        return ("accepted", None), ["PersonChanged"]


def kind_of(message):
    return dict(message.headers())["ce_type"].decode().rsplit(".", 1)[1]


def cause_of(message):
    return dict(message.headers())["cause"].decode()


refused = {message.key().decode() for message in read("dead-letters")}
people = collections.defaultdict(Person)
expected_outcomes, expected_events, commands = {}, collections.defaultdict(list), 0
for message in sorted(read("person-commands"), key=lambda message: (message.partition(), message.offset())):
    place = f"person-commands:{message.partition()}:{message.offset()}"
    if place in refused:
        continue
    command = decode(message)
    outcome, events = people[command["person_id"]].decide(kind_of(message), command, message.timestamp()[1])
    expected_outcomes[place] = (command["person_id"], *outcome)
    expected_events[command["person_id"]].extend((event, place) for event in events)
    commands += 1

outcomes = collections.defaultdict(list)
for message in read("person-outcomes"):
    outcome = decode(message)
    outcomes[cause_of(message)].append((outcome["person_id"], outcome["decision"], outcome["rule"]))
doubled = {place: found for place, found in outcomes.items() if len(found) != 1}
if doubled:
    sys.exit(f"{len(doubled)} commands have more than one outcome: {list(doubled.items())[:3]}")
compare("outcomes", sorted(expected_outcomes.items()), sorted((place, found[0]) for place, found in outcomes.items()))

events = collections.defaultdict(list)
for message in sorted(read("people"), key=lambda message: (message.partition(), message.offset())):
    events[message.key().decode()].append((kind_of(message), cause_of(message)))
compare(
    "events",
    [(person, *event) for person, listed in sorted(expected_events.items()) for event in listed],
    [(person, *event) for person, listed in sorted(events.items()) for event in listed],
)

names = ("first_name", "last_name", "company_name")
expected = sorted((person_id, *(known.profile[name] for name in names)) for person_id, known in people.items() if known.profile)
profiles = {}
for message in sorted(read("person-profiles"), key=lambda message: (message.partition(), message.offset())):
    profile = decode(message) if message.value() is not None else None
    profiles[message.key().decode()] = profile
compare("profiles", expected, sorted((key, *(profile[name] for name in names)) for key, profile in profiles.items() if profile))

states = {}
for message in sorted(read("people-processor-state"), key=lambda message: (message.partition(), message.offset())):
    states[message.key().decode()] = decode(message) if message.value() is not None else None


def kept_under(person_id):
    """The hash that stands for an id: the first of its numbered hashes that lies in its partition."""
    hashes = (str(uuid.uuid5(NAMESPACE, f"people-processor/{person_id}/{number}")) for number in itertools.count())
    home = partition_of(person_id.encode(), PARTITIONS)
    return next(hashed for hashed in hashes if partition_of(hashed.encode(), PARTITIONS) == home)


compare(
    "state",
    sorted(
        (kept_under(person_id), known.status, len(known.answered))
        for person_id, known in people.items()
        if known.status != "unknown"
    ),
    sorted((key, state["status"], len(state["answered"])) for key, state in states.items() if state),
)

with psycopg.connect(database_url) as connection:
    table = connection.execute("select person_id, first_name, last_name, company_name from person").fetchall()
    compare("person", expected, sorted(table))
print(f"commands: {commands}, outcomes: {len(outcomes)}")
