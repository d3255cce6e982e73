#!/usr/bin/env bash
# Runs every test and says how many ran, and which took longest. The tests start and stop their own stacks on free ports;
# the artefacts of a failed run stay under .local/tests. FOLDSTREAM_SOAK=1: the long form.
set -euo pipefail
cd "$(dirname "$0")/.."

log=.local/tests/test.log
mkdir -p "$(dirname "$log")"
status=0
# One at a time: the brokers of two worlds at work keep two cores busier than clients have patience.
RUST_TEST_THREADS=1 cargo test --locked --workspace --no-fail-fast --lib --bins --tests 2>&1 |
    python3 dev/check/summary.py "$log" || status=$?
[ "$status" -ne 0 ] || python3 dev/check/proofs.py "$log" || status=$?
exit "$status"
