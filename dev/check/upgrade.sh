#!/usr/bin/env bash
# Builds another commit beside this one, and has this one's executables take over a stack that the other left midway.
set -euo pipefail
cd "$(dirname "$0")/../.."

: "${1:?which commit? make upgrade FROM=<commit>}"
readonly from=$1 release=$2
tree=$(mktemp -d)
trap 'git worktree remove --force "$tree"' EXIT
git worktree add --quiet --detach "$tree" "$from"
cargo build --release --locked --quiet --workspace --bins --manifest-path "$tree/Cargo.toml" --target-dir "$tree/target"
"${XDG_CACHE_HOME:-$HOME/.cache}/foldstream/python/bin/python" dev/check/upgrade.py \
    "$tree/target/release/foldstream" "$release/foldstream"
