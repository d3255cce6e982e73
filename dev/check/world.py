"""A stack of its own on free ports, and the executable on it: for checks that run the whole from outside.

`World(directory, stack)` keeps everything below its directory; `start` and `stop` are for the caller to pair.
"""

import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "foldstream"
PYTHON = CACHE / "python/bin/python"


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
