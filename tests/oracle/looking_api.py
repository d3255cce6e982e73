"""`/messages` as its clients meet it: requests, pages that follow each other, live tails. Shared by the shows of
`looking.py`."""

import http.client
import json
import time
import urllib.parse


class Api:
    """The API, and the test that runs it."""

    def __init__(self, address):
        self.address = address
        self.calls = 0

    def restart(self, *settings):
        """Has the process killed with SIGKILL and another one started; returns when that is ready."""
        have("restart", *settings)

    def kill_broker(self, number):
        have("kill-broker", number)

    def start_broker(self, number):
        have("start-broker", number)

    def freeze_registry(self):
        """It takes connections and answers nothing."""
        have("freeze-registry")

    def kill_registry(self):
        have("kill-registry")

    def start_registry(self):
        have("start-registry")

    def ask(self, path, parameters=(), headers=None):
        """Status, headers and body."""
        self.calls += 1
        connection = http.client.HTTPConnection(self.address, timeout=120)
        connection.request("GET", path_of(path, parameters), headers=headers or {})
        answer = connection.getresponse()
        # A tail has no end.
        is_tail = answer.headers["content-type"] == "text/event-stream"
        body = b"" if is_tail else answer.read()
        connection.close()
        return answer.status, answer.headers, body

    def get(self, path, parameters=()):
        """The JSON of an answer that must be 200."""
        status, _, body = self.ask(path, parameters)
        assert status == 200, f"{path_of(path, parameters)}: {status} {body.decode()}"
        return json.loads(body)

    def refused(self, path, parameters, status, field, *words):
        """An answer that must be a problem that names the field, its value and the rule."""
        found, headers, body = self.ask(path, parameters)
        asked = f"{path_of(path, parameters)[:300]}: {found} {body.decode()}"
        assert found == status, asked
        assert headers["content-type"].startswith("application/problem+json"), asked
        problem = json.loads(body)
        assert problem["status"] == status and problem["title"] and problem["detail"], asked
        if field is not None:
            errors = [error for error in problem["errors"] if error["field"] == field]
            assert errors and errors[0]["rule"] and "value" in errors[0], asked
        for word in words:
            assert word in body.decode(), f"no {word!r} in {asked}"

    def pages(self, topic, parameters, between=None):
        """Page after page, up to the last; `between` is called with the number of pages so far."""
        cursor, count = [], 0
        while True:
            page = self.get("/messages", [("topic", topic), *parameters, *cursor])
            assert page["complete"] == (not {"spent", "uncompared", "unknown_paths"} & page.keys()), page
            limit = int(dict(parameters).get("limit", 50))
            assert len(page["messages"]) <= limit
            assert not page["complete"] or page["next"] is None or len(page["messages"]) == limit, page
            yield page
            if page["next"] is None:
                return
            cursor, count = [("cursor", page["next"])], count + 1
            if between:
                between(count)

    def export(self, topic, parameters=(), undecided=None):
        """The messages; the line behind them must say that these wait for the end of a transaction, if there are any."""
        status, headers, body = self.ask("/messages/export", [("topic", topic), *parameters])
        assert status == 200, body
        assert headers["content-type"] == "application/x-ndjson"
        lines = [json.loads(line) for line in body.splitlines()]
        told = lines.pop()["undecided"] if lines and lines[-1].keys() == {"undecided"} else []
        assert undecided is None or told == undecided, (told, undecided)
        return lines

    def tail(self, topic, parameters=(), last_id=None):
        return Tail(self.address, path_of("/messages/stream", [("topic", topic), *parameters]), last_id)


class Tail:
    """A live tail that is listened to."""

    def __init__(self, address, path, last_id):
        self.last_id, self.untold, self.undecided, self.taken_up = last_id, [], [], []
        self.connection = http.client.HTTPConnection(address, timeout=60)
        self.connection.request("GET", path, headers={"Last-Event-ID": last_id} if last_id else {})
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200, self.answer.read()
        name, self.listening = self.event()
        assert name == "listening", name

    def event(self):
        """The next event, its name and its data, or a comment. A broken connection is an error."""
        name, data = None, None
        while True:
            line = self.answer.readline()
            assert line, "the tail has ended"
            line = line.decode().rstrip("\n")
            field, _, value = line.partition(": ")
            if line.startswith(":"):
                name, data = "comment", line
            elif field == "event":
                name = value
            elif field == "data":
                data = json.loads(value)
            elif field == "id":
                # Also beside a comment it says where this tail stands.
                self.last_id = value
            elif line == "" and data is not None:
                return name, data

    def messages(self, count):
        """So many messages, and no gap among them but of what the filter could not be held against."""
        found, deadline = [], time.monotonic() + 40
        while len(found) < count:
            # Comments keep the connection alive for ever.
            assert time.monotonic() < deadline, f"{len(found)} of {count} messages: {found[-3:]}"
            name, data = self.event()
            untold = data["gaps"] if name == "gap" and "uncompared" in data else []
            is_known = untold or name in ("message", "comment", "unknown_paths", "undecided", "taken_up")
            assert is_known, (name, data, f"after {len(found)} of {count}")
            self.untold += [(gap["partition"], offset) for gap in untold for offset in range(gap["from"], gap["to"])]
            if name == "message":
                found.append(data)
            elif name == "undecided":
                self.undecided = data["undecided"]
            elif name == "taken_up":
                self.taken_up.append(data)
        return found

    def close(self):
        self.answer.close()
        self.connection.close()


def have(*words):
    """Has the test do something."""
    print(*words, flush=True)
    answer = input()
    assert answer == "ready", answer


def path_of(path, parameters):
    # Every byte that means something in a query is encoded, `>` among them.
    return f"{path}?{urllib.parse.urlencode(list(parameters))}" if parameters else path


def until(what, patience_s, look):
    """Looks until there is an answer; at the deadline says what was seen last."""
    deadline = time.monotonic() + patience_s
    while True:
        answer, seen = look()
        if answer:
            return seen
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {patience_s} s: {what}; seen last: {seen}")
