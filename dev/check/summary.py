"""Shows what `cargo test` prints as it comes, keeps it, and says at the end how many ran and which took longest.

    cargo test … 2>&1 | python3 dev/check/summary.py LOG

Tests run one after the other, so what passes between the ends of two is what the second took. Durations of all are
kept beside the log, slowest first.
"""

import pathlib
import re
import sys
import time

SHOWN = 12
STARTED = re.compile(r"^test (\S+)(?: - should panic)? \.\.\. ")

log = pathlib.Path(sys.argv[1])
passed = failed = 0
durations = []
with log.open("w") as kept:
    begun, running = time.monotonic(), None
    for line in sys.stdin:
        sys.stdout.write(line)
        sys.stdout.flush()
        kept.write(line)
        now = time.monotonic()
        # Children of a test may write to the same line, and to more behind it.
        if started := STARTED.match(line):
            running = started[1]
        if result := re.match(r"^test result: \w+\. (\d+) passed; (\d+) failed", line):
            passed, failed = passed + int(result[1]), failed + int(result[2])
        elif line.startswith("running "):
            begun = now
        elif running and line.rstrip().endswith(("ok", "FAILED")):
            durations.append((now - begun, running))
            begun, running = now, None

durations.sort(reverse=True)
log.with_suffix(".durations").write_text("".join(f"{seconds:8.2f} {name}\n" for seconds, name in durations))
print(f"tests: the slowest of {sum(seconds for seconds, _ in durations):.0f} s")
for seconds, name in durations[:SHOWN]:
    print(f"tests: {seconds:5.0f} s {name}")
print(f"tests: {passed} passed, {failed} failed")
