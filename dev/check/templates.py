"""Makes a read model, an aggregate and an event type from their templates in a copy of the tree, counts what that took,
builds the copy and uses it on a stack of its own.

Counted is what people write: not what `make generate` and `make readme` make, and not the bytes of golden records.
"""

import difflib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from world import PYTHON, ROOT, World, until

READ_MODEL, AGGREGATE, EVENT = 9, 14, 1
MOST_FILES_ELSEWHERE, MOST_LINES_ELSEWHERE = 3, 6
MADE_FILES = re.compile(r"Cargo\.lock|.*/generated\.rs|schemas/tests/golden/.*|schemas/golden/.*\.json")
MADE_LINES = re.compile(r"^.*made by `make .*\n(?:.*\n)*?.*end of what is made.*\n", re.MULTILINE)


def run(*command: str, folder: pathlib.Path, **environment: str) -> str:
    command = tuple(map(str, command))
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=os.environ | environment)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def files_of(folder: pathlib.Path) -> list[str]:
    names = run("git", "ls-files", "--cached", "--others", "--exclude-standard", folder=folder).splitlines()
    return [name for name in names if (folder / name).is_file()]


def copied(folder: pathlib.Path) -> None:
    """With the times of the files, so that what is compiled already stays so."""
    for name in files_of(ROOT):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    run("git", "init", "--quiet", folder=folder)


def written(folder: pathlib.Path) -> dict[str, list[str]]:
    """The lines of every file, without what is made."""
    names = (name for name in files_of(folder) if not MADE_FILES.fullmatch(name))
    texts = {name: (folder / name).read_text(errors="replace") for name in names}
    return {name: MADE_LINES.sub("", text).splitlines() for name, text in texts.items()}


def lines_changed(old: list[str], new: list[str]) -> int:
    changes = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return sum(max(to_old - old, to_new - new) for kind, old, to_old, new, to_new in changes if kind != "equal")


def made(tree: pathlib.Path, most: int, *arguments: str) -> bool:
    """Makes one from its template; whether what it took is little enough."""
    before = written(tree)
    run("python3", "dev/templates/new.py", *arguments, folder=tree)
    after = written(tree)
    new = after.keys() - before.keys()
    elsewhere = {name: lines_changed(lines, after[name]) for name, lines in before.items() if lines != after[name]}
    lines = sum(elsewhere.values())
    print(f"new {' '.join(arguments)}: {len(new)} files (at most {most}); elsewhere {len(elsewhere)} files "
          f"(at most {MOST_FILES_ELSEWHERE}), {lines} lines (at most {MOST_LINES_ELSEWHERE}): {elsewhere}")  # fmt: skip
    return len(new) <= most and len(elsewhere) <= MOST_FILES_ELSEWHERE and lines <= MOST_LINES_ELSEWHERE


def built(tree: pathlib.Path) -> pathlib.Path:
    """Builds the copy, and holds it to what every change is held to; where its executables are."""
    # With --workspace, as everywhere: another selection would choose other features of the dependencies.
    workspace = ["--offline", "--quiet", "--workspace"]
    readme = ["--bin", "foldstream", "--", "the_readme_lists_every_service"]
    run("cargo", "test", *workspace, *readme, folder=tree, UPDATE_EXPECT="1")
    run("cargo", "fmt", "--all", "--check", folder=tree)
    run("cargo", "clippy", *workspace, "--all-targets", "--", "--deny", "warnings", folder=tree)
    own = ["a_record_without_a_value", "what_is_loaded", "services::tests", "resources::tests"]
    run("cargo", "test", *workspace, "--lib", "--bins", "--", *own, folder=tree)
    structure = [part for name in ("house", "golden", "evolution", "fresh") for part in ("--test", name)]
    run("cargo", "test", *workspace, *structure, folder=tree)
    run("cargo", "build", *workspace, "--bins", folder=tree)
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", tree / "target")) / "debug"


def used(tree: pathlib.Path, executables: pathlib.Path, directory: pathlib.Path) -> None:
    # Executables of their own: the next build of this tree replaces those.
    foldstream, stack = (shutil.copy2(executables / name, directory) for name in ("foldstream", "foldstream-stack"))
    world = World(directory, stack)

    def answers(method, path, status, body=None):
        found, answer = world.ask(method, path, body)
        if found != status:
            sys.exit(f"{method} {path} is answered {found}, not {status}: {answer}")
        return answer

    try:
        world.start()
        world.call(foldstream, "topics", "apply")
        world.call(foldstream, "schemas", "register")
        world.spawn(foldstream, "services", "run", "all")
        world.until_ready()
        ticket = answers("POST", "/api/tickets?wait_ms=30000", 201, {"title": "first"})
        address = f"/api/tickets/{ticket['id']}"
        answers("PATCH", f"{address}?wait_ms=30000", 204, {"title": "second"})
        answers("PATCH", "/api/tickets/nobody?wait_ms=30000", 404, {"title": "second"})
        until("the ticket has its second title", lambda: differs(world.ask("GET", address)[1], ticket | {"title": "second"}))
        # Two events and three outcomes, of which one is nobody's.
        counts = [{"key": "nobody", "records": 1}, {"key": ticket["id"], "records": 4}]
        order = sorted(counts, key=lambda count: count["key"])
        until("every record is counted", lambda: differs(world.ask("GET", "/api/record-counts")[1], order))
        golden = tree / "schemas/golden/foldstream.tickets.TicketClosed/v1.json"
        run(PYTHON, ROOT / "dev/check/append_golden.py", world.brokers, world.registry, "tickets", "one", golden, folder=tree)
        messages = world.call(foldstream, "messages", "-t", "tickets", "--type", "foldstream.tickets.TicketClosed")
        if json.loads(golden.read_text())["value"]["event_id"] not in messages.stdout:
            sys.exit(f"`foldstream messages` does not show the event: {messages.stdout}")
        print("two commands decided, the resource and the rows read, the event seen")
    except SystemExit:
        for log in directory.glob("*.log"):
            print(f"{log.name}: {log.read_text()[-3000:]}", file=sys.stderr)
        raise
    finally:
        world.stop()


def differs(found, expected):
    return None if found == expected else found


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="foldstream-templates-") as scratch:
        # What the database runs as can reach it.
        pathlib.Path(scratch).chmod(0o755)
        tree = pathlib.Path(scratch, "tree")
        tree.mkdir()
        copied(tree)
        enough = [
            made(tree, AGGREGATE, "aggregate", "ticket"),
            made(tree, READ_MODEL, "read-model", "record-counts", "tickets"),
            made(tree, EVENT, "event", "ticket-closed", "tickets"),
        ]
        if not all(enough):
            sys.exit("that is more than a template may take")
        try:
            executables = built(tree)
            used(tree, executables, pathlib.Path(scratch))
        finally:
            # Cargo tells by age what is compiled: what is of the copy must not be taken for this tree's.
            for name in files_of(ROOT):
                if name.endswith(".rs"):
                    os.utime(ROOT / name)


main()
