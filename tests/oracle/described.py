"""The API is as it is described: requests at random that the served OpenAPI document allows, none of which may be refused for
its shape. By clients that are not ours: openapi-spec-validator, jsonschema, hypothesis, plain HTTP.

    python described.py BROKERS REGISTRY_URL DATABASE_URL ADDRESS EXAMPLES
"""

import datetime
import http.client
import json
import re
import sys
import urllib.parse
from collections import Counter

from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

# What is handed out by one answer and taken by the next has no shape of its own.
HANDED_OUT = {"cursor", "confirm", "Last-Event-ID"}
# What no schema of one value can tell: that two of them go together, that something is known, or (of the data that a condition
# met) of which kind it is. Each is told in the description, in words.
TOGETHER = [
    ("end_date", "end_date is not before start_date"),
    ("since", "since lies before until"),
    ("until", "until lies behind since"),
    ("key_encoding", "key_encoding says how the key is shown that is asked for by key"),
    ("key", "a key of key_encoding base64 is base64, with its padding"),
    ("where", "values have no fields when they are read as"),
    ("type", "values have no type when they are read as"),
    ("fields", "values have no fields when they are read as"),
    ("fields", "fields are those of a value that is shown, and value=none shows none"),
    ("after", "this answer does not follow from"),
    ("after", "a position is topic:partition:offset or topic:partition:first-last"),
    ("after", "records are one range"),
    ("projection", "must be the name of a service that exists"),
    ("person_id", "must be the id of a person who is known"),
]


def main():
    _, _, _, _, address, examples = sys.argv
    document = json.loads(exchange(http.client.HTTPConnection(address, timeout=30), "GET", "/openapi.json")[1])
    faults = [f"{list(fault.absolute_path)}: {fault.message}" for fault in OpenAPIV31SpecValidator(document).iter_errors()]
    assert not faults, "the document is not valid:\n" + "\n".join(faults)
    statuses, refused = Counter(), []
    for path, item in document["paths"].items():
        for method, operation in item.items():
            try_out(address, document, (method.upper(), path, operation), int(examples), statuses, refused)
    shown = "\n".join(refused[:20])
    assert not refused, f"{len(refused)} requests that the document allows were refused for their shape:\n{shown}"
    assert not any(status >= 500 and status != 503 for status in statuses), statuses
    print(f"{sum(statuses.values())} requests that the document allows: {dict(sorted(statuses.items()))}")


def try_out(address, document, operation, examples, statuses, refused):
    method, path, described = operation
    connection = http.client.HTTPConnection(address, timeout=30)

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(requests(document, path, described))
    def ask(request):
        uri, headers, body = request
        status, answer = exchange(connection, method, uri, headers, body)
        statuses[status] += 1
        assert status < 500 or status == 503, f"{method} {uri} {body}: {status} {answer}"
        if status in (400, 422):
            errors = json.loads(answer).get("errors", [])
            told = [error for error in errors if not is_together(error)]
            if told or not errors:
                refused.append(f"{method} {uri[:300]} {(body or b'')[:300]!r}: {status} {told}")

    ask()


def requests(document, path, described):
    """Address, headers and body, whatever the document allows."""
    needed, free = {}, {}
    for parameter in described.get("parameters", []):
        name, place = parameter["name"], parameter["in"]
        if name not in HANDED_OUT:
            kind = needed if parameter.get("required") else free
            kind[place, name] = parameter_values(name, resolved(parameter["schema"], document), place)
    body = st.none()
    if "requestBody" in described:
        schema = resolved(described["requestBody"]["content"]["application/json"]["schema"], document)
        body = values(schema)

    def request(parts):
        parameters, body = parts
        uri, query, headers = path, [], {}
        for (place, name), value in parameters.items():
            if place == "path":
                uri = uri.replace("{" + name + "}", urllib.parse.quote(text(value), safe=""))
            elif place == "header":
                headers[name] = value
            else:
                query += [(name, text(one)) for one in (value if isinstance(value, list) else [value])]
        if body is not None:
            headers["content-type"] = "application/json"
        encoded = None if body is None else json.dumps(body).encode()
        return uri + ("?" + urllib.parse.urlencode(query) if query else ""), headers, encoded

    return st.tuples(st.fixed_dictionaries(needed, optional=free), body).map(request)


def parameter_values(name, schema, place):
    if name == "wait_ms":
        return st.sampled_from([0, 1, 3])  # Nobody here has the time for the others.
    drawn = values(schema)
    if place == "header":
        # Others never leave a client of HTTP.
        if "pattern" not in schema:
            drawn = st.from_regex("[!-~]+", fullmatch=True)
        return drawn.filter(lambda value: re.fullmatch("[ -~]*", value) and value.strip() == value)
    if place == "path":
        # Clients make nothing of these.
        return drawn.filter(lambda value: value not in (".", ".."))
    return drawn


def values(schema):
    """Whatever a schema allows; that it does is asked of a validator that knows nothing of this."""
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return candidates(schema).filter(validator.is_valid)


def candidates(schema):
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "oneOf" in schema:
        return st.one_of([candidates(choice) for choice in schema["oneOf"]])
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return st.one_of([of_kind(kind, schema) for kind in kinds])


def of_kind(kind, schema):
    least, most = schema.get("minimum"), schema.get("maximum")
    if kind == "null":
        return st.none()
    if kind == "boolean":
        return st.booleans()
    if kind == "integer":
        return st.integers(least, most)
    if kind == "number":
        least = schema.get("exclusiveMinimum", least)
        return st.floats(least, most, allow_nan=False, allow_infinity=False, exclude_min="exclusiveMinimum" in schema)
    if kind == "array":
        return st.lists(candidates(schema["items"]), min_size=schema.get("minItems", 0), max_size=min(schema.get("maxItems", 2), 2))
    if kind == "object":
        fields = {name: candidates(field) for name, field in schema["properties"].items()}
        needed = {name: fields.pop(name) for name in schema.get("required", [])}
        return st.fixed_dictionaries(needed, optional=fields)
    return texts(schema)


def texts(schema):
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    if schema.get("format") == "date-time":
        zones = st.timezones() | st.just(datetime.timezone.utc)
        return st.datetimes(timezones=zones, allow_imaginary=False).map(lambda at: at.isoformat().replace("+00:00", "Z"))
    if schema.get("format") == "date":
        return st.dates().map(str)
    if schema.get("format") == "uuid":
        return st.uuids().map(str)
    if "pattern" in schema:
        return st.from_regex(schema["pattern"])
    return st.text(min_size=least, max_size=min(most or 50, 300))


def text(value):
    """A value as a part of an address."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def resolved(schema, document):
    """A schema without references."""
    if isinstance(schema, list):
        return [resolved(one, document) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        found = document
        for step in schema["$ref"][2:].split("/"):
            found = found[step]
        return resolved(found, document)
    found = {name: resolved(one, document) for name, one in schema.items() if name not in ("example", "description")}
    if isinstance(found.get("pattern"), str):
        # A dollar of ECMA 262 is the very end.
        found["pattern"] = re.sub(r"\$(?=\)|$)", r"\\Z", found["pattern"])
    return found


def is_together(error):
    field = error["field"].rsplit(".", 1)[-1]
    return any(field == name and rule in error["rule"] for name, rule in TOGETHER)


def exchange(connection, method, uri, headers=None, body=None):
    """Status and body; of a tail only the status."""
    connection.request(method, uri, body=body, headers=headers or {})
    answer = connection.getresponse()
    is_tail = answer.headers["content-type"] == "text/event-stream"
    content = b"" if is_tail else answer.read()
    if is_tail:
        connection.close()
    return answer.status, content.decode()


if __name__ == "__main__":
    main()
