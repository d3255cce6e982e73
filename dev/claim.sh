#!/usr/bin/env bash
# Makes cargo's shared output this clone's own. Cargo tells whether a file was compiled by its age alone, and a
# workspace by its packages and not by its place: to a clone whose files are older than the last build of another
# clone, it would hand the other's executables, with the other's code and paths. So whoever builds next after another
# clone makes its own files young, and cargo compiles them again; what comes from elsewhere stays compiled.
set -euo pipefail
cd "$(dirname "$0")/.."

: "${CARGO_TARGET_DIR:?is not set: call this through make}"
readonly last="$CARGO_TARGET_DIR/clone"
here=$(pwd -P)
[ "$(cat "$last" 2>/dev/null)" != "$here" ] || exit 0
mkdir -p "$CARGO_TARGET_DIR"
find . -name '*.rs' -not -path './target/*' -not -path './.local/*' -exec touch --no-create {} +
printf '%s\n' "$here" >"$last"
