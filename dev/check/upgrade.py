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

import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "foldstream"
PYTHON = CACHE / "python/bin/python"
FIRST, PARKED, OPEN, ALL = 20_000, 200_000, 240_000, 260_000
COMMANDS = 60


def free_ports(count):
    """The first of so many free ports in a row: some parts take the port after theirs."""
    for first in range(20_000, 32_000, count):
        held = []
        try:
            for port in range(first, first + count):
                held.append(socket.socket())
                held[-1].bind(("127.0.0.1", port))
            return first
        except OSError:
            continue
        finally:
            for one in held:
                one.close()
    sys.exit(f"no {count} free ports in a row")


class World:
    def __init__(self, directory, stack):
        first = free_ports(10)
        self.directory, self.stack, self.spawned = directory, stack, []
        brokers = [first, first + 2, first + 4]
        self.arguments = [
            "--directory", str(directory / "stack"), "--broker-ports", ",".join(map(str, brokers)),
            "--registry-port", str(first + 6), "--postgres-port", str(first + 8),
        ]  # fmt: skip
        self.brokers = ",".join(f"127.0.0.1:{port}" for port in brokers)
        self.registry = f"http://127.0.0.1:{first + 6}/apis/ccompat/v7"
        self.database = f"postgres://foldstream:foldstream@127.0.0.1:{first + 8}/foldstream"
        self.http = first + 9
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("FOLDSTREAM_")} | {
            "FOLDSTREAM_KAFKA_BROKERS": self.brokers,
            "FOLDSTREAM_REGISTRY_URL": self.registry,
            "FOLDSTREAM_DATABASE_URL": self.database,
            "FOLDSTREAM_HTTP_LISTEN": f"127.0.0.1:{self.http}",
            "FOLDSTREAM_DATA_DIR": str(CACHE),
            "FOLDSTREAM_LOG_FORMAT": "human",
        }

    def start(self):
        self.call(self.stack, *self.arguments, "up")

    def stop(self):
        for process in self.spawned:
            kill(process)
        subprocess.run([self.stack, *self.arguments, "down", "--remove-data"], env=self.environment, capture_output=True)

    def call(self, executable, *arguments, check=True):
        done = subprocess.run([executable, *arguments], env=self.environment, capture_output=True, text=True)
        if check and done.returncode != 0:
            sys.exit(f"{executable} {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done

    def spawn(self, executable, name, *arguments):
        log = open(self.directory / f"{name}.log", "a")
        self.spawned.append(subprocess.Popen([executable, *arguments], env=self.environment, stdout=log, stderr=log))
        return self.spawned[-1]

    def sql(self, query):
        return self.call("psql", self.database, "--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-Atc", query).stdout.strip()

    def count(self, table):
        return int(self.sql(f"select count(*) from {table}"))

    def ask(self, method, path, body=None, headers=()):
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=30)
        headers = {"content-type": "application/json"} | dict(headers)
        connection.request(method, path, body and json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None

    def until_ready(self):
        def look():
            try:
                status, body = self.ask("GET", "/health/ready")
            except OSError as error:
                return error
            return None if status == 200 else body

        until("every service is ready", look)

    def until_caught_up(self, executable):
        def behind(services):
            listed = json.loads(self.call(executable, services, "status", "--output", "json").stdout)
            # A version that a rebuild is loading stands until the rebuild goes on.
            late = [one for one in listed if one["lag_records"] != 0 and one.get("state") != "loading"]
            return late if late or not listed else None

        for services in ("processors", "projections"):
            until(f"the {services} have caught up", lambda: behind(services))

    def oracle(self, script, *arguments):
        command = [PYTHON, ROOT / "tests/oracle" / script, self.brokers, self.registry, self.database, *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{script}: {done.stdout}{done.stderr}")
        print("  " + done.stdout.strip().replace("\n", "\n  "))


def until(what, look, patience_s=180):
    """Looks until nothing is amiss; at the deadline says what was."""
    deadline = time.monotonic() + patience_s
    while (amiss := look()) is not None:
        if time.monotonic() > deadline:
            sys.exit(f"not within {patience_s} s: {what}; seen last: {amiss}")
        time.sleep(0.05)


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()


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
    world.call(new, "dead-letters", "discard", "--key", key, "--wait")
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
