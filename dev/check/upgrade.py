"""A stack that an older build left in the middle of everything goes on under a newer one.

    python3 dev/check/upgrade.py OLD NEW        # two executables `foldstream`, each beside its `foldstream-stack`

The old build folds real positions and decides on commands; then it is killed -9 with: a key parked behind a record that
is no event, a rebuild half way, commands answered and commands still to be decided, and a replay in the middle of a
transaction. The new build takes the stack over by the documented steps (`topics apply`, `schemas register`, `run all`),
and then:

- the same commands sent again with the same keys get the same answers, and those that waited are decided;
- the replay goes on where it was; the rebuild is resumed, compared, handed over and shown;
- the parked key is redriven;
- the oracles recount every table, outcome, event, profile and state from the topics, and find them equal row by row:
  what an undisturbed run leads to is a function of the topics, and the oracles are that function written twice.

`make upgrade FROM=<commit>` builds the old one from its commit and calls this.
"""

import json
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

from world import World, kill, until

FIRST, PARKED, OPEN, ALL = 20_000, 200_000, 240_000, 260_000
COMMANDS = 60

people = {}


def send_commands(world, numbers):
    """A registration, a change and an erasure by turns, each with a key of its own and the same whenever it is sent."""
    answers = {}
    for number in numbers:
        headers = {"Idempotency-Key": f"upgrade-{number}"}
        who, step = number // 3, number % 3
        if step == 0:
            names = {"first_name": "Ada", "last_name": f"Lovelace {number}", "company_name": "Engines"}
            answers[number] = world.ask("POST", "/api/persons", names, headers)
            people[who] = (answers[number][1] or {}).get("id") or people.get(who)
        elif step == 1:
            answers[number] = world.ask("PATCH", f"/api/persons/{people[who]}", {"last_name": f"Byron {number}"}, headers)
        else:
            answers[number] = world.ask("DELETE", f"/api/persons/{people[who]}", None, headers)
    return answers


def leave_in_the_middle(world, old):
    """What the old build does before it is killed; gives the answers to its commands."""
    for step in (("topics", "apply"), ("schemas", "register")):
        world.call(old, *step)
    services = world.spawn(old, "old", "run", "all")
    world.until_ready()
    replay = ("replay", "aircraft", "--speed", "max", "--limit")
    world.call(old, *replay, str(FIRST))
    world.until_caught_up(old)
    key = world.sql("select person_id from location_history group by 1 order by count(*) desc, 1 limit 1")
    poison = world.directory / "poison.bin"
    poison.write_bytes(b"hello, this is no event")
    produced = ["kcat", "-b", world.brokers, "-t", "locations", "-P", "-k", key, "-X", "partitioner=murmur2_random", poison]
    subprocess.run(produced, check=True)
    world.call(old, *replay, str(PARKED))
    world.until_caught_up(old)
    print(f"  {world.count('parked_record')} records are parked behind a dead letter of {key}")
    answers = send_commands(world, range(COMMANDS))

    rebuild = world.spawn(old, "old-rebuild", "projections", "rebuild", "locations-projection")
    rebuilt = "select coalesce(sum(next_offset), 0) from locations_v2.projection_position where topic = 'locations'"

    def half_way():
        if rebuild.poll() is not None:
            sys.exit("the rebuild ended before it could be killed: give it more to do")
        if world.sql("select to_regclass('locations_v2.projection_position') is not null") != "t":
            return "no version yet"
        position = int(world.sql(rebuilt))
        return None if position > PARKED / 20 else position

    until("the rebuild is under way", half_way)
    kill(rebuild)
    print(f"  the rebuild stands at {world.sql(rebuilt)} of {PARKED} records")

    open_replay = world.spawn(old, "old-replay", *replay, str(OPEN))
    until("the replay is under way", lambda: None if world.count("location_history") > PARKED + 2_000 else "nothing new")
    kill(services)
    kill(open_replay)
    return key, answers


def go_on(world, new, key, answers):
    for step in (("topics", "apply"), ("schemas", "register")):
        world.call(new, *step)
    services = world.spawn(new, "new", "run", "all")
    world.until_ready()
    world.call(new, "replay", "aircraft", "--speed", "max", "--limit", str(ALL))
    world.until_caught_up(new)

    again = send_commands(world, range(COMMANDS))
    # A change answers with the person, who has been erased since.
    differing = {n: (answers[n], again[n]) for n in answers if n % 3 != 1 and answers[n][0] != again[n][0]}
    if differing:
        sys.exit(f"{len(differing)} commands sent again are answered otherwise: {list(differing.items())[:2]}")
    print(f"  {len(again)} commands sent again got the answers of the old build")
    send_commands(world, range(COMMANDS, 2 * COMMANDS))
    world.until_caught_up(new)
    world.oracle("recount.py")
    world.oracle("decide.py")

    letters = json.loads(world.call(new, "dead-letters", "list", "--output", "json").stdout)
    # Those of the version that the killed rebuild left half loaded are nobody's until it goes on.
    for projection in ("locations-projection", "activity-projection"):
        world.call(new, "dead-letters", "discard", "--projection", projection, "--key", key, "--wait")
    world.oracle("recount.py", *sorted({letter["position"] for letter in letters}))
    rebuilt = world.call(new, "projections", "rebuild", "locations-projection", "--expect-changes", "--output", "json")
    print(f"  the rebuild went on: {rebuilt.stdout.strip()[:400]}")
    verified = json.loads(world.call(new, "projections", "verify", "people-projection", "--output", "json").stdout)
    if verified["equal"] is not True:
        sys.exit(f"people-projection is not what a replay gives: {verified}")
    world.call(new, "projections", "activate", "locations-projection", "2")
    status, _ = world.ask("GET", "/api/locations?limit=1")
    if status != 200:
        sys.exit(f"the rebuilt version is not shown: {status}")
    services.send_signal(signal.SIGTERM)
    if services.wait(60) != 0:
        sys.exit("the services did not end well")


def main():
    old, new = (pathlib.Path(name).resolve() for name in sys.argv[1:3])
    directory = pathlib.Path(tempfile.mkdtemp(prefix="foldstream-upgrade-"))
    directory.chmod(0o755)
    world = World(directory, new.with_name("foldstream-stack"))
    try:
        world.start()
        print("old build:")
        key, answers = leave_in_the_middle(world, old)
        print("new build:")
        go_on(world, new, key, answers)
    except SystemExit:
        print(f"the logs are in {directory}", file=sys.stderr)
        raise
    finally:
        world.stop()
    shutil.rmtree(directory, ignore_errors=True)
    print("upgrade: it went on")


main()
