"""Random hostile reads and writes at the API's doors, and somebody else who goes on as before.

    python hostile.py BROKERS REGISTRY_URL DATABASE_URL ADDRESS PID SECONDS MEMORY_MB

`PID` is the API's: what it ever held is its peak resident set, as /proc tells it (VmHWM). Each hostile client has a name of its
own in the header `x-client`, by which the API was told to know its clients.
"""

import http.client
import json
import os
import random
import socket
import sys
import threading
import time
import urllib.parse
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from names import physical

RECORDS, RECORD_BYTES = 300, 1_000_000
# A look may take two seconds, waiting for room as long again, and a machine that is busy some more.
BOUND_S = 30
CLIENTS = 6


def main():
    # Somebody else is a process of its own: here, it would wait for those of no good.
    with ProcessPoolExecutor(1, get_context("spawn")) as somebody_else:
        run(somebody_else)


def run(somebody_else):
    _, brokers, _, _, address, pid, seconds, memory_mb = sys.argv
    seed = int(os.environ.get("FOLDSTREAM_HOSTILE_SEED", "7"))
    topic = heavy_topic(brokers)
    quiet = somebody_else.submit(latencies, address, time.monotonic() + max(3, int(seconds) / 4)).result()
    end = time.monotonic() + int(seconds)
    told, faults, slowest = Counter(), [], [0.0]
    clients = [Hostile(address, topic, random.Random(seed + number), f"hostile-{number}") for number in range(CLIENTS)]
    threads = [threading.Thread(target=client.run, args=(end, told, faults, slowest)) for client in clients]
    for thread in threads:
        thread.start()
    busy = somebody_else.submit(latencies, address, end).result()
    for thread in threads:
        thread.join(BOUND_S + 10)
    assert not any(thread.is_alive() for thread in threads), "somebody is still waiting for an answer"
    peak_mb = peak_resident_kb(pid) / 1024
    status, _ = ask(address, "GET", "/health/live", "good")
    assert status == 200, f"/health/live answers {status}"
    assert not faults, f"{len(faults)} faults (seed {seed}), the first: {faults[0]}"
    assert peak_mb <= int(memory_mb), f"the API held {peak_mb:.0f} MB, more than {memory_mb} (seed {seed})"
    print(
        f"{sum(told.values())} hostile requests: {dict(sorted(told.items()))}; the slowest took {slowest[0]:.1f} s; the API held "
        f"{peak_mb:.0f} MB at most; another client's p99 {percentile(quiet, 99):.1f} ms before, {percentile(busy, 99):.1f} ms "
        f"meanwhile (p50 {percentile(quiet, 50):.1f}, {percentile(busy, 50):.1f})"
    )


def heavy_topic(brokers):
    """Records of a megabyte that take next to nothing on disk."""
    name = physical("heavy")
    admin = AdminClient({"bootstrap.servers": brokers})
    for future in admin.create_topics([NewTopic(name, num_partitions=3, replication_factor=3)]).values():
        future.result(30)
    producer = Producer({"bootstrap.servers": brokers, "compression.type": "zstd", "message.max.bytes": 2_000_000})
    for number in range(RECORDS):
        # JSON, so that there is something to decode.
        value = json.dumps({"number": number, "items": [number] * 1000, "text": "x" * (RECORD_BYTES - 10_000)})
        producer.produce(name, key=str(number), value=value)
        producer.poll(0)
        if number % 20 == 19:
            producer.flush(30)
    assert producer.flush(60) == 0
    return "heavy"


class Hostile:
    """One client that wants no good."""

    def __init__(self, address, topic, chance, name):
        self.address, self.topic, self.chance, self.name = address, topic, chance, name
        self.kept = []

    def run(self, end, told, faults, slowest):
        deeds = [self.large_page, self.wide_filter, self.slow_export, self.many_tails, self.bodies, self.nonsense, self.other]
        while time.monotonic() < end:
            deed = self.chance.choice(deeds)
            begun = time.monotonic()
            try:
                status = deed()
            except (OSError, http.client.HTTPException) as error:
                # A refusal may close the connection while much is still sent.
                status = f"{type(error).__name__}"
            took = time.monotonic() - begun
            slowest[0] = max(slowest[0], took)
            told[f"{deed.__name__} {status}"] += 1
            if took > BOUND_S or isinstance(status, int) and status >= 500 and status != 503:
                faults.append(f"{deed.__name__}: {status} after {took:.1f} s")
        for connection in self.kept:
            connection.close()

    def ask(self, method, path, body=None, headers=None):
        return ask(self.address, method, path, self.name, body, headers)[0]

    def page(self, parameters):
        return self.ask("GET", "/messages?" + urllib.parse.urlencode({"topic": self.topic, **parameters}))

    def large_page(self):
        return self.page({"limit": 1000, "order": self.chance.choice(["newest", "oldest"])})

    def wide_filter(self):
        return self.page(
            self.chance.choice(
                [
                    {"contains": "y" * 200, "limit": 1000},
                    {"where": "items[*]=" + str(self.chance.randrange(400)), "limit": 1000},
                    {"where": "text~" + "x" * 1000, "limit": 500},
                    {"header": "a=" + "x" * 1000, "limit": 1000},
                    {"key": str(self.chance.randrange(400))},
                    {"undecodable": "true"},
                    {"where": "a" * 200 + "=1"},
                ]
            )
        )

    def slow_export(self):
        """Asks for everything, reads a little, and goes."""
        connection = http.client.HTTPConnection(self.address, timeout=BOUND_S)
        connection.request("GET", f"/messages/export?topic={self.topic}", headers={"x-client": self.name})
        answer = connection.getresponse()
        answer.read(self.chance.randrange(1, 3_000_000))
        connection.close()
        return answer.status

    def many_tails(self):
        """Listens without ever reading."""
        connection = http.client.HTTPConnection(self.address, timeout=BOUND_S)
        connection.request("GET", f"/messages/stream?topic={self.topic}", headers={"x-client": self.name})
        status = connection.getresponse().status
        self.kept.append(connection)
        if len(self.kept) > 40:
            self.kept.pop(0).close()
        return status

    def bodies(self):
        path = self.chance.choice(["/api/persons", "/api/locations"])
        body = self.chance.choice(
            [
                lambda: b"[" * 200_000,
                lambda: json.dumps([{}] * 10_000).encode(),
                lambda: b"{" + b'"a":' * 100_000,
                lambda: json.dumps({"first_name": "x" * 3_900_000, "last_name": "y", "company_name": "z"}).encode(),
                lambda: b" " * 6_000_000,
                lambda: json.dumps([{"person_id": str(number)} for number in range(30_000)]).encode(),
                lambda: self.chance.randbytes(100_000),
            ]
        )()
        return self.ask("POST", path, body, {"content-type": "application/json"})

    def nonsense(self):
        """Bytes that are no HTTP, or only the beginning of it."""
        host, port = self.address.split(":")
        with socket.create_connection((host, int(port)), timeout=BOUND_S) as connection:
            connection.settimeout(1)
            connection.sendall(
                self.chance.choice(
                    [
                        self.chance.randbytes(5_000),
                        b"GET / HTTP/1.1\r\n" + b"a: " + b"b" * 200_000,
                        b"POST /api/persons HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999\r\n\r\n{",
                        b"POST /api/persons HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nfffffffff\r\n",
                    ]
                )
            )
            try:
                return "answered" if connection.recv(100) else "closed"
            except TimeoutError:
                return "not answered"

    def other(self):
        return self.ask(
            "GET",
            self.chance.choice(
                [
                    "/api/persons?limit=1000",
                    "/api/outcomes/person-commands:0:999999999?wait_ms=0",
                    f"/messages/{self.topic}/0/{self.chance.randrange(200)}",
                    f"/messages/{self.topic}/0/{self.chance.randrange(200)}/effects",
                    "/topics",
                    "/metrics",
                    "/messages?topic=" + "a" * 60_000,
                ]
            ),
        )


def ask(address, method, path, name, body=None, headers=None):
    """Status, and how long it took to the last byte."""
    begun = time.monotonic()
    connection = http.client.HTTPConnection(address, timeout=BOUND_S + 5)
    connection.request(method, path, body=body, headers={"x-client": name, **(headers or {})})
    answer = connection.getresponse()
    while answer.read(1 << 20):
        pass
    connection.close()
    return answer.status, time.monotonic() - begun


def latencies(address, end):
    """In milliseconds: of somebody who looks at people and at the newest locations."""
    taken = []
    while time.monotonic() < end:
        for path in ["/api/persons?limit=10", "/messages?topic=locations&limit=20"]:
            status, took = ask(address, "GET", path, "good")
            assert status == 200, f"somebody else is answered {status} to {path}"
            taken.append(took * 1000)
        time.sleep(0.02)
    return sorted(taken)


def percentile(taken, percent):
    return taken[min(len(taken) - 1, len(taken) * percent // 100)]


def peak_resident_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(next(line for line in status if line.startswith("VmHWM")).split()[1])


if __name__ == "__main__":
    main()
