//! The engine runs any fold: it names no event of ours.
//!
//! The names are read from where they are declared (topics and keys from the catalogue, records from the schemas, tables from
//! the read models, services from the manifests), never listed here. What is unmistakable (`person_id`, `LocationReported`)
//! may stand nowhere in `engine/`, comments and tests included; a plain word (`people`) may not stand as a name: quoted, or
//! as a table in a statement. Manifests are not looked at: their dependencies are held by the layers.

use crate::{crates, listed, root};
use std::{collections::BTreeSet, fs, path::Path};

/// Folders of services, whose crates are named for them.
const SERVICES: &[&str] = &["producers/", "processors/", "projections/"];

#[test]
fn the_engine_names_no_event_of_ours() {
    let names = names();
    for expected in
        ["person-commands", "person_id", "LocationReported", "current_location", "people-processor", "people"]
    {
        assert!(names.contains(expected), "{expected} is not found where it is declared: {names:?}");
    }
    let (unmistakable, plain): (Vec<_>, Vec<_>) = names.iter().partition(|name| is_unmistakable(name));
    let mut amiss = Vec::new();
    for file in listed(&["engine"]).iter().filter(|file| !file.ends_with("Cargo.toml")) {
        let Ok(text) = fs::read_to_string(file) else { continue };
        for (number, line) in text.lines().enumerate() {
            let named = unmistakable.iter().filter(|name| has_word(line, name));
            let quoted = plain.iter().filter(|name| is_named(line, name));
            for name in named.chain(quoted) {
                amiss.push(format!("{}:{}: {name}: {}", file.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(amiss.is_empty(), "the engine names what is ours:\n{}", amiss.join("\n"));
}

fn names() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let catalogue: String =
        listed(&["schemas/catalogue*.toml"]).iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let mut in_topic = false;
    for line in catalogue.lines() {
        if line.starts_with('[') {
            in_topic = line == "[[topics]]";
        }
        if let Some((property, value)) = line.split_once(" = ")
            && in_topic
            && ["name", "key"].contains(&property)
        {
            names.insert(value.trim_matches('"').to_owned());
        }
    }
    for schema in listed(&["schemas/avro/*.avsc"]) {
        names.insert(schema.file_stem().unwrap().to_str().unwrap().to_owned());
    }
    for statements in listed(&["projections/*.sql"]) {
        for line in fs::read_to_string(statements).unwrap().lines() {
            if let Some(table) = line.strip_prefix("create table ") {
                names.insert(table.split([' ', '(']).next().unwrap().to_owned());
            }
        }
    }
    for folder in crates().keys().filter(|folder| SERVICES.iter().any(|of| folder.starts_with(of))) {
        let manifest = fs::read_to_string(Path::new(root()).join(folder).join("Cargo.toml")).unwrap();
        let name = manifest.lines().find_map(|line| line.strip_prefix("name = \"foldstream-")).unwrap();
        names.insert(name.trim_end_matches('"').to_owned());
    }
    names
}

/// No word of the language: it has a dash, an underscore, or a capital within.
fn is_unmistakable(name: &str) -> bool {
    name.chars().skip(1).any(|letter| letter == '-' || letter == '_' || letter.is_uppercase())
}

fn has_word(line: &str, name: &str) -> bool {
    let within = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '-';
    line.match_indices(name).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + name.len()..].chars().next();
        !before.is_some_and(within) && !after.is_some_and(within)
    })
}

fn is_named(line: &str, name: &str) -> bool {
    // What stands in brackets too is a link to code of the engine's own.
    let line = &line.replace(&format!("[`{name}`]"), "");
    let quoted = ['"', '\'', '`'].iter().any(|quote| line.contains(&format!("{quote}{name}{quote}")));
    quoted || ["from", "into", "join", "table", "update"].iter().any(|verb| has_word(line, &format!("{verb} {name}")))
}

#[test]
fn words_are_told_apart() {
    assert!(is_unmistakable("person_id") && is_unmistakable("LocationReported") && !is_unmistakable("people"));
    assert!(has_word("the key is person_id.", "person_id") && !has_word("other_person_id", "person_id"));
    assert!(is_named("select 1 from person where", "person") && is_named("(\"people\")", "people"));
    assert!(!is_named("what people read, replayed from it", "people"));
}
