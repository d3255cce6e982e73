"""Makes a service from each template in a copy of the tree, builds it, uses it, and counts what it took."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

MOST_FILES = 9
MOST_FILES_ELSEWHERE = 3
MOST_LINES_ELSEWHERE = 6
ROOT = pathlib.Path(__file__).parents[2]


def run(*command: str, folder: pathlib.Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def copied(folder: pathlib.Path) -> None:
    """With the times of the files, so that what is compiled already stays so."""
    names = run("git", "ls-files", "--cached", "--others", "--exclude-standard", folder=ROOT).splitlines()
    for name in filter(lambda name: (ROOT / name).is_file(), names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    run("git", "init", "--quiet", folder=folder)
    run("git", "add", "--all", folder=folder)


def counted(folder: pathlib.Path, own: str) -> None:
    """Files of the service, and files and lines elsewhere; `Cargo.lock` is cargo's."""
    run("git", "add", "--all", folder=folder)
    empty = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
    made = run("git", "diff", "--cached", "--numstat", empty, folder=folder)
    before = {name: (ROOT / name).read_text() for name in ("Cargo.toml", "src/services.rs", "README.md")}
    files = [line.split("\t")[2] for line in made.splitlines() if line.split("\t")[2].startswith(own)]
    added = {
        name: (folder / name).read_text().count("\n") - text.count("\n")
        for name, text in before.items()
        if (folder / name).read_text() != text
    }
    print(f"{own}: {len(files)} files; elsewhere {len(added)} files, {sum(added.values())} lines: {added}")
    if len(files) > MOST_FILES or len(added) > MOST_FILES_ELSEWHERE or sum(added.values()) > MOST_LINES_ELSEWHERE:
        sys.exit(f"more than {MOST_FILES} files, {MOST_FILES_ELSEWHERE} files or {MOST_LINES_ELSEWHERE} lines elsewhere")


with tempfile.TemporaryDirectory() as scratch:
    tree = pathlib.Path(scratch, "tree")
    tree.mkdir()
    copied(tree)
    run("python3", "dev/templates/new.py", "read-model", "record-counts", "locations", folder=tree)
    counted(tree, "projections/record-counts/")
    # With --workspace, as everywhere: another selection would choose other features of the dependencies.
    workspace = ["--offline", "--quiet", "--workspace"]
    try:
        run("cargo", "fmt", "--all", "--check", folder=tree)
        # The fold, the README's table, the edges of every service.
        tests = ["a_record_without_a_value", "services::tests"]
        run("cargo", "test", *workspace, "--lib", "--bins", "--", *tests, folder=tree)
        run("cargo", "build", *workspace, "--bin", "foldstream", folder=tree)
        target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", tree / "target"))
        services = run(str(target / "debug/foldstream"), "run", "--help", folder=tree)
        if "record-counts-projection" not in services:
            sys.exit("`foldstream run` does not know the new projection")
    finally:
        # Cargo tells by age what is compiled: the executable of the copy must not be taken for this tree's.
        os.utime(ROOT / "src/services.rs")
        os.utime(ROOT / "src/main.rs")
