//! Who imports whom inside a crate: no module may, by way of others, import itself.
//!
//! A module is a file. It imports what its paths name: `use` and paths in its code, from `crate`, `self`, `super` or one of
//! its own submodules. So a child that takes something from its parent, which takes something from that child, is a circle.
//! Tests do not count: they look at their own module by rights. Nor do macros (a call by path, `$crate` within one), which are
//! written out where they stand, nor code in a text that begins with `use`, which is of whoever it is written for.

use crate::sources;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

/// Modules of a crate by their path, the crate itself being the empty one, with the code of each.
type Modules = BTreeMap<Vec<String>, String>;

#[test]
fn no_module_imports_itself_by_way_of_others() {
    let mut amiss = Vec::new();
    for (name, modules) in crates() {
        let imports: BTreeMap<_, _> =
            modules.iter().map(|(module, code)| (module, imports(module, code, &modules))).collect();
        let circular: Vec<_> = imports.keys().filter(|module| reaches_itself(module, &imports)).collect();
        if !circular.is_empty() {
            let names: Vec<_> = circular
                .iter()
                .map(|module| {
                    let others = imports[**module].iter().filter(|other| circular.iter().any(|one| **one == *other));
                    let others: Vec<_> = others.map(|other| shown(other)).collect();
                    format!("  {} imports {}", shown(module), others.join(", "))
                })
                .collect();
            amiss.push(format!("{name}: modules are in circles:\n{}", names.join("\n")));
        }
    }
    assert!(amiss.is_empty(), "{}", amiss.join("\n"));
}

fn shown(module: &[String]) -> String {
    if module.is_empty() { "the crate's root".to_owned() } else { module.join("::") }
}

/// Each crate's folder and modules.
fn crates() -> BTreeMap<String, Modules> {
    let mut crates: BTreeMap<String, Modules> = BTreeMap::new();
    for file in sources() {
        let path = file.strip_prefix(crate::root()).unwrap().to_str().unwrap().to_owned();
        let path = format!("/{path}");
        let Some((folder, inside)) = path.split_once("/src/") else { continue };
        let mut module: Vec<String> = inside.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if module.last().is_some_and(|last| last == "tests") {
            continue;
        }
        if module.last().is_some_and(|last| ["lib", "main", "mod"].contains(&last.as_str())) {
            module.pop();
        }
        let code = without_tests_and_comments(&fs::read_to_string(&file).unwrap());
        // A library and an executable of one folder are one house.
        crates.entry(folder.trim_start_matches('/').to_owned()).or_default().entry(module).or_default().push_str(&code);
    }
    crates
}

fn without_tests_and_comments(text: &str) -> String {
    let mut kept = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim() == "#[cfg(test)]" {
            let mut next = lines.next().unwrap_or_default();
            while next.trim_start().starts_with("#[") {
                next = lines.next().unwrap_or_default();
            }
            // A module of tests ends the file; anything else under test is one line, or of no weight here.
            if next.contains("mod tests {") {
                break;
            }
            continue;
        }
        // `$crate` in a macro is a path of whoever expands it, and code in a text is of whoever it is written for.
        let code = line.split("//").next().unwrap_or_default().split("\"use ").next().unwrap_or_default();
        kept.push_str(&code.replace("$crate::", "$"));
        kept.push('\n');
    }
    kept
}

/// The modules that a module's paths name.
fn imports(module: &[String], code: &str, modules: &Modules) -> BTreeSet<Vec<String>> {
    let children: BTreeSet<&str> = modules
        .keys()
        .filter(|other| other.len() == module.len() + 1 && other.starts_with(module))
        .map(|other| other.last().unwrap().as_str())
        .collect();
    let mut imports = BTreeSet::new();
    for path in paths(code) {
        let mut segments = path.iter().map(String::as_str).peekable();
        let mut named: Vec<&str> = module.iter().map(String::as_str).collect();
        match segments.peek() {
            Some(&"crate") => {
                segments.next();
                named.clear();
            }
            Some(&"self") => drop(segments.next()),
            Some(&"super") => {
                while segments.next_if_eq(&"super").is_some() {
                    named.pop();
                }
            }
            Some(first) if children.contains(first) => {}
            _ => continue,
        }
        named.extend(segments);
        // What is no file is an item of the module before it.
        while !named.is_empty() && !modules.contains_key(&owned(&named)) {
            named.pop();
        }
        if owned(&named) != module {
            imports.insert(owned(&named));
        }
    }
    imports
}

fn owned(path: &[&str]) -> Vec<String> {
    path.iter().map(|segment| (*segment).to_owned()).collect()
}

/// Every path of more than one segment, those of nested braces written out.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    // For each open brace: what stands before it, when it opens a tree of `use`.
    let mut open: Vec<Option<Vec<String>>> = Vec::new();
    let mut path: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut after_colons = false;
    let mut rest = code.chars().peekable();
    while let Some(letter) = rest.next() {
        if letter.is_alphanumeric() || letter == '_' {
            word.push(letter);
            continue;
        }
        if !word.is_empty() {
            if !after_colons {
                path = open.last().cloned().flatten().unwrap_or_default();
            }
            path.push(std::mem::take(&mut word));
        }
        if letter == ':' && rest.peek() == Some(&':') {
            rest.next();
            after_colons = true;
            continue;
        }
        if letter == '{' {
            open.push(after_colons.then(|| std::mem::take(&mut path)));
        } else if path.len() > 1 && letter != '!' {
            // A macro is written out where it stands: naming it imports nothing.
            found.push(std::mem::take(&mut path));
        }
        if letter == '}' {
            open.pop();
        }
        after_colons = false;
        path.clear();
    }
    found
}

fn reaches_itself(module: &Vec<String>, imports: &BTreeMap<&Vec<String>, BTreeSet<Vec<String>>>) -> bool {
    let mut seen = BTreeSet::new();
    let mut next: Vec<_> = imports[module].iter().collect();
    while let Some(other) = next.pop() {
        if other == module {
            return true;
        }
        if seen.insert(other) {
            next.extend(&imports[other]);
        }
    }
    false
}

#[test]
fn paths_are_found_where_they_stand() {
    let code = "use crate::{a::{B, c::D}, e};\nuse super::f;\nfn g() { h::i(crate::j::K); l }\n";
    let found: Vec<_> = paths(code).iter().map(|path| path.join("::")).collect();
    assert_eq!(found, ["crate::a::B", "crate::a::c::D", "crate::e", "super::f", "h::i", "crate::j::K"]);
}
