//! The rules of the house that a compiler does not know: layers, who may use what, how long a file may be.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking and says what it saw")]

mod imports;
mod words;

use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The stages, in the order data flows. A crate may depend on its own stage and on those before it.
const STAGES: &[&str] = &["engine", "schemas", "producers", "processors", "projections", "api", ""];
/// What developers run; it may depend on anything, and nothing but tests on it.
const DEVELOPMENT: &str = "dev";
/// The crates of the engine, each on those before it.
const ENGINE: &[&str] = &["engine/telemetry", "engine/log", "engine/browse", "engine/fold", "engine/store"];
/// Third-party crates, and the only ones of ours that may use them: a folder, or everything of a stage.
const RESERVED: &[(&str, &[&str])] = &[
    ("kafka-protocol", &["engine/browse"]),
    ("rdkafka", &["engine/log"]),
    ("serde_avro_fast", &["engine/log"]),
    ("sqlx", &["engine/store", "projections"]),
    ("axum", &["api"]),
    ("opentelemetry-otlp", &["engine/telemetry"]),
];
const MAX_LINES: usize = 600;
const FORBIDDEN_NAMES: &[&str] = &["common", "utils", "util", "helpers", "types", "core", "shared", "base"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Folder of each of our crates, with the names of what it depends on outside of tests.
fn crates() -> BTreeMap<String, Vec<String>> {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--locked", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let folder = |manifest: &str| {
        let folder = Path::new(manifest).parent().unwrap().strip_prefix(root()).unwrap();
        folder.to_str().unwrap().to_owned()
    };
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap().iter();
            let dependencies = dependencies.filter(|dependency| dependency["kind"].as_str() != Some("dev"));
            let name = |dependency: &Value| match dependency["path"].as_str() {
                Some(path) => Path::new(path).strip_prefix(root()).unwrap().to_str().unwrap().to_owned(),
                None => dependency["name"].as_str().unwrap().to_owned(),
            };
            (folder(package["manifest_path"].as_str().unwrap()), dependencies.map(name).collect())
        })
        .collect()
}

fn stage(folder: &str) -> &str {
    folder.split('/').next().unwrap()
}

#[test]
fn dependencies_point_left_or_stay_in_their_stage() {
    let crates = crates();
    let rank = |folder: &str| {
        STAGES.iter().position(|known| *known == stage(folder)).unwrap_or_else(|| panic!("{folder} is in no stage"))
    };
    for (folder, dependencies) in crates.iter().filter(|(folder, _)| stage(folder) != DEVELOPMENT) {
        for dependency in dependencies.iter().filter(|dependency| crates.contains_key(*dependency)) {
            assert_ne!(stage(dependency), DEVELOPMENT, "{folder} depends on {dependency}, which only developers run");
            assert!(rank(dependency) <= rank(folder), "{folder} depends on {dependency}, against the flow of data");
            if stage(folder) == "engine" && stage(dependency) == "engine" {
                let place = |folder: &str| {
                    ENGINE.iter().position(|known| *known == folder).unwrap_or_else(|| panic!("{folder} has no place"))
                };
                assert!(place(dependency) < place(folder), "{folder} depends on {dependency}, which comes after it");
            } else {
                assert_ne!(
                    stage(dependency),
                    stage(folder),
                    "{folder} depends on {dependency}: services of a stage meet in topics"
                );
            }
        }
    }
}

#[test]
fn reserved_crates_are_used_in_their_one_place() {
    for (folder, dependencies) in crates() {
        for (name, owners) in RESERVED {
            assert!(
                owners.iter().any(|owner| *owner == folder || *owner == stage(&folder))
                    || stage(&folder) == DEVELOPMENT
                    || !dependencies.iter().any(|used| used == name),
                "{folder} depends on {name}, which only {owners:?} may use"
            );
        }
    }
}

#[test]
fn no_crate_or_module_is_named_for_nothing() {
    for file in sources() {
        let stem = file.file_stem().unwrap().to_str().unwrap();
        assert!(!FORBIDDEN_NAMES.contains(&stem), "{} is named for nothing", file.display());
    }
    for folder in crates().keys() {
        let name = folder.rsplit('/').next().unwrap();
        assert!(!FORBIDDEN_NAMES.contains(&name), "{folder} is named for nothing");
    }
}

#[test]
fn files_are_short_and_say_what_they_are() {
    for file in sources() {
        let text = fs::read_to_string(&file).unwrap();
        // Tests beside the code do not count.
        let code = text.split("#[cfg(test)]").next().unwrap();
        let lines = code.lines().count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines of code, at most {MAX_LINES} are allowed", file.display());
        assert!(text.starts_with("//!"), "{} does not open with what it is", file.display());
    }
}

/// Every Rust file of ours, as git knows them, but for tests and what is generated.
fn sources() -> Vec<PathBuf> {
    let files: Vec<_> = listed(&["*.rs"])
        .into_iter()
        .filter(|file| {
            let file = file.strip_prefix(root()).unwrap().to_str().unwrap();
            !file.contains("tests/") && !file.ends_with("/generated.rs")
        })
        .collect();
    assert!(files.len() > 20, "only {} files found", files.len());
    files
}

/// The files that git knows, or would take, under these patterns.
fn listed(patterns: &[&str]) -> Vec<PathBuf> {
    let files = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", "--"])
        .args(patterns)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(files.status.success(), "{}", String::from_utf8_lossy(&files.stderr));
    let files = String::from_utf8(files.stdout).unwrap();
    // One that was moved away is listed until that is committed.
    files.lines().map(|file| root().join(file)).filter(|file| file.exists()).collect()
}

/// The example of the README is the product's own: what it shows of a file stands there.
#[test]
fn the_readme_shows_what_is_there() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let section = readme.split("## Add a read model").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut shown = 0;
    // In front of each block stands the link to its file.
    let parts: Vec<&str> = section.split("```").collect();
    for pair in parts.chunks_exact(2) {
        let file = pair[0].rsplit("](").next().unwrap().split(')').next().unwrap();
        let (_, block) = pair[1].split_once('\n').unwrap();
        let text = fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(text.contains(block), "README.md shows what {file} does not say:\n{block}");
        shown += 1;
    }
    assert_eq!(shown, 4);
}
