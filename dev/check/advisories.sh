#!/usr/bin/env bash
# Known vulnerabilities of dependencies, by the database at $FOLDSTREAM_ADVISORY_DB: RustSec's, as a git bundle or a
# checkout. Nothing is fetched from outside. $1: cargo-deny.
set -euo pipefail

database=$(realpath "$FOLDSTREAM_ADVISORY_DB")
# As cargo-deny names the copy of the database it would fetch; deny.toml says where it lies.
copy=.local/advisory-db/advisory-db-3157b0e258782691
rm -rf "$copy"
git init --quiet "$copy"
newest=$(git ls-remote "$database" | awk 'NR == 1 { print $2 }')
git -C "$copy" fetch --quiet "$database" "$newest"
git -C "$copy" checkout --quiet FETCH_HEAD
"$1" --offline check advisories
