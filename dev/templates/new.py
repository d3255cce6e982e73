"""Makes a service from a template: `new.py read-model NAME TOPIC`, in the tree the current directory is in.

What it writes compiles, passes the checks and folds; what it means is then yours to change. Besides the service's own
folder it writes a line where each service has one: the manifest, the table of services, the README's table.
"""

import pathlib
import re
import subprocess
import sys

TEMPLATES = pathlib.Path(__file__).parent


def camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("-"))


def before(path: str, marker: str, line: str) -> None:
    """Puts a line before the first one that has the marker."""
    file = pathlib.Path(path)
    lines = file.read_text().splitlines(keepends=True)
    at = next(number for number, text in enumerate(lines) if marker in text)
    file.write_text("".join([*lines[:at], line + "\n", *lines[at:]]))


def read_model(name: str, topic: str) -> None:
    words = {"name": name, "table": name.replace("-", "_"), "Name": camel(name), "topic": topic, "Topic": camel(topic)}
    folder = pathlib.Path("projections", name)
    if folder.exists():
        sys.exit(f"{folder} is there already")
    template = TEMPLATES / "read-model"
    for file in sorted(template.rglob("*.template")):
        made = folder / file.relative_to(template).with_suffix("")
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_text(re.sub(r"\{(name|table|Name|topic|Topic)\}", lambda word: words[word[1]], file.read_text()))
    package = f"foldstream-{name}-projection"
    before("Cargo.toml", "    # tables -> people", f'    "projections/{name}",')
    before("Cargo.toml", "foldstream-store = {", f'{package} = {{ path = "projections/{name}" }}')
    before("Cargo.toml", "foldstream-store.workspace = true", f"{package}.workspace = true")
    before("src/services.rs", "name: foldstream_api::NAME", f"    projection::<{package.replace('-', '_')}::{camel(name)}>(),")
    row = f"| `{name}-projection` | `{topic}` | `{words['table']}` | dead letter, and its key waits |"
    before("README.md", "| `api` |", row)
    # The order of names depends on the names.
    subprocess.run(["cargo", "fmt", "--package", package], check=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["read-model", name, topic] if all(re.fullmatch(r"[a-z][a-z0-9-]*", word) for word in (name, topic)):
            read_model(name, topic)
        case _:
            sys.exit("usage: new.py read-model NAME TOPIC, in small letters and hyphens")
