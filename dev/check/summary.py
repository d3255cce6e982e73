"""Shows what `cargo test` prints as it comes, keeps it, and says at the end how many ran and which took longest.

    cargo test … 2>&1 | python3 dev/check/summary.py LOG

What a test of `tests/whole` took it has noted itself: it adds a line to `worlds.tsv` beside the log when its world ends.
"""

import pathlib
import re
import sys
import time

SHOWN = 10

log = pathlib.Path(sys.argv[1])
worlds = log.with_name("worlds.tsv")
worlds.unlink(missing_ok=True)
passed = failed = 0
begun, binaries, running = time.monotonic(), [], None
with log.open("w") as kept:
    for line in sys.stdin:
        sys.stdout.write(line)
        sys.stdout.flush()
        kept.write(line)
        if result := re.match(r"^test result: \w+\. (\d+) passed; (\d+) failed;.* finished in ([\d.]+)s", line):
            passed, failed = passed + int(result[1]), failed + int(result[2])
            binaries.append((float(result[3]), running))
        elif started := re.match(r"^ +Running (?:unittests )?(\S+)", line):
            running = started[1]


def slowest(of, what):
    print(f"tests: the slowest {what}")
    for seconds, name in sorted(of, reverse=True)[:SHOWN]:
        print(f"tests: {seconds:7.1f} s {name}")


slowest([binary for binary in binaries if binary[0] >= 1], "binaries")
if worlds.exists():
    lines = [line.split("\t") for line in worlds.read_text().splitlines()]
    slowest([(float(seconds), name) for seconds, name in lines], "worlds")
print(f"tests: {time.monotonic() - begun:.0f} s with compiling")
print(f"tests: {passed} passed, {failed} failed")
