"""No proof vanishes while the house is rebuilt: every test, oracle and fault of `proofs.txt` is there, or its successor.

    python3 dev/check/proofs.py LOG      # LOG: what `cargo test` printed, every test of it

A test counts when it ran: its line stands in the log. So a test that is skipped, or left out of the run, is missing.
"""

import collections
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def proofs():
    """The lines of each section, those with a successor by its name."""
    sections, section = collections.defaultdict(list), None
    for line in (ROOT / "dev/check/proofs.txt").read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            sections[section].append(line.split(" -> ")[-1])
    return sections


def ran(log):
    """The functions of the tests that a log tells of, each as often as it ran."""
    lines = re.findall(r"^test (\S+?)(?: - should panic)? \.\.\.", log, re.M)
    return collections.Counter(line.rsplit("::", 1)[-1] for line in lines)


found = {
    "tests": ran(pathlib.Path(sys.argv[1]).read_text()),
    "oracles": collections.Counter(path.name for path in (ROOT / "tests/oracle").iterdir()),
    "faults": collections.Counter(
        re.findall(r'^    \(\n        "([^"]+)",', (ROOT / "dev/check/mutations.py").read_text(), re.M)
    ),
}
missing = [
    f"{section}: {name}"
    for section, names in proofs().items()
    for name, times in collections.Counter(names).items()
    # Several old tests may have one successor.
    if found[section][name] < (1 if section == "tests" else times)
]
if missing:
    sys.exit("proofs are missing; say in dev/check/proofs.txt what they became:\n  " + "\n  ".join(missing))
print(f"proofs: all {sum(map(len, proofs().values()))} are there")
