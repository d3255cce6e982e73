#!/usr/bin/env bash
# Everything that can be said of the code without running it, fast to slow. Quiet when all is well.
set -euo pipefail
cd "$(dirname "$0")/../.."

step() {
    local name=$1
    shift
    local started=$SECONDS output
    if ! output=$("$@" 2>&1); then
        printf '%s\n\ncheck: %s failed\n' "$output" "$name" >&2
        exit 1
    fi
    printf 'check: %-22s %3d s\n' "$name" $((SECONDS - started))
}

shell_scripts() {
    git ls-files -z '*.sh' .ci/run | xargs -0 shellcheck
}

yaml_files() {
    git ls-files -z '*.yml' '*.yaml' | xargs -0 -r yamllint --strict
}

# A Rust tool, built once into the cache.
tool() {
    local name=$1 version=$2 root
    root=${XDG_CACHE_HOME:-$HOME/.cache}/foldstream/tools
    [ -x "$root/bin/$name-$version" ] || {
        cargo install --quiet --locked --root "$root" "$name" --version "$version"
        mv "$root/bin/$name" "$root/bin/$name-$version"
    }
    printf '%s\n' "$root/bin/$name-$version"
}

dependencies() {
    cargo fetch --locked --quiet
    "$(tool cargo-deny 0.20.2)" --offline check bans licenses sources
}

advisories() {
    dev/check/advisories.sh "$(tool cargo-deny 0.20.2)"
}

unused_dependencies() {
    cargo fetch --locked --quiet
    "$(tool cargo-machete 0.9.2)" .
}

documentation() {
    RUSTDOCFLAGS='--deny warnings' cargo doc --locked --quiet --workspace --no-deps --document-private-items
}

step 'format' cargo fmt --all --check
step 'scripts' shell_scripts
step 'yaml' yaml_files
step 'licences and sources' dependencies
if [ -n "${FOLDSTREAM_ADVISORY_DB:-}" ]; then
    step 'advisories' advisories
else
    echo 'check: advisories             not checked: FOLDSTREAM_ADVISORY_DB names no database'
fi
step 'unused dependencies' unused_dependencies
# With --workspace everywhere the dependencies are compiled once: other selections would choose other features. The
# structure, the schemas and the README are held by tests: they run with the others in `make test`.
step 'clippy' cargo clippy --locked --quiet --workspace --all-targets -- --deny warnings
step 'documentation' documentation
