"""Makes what is new from templates, in the tree the current directory is in:

    new.py read-model NAME TOPIC     a projection of a topic and its route
    new.py aggregate NAME            commands, what decides on them, a read model and the resource; NAME in the singular
    new.py event NAME TOPIC          an event type on a topic

What it writes compiles, passes the checks and works; what it means is then yours to change. A service has its line in the
table of services, a resource its two among the resources. The first golden records are made too (schemas/golden/make.py);
what else follows, `make generate` and `make readme` make.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tomllib

TEMPLATES = pathlib.Path(__file__).parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "foldstream"
SERVICES = "src/services.rs"
RESOURCES = "api/src/resources.rs"
# The value of a first golden record: what its key may be, and fields that templates have.
GOLDEN = {"event_id": "0199f1d2-6f0e-7c2b-9a55-5d0c1f1a7b21", "occurred_at": 1767225600123456, "title": "first"}


def camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("-"))


def words(name: str) -> dict[str, str]:
    snake = name.replace("-", "_")
    return {"name": name, "table": snake, "Name": camel(name), "NAME": snake.upper()}


def write(template: str, values: dict[str, str]) -> list[pathlib.Path]:
    """Writes the files of a template; words in braces are replaced, in their names too."""

    def filled(text: str) -> str:
        return re.sub(rf"\{{({'|'.join(values)})\}}", lambda word: values[word[1]], text)

    folder = TEMPLATES / template
    files = {
        pathlib.Path(filled(str(file.relative_to(folder).with_suffix("")))): filled(file.read_text())
        for file in sorted(folder.rglob("*.template"))
    }
    for file in files:
        if file.exists():
            sys.exit(f"{file} is there already")
    for file, text in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return list(files)


def before(path: str, marker: str, line: str) -> None:
    """Puts a line before the first one that has the marker."""
    file = pathlib.Path(path)
    lines = file.read_text().splitlines(keepends=True)
    at = next(number for number, text in enumerate(lines) if marker in text)
    file.write_text("".join([*lines[:at], line + "\n", *lines[at:]]))


def serve(module: str) -> None:
    before(RESOURCES, "mod activity;", f"mod {module};")
    before(RESOURCES, "    &dead_letters::RESOURCE,", f"    &{module}::RESOURCE,")


def golden(files: list[pathlib.Path], key: str) -> None:
    for file in (file for file in files if file.suffix == ".avsc"):
        fields = [field["name"] for field in json.loads(file.read_text())["fields"]]
        value = {name: value for name, value in (GOLDEN | {key: "one"}).items() if name in fields}
        python = CACHE / "python/bin/python"
        subprocess.run([python, "schemas/golden/make.py", file, "1", json.dumps(value)], check=True)


def read_model(name: str, topic: str) -> None:
    values = words(name) | {"topic": topic, "Topic": camel(topic), "TOPIC": words(topic)["NAME"]}
    write("read-model", values)
    crate = f"foldstream_{values['table']}_projection"
    before(SERVICES, "name: foldstream_api::NAME", f"    projection::<{crate}::{values['Name']}>(),")
    serve(values["table"])


def aggregate(name: str) -> None:
    values = words(name)
    golden(write("aggregate", values), f"{values['table']}_id")
    for kind, marker in (("processor", "    projection::<"), ("projection", "name: foldstream_api::NAME")):
        before(SERVICES, marker, f"    {kind}::<foldstream_{values['table']}_{kind}::{values['Name']}s>(),")
    serve(f"{values['table']}s")


def event(name: str, topic: str) -> None:
    catalogues = ["schemas/catalogue.toml", *map(str, pathlib.Path("schemas/catalogue").glob("*.toml"))]
    topics = [one for file in catalogues for one in tomllib.loads(pathlib.Path(file).read_text())["topics"]]
    key = next((one["key"] for one in topics if one["name"] == topic), None)
    if key is None:
        sys.exit(f"no catalogue declares a topic {topic}")
    golden(write("event", words(name) | {"topic": topic, "key": key, "namespace": topic.replace("-", "_")}), key)


if __name__ == "__main__":
    if not all(re.fullmatch(r"[a-z][a-z0-9-]*", word) for word in sys.argv[2:]):
        sys.exit("names are small letters, digits and hyphens")
    match sys.argv[1:]:
        case ["read-model", name, topic]:
            read_model(name, topic)
        case ["aggregate", name]:
            aggregate(name)
        case ["event", name, topic]:
            event(name, topic)
        case _:
            sys.exit("usage: new.py read-model NAME TOPIC | aggregate NAME | event NAME TOPIC")
    # The order of names depends on the names; the manifests must know a crate before it can be looked at.
    subprocess.run(["cargo", "run", "--quiet", "--package", "foldstream-generator"], check=True)
    subprocess.run(["cargo", "fmt", "--all"], check=True)
