//! What a service is to the manifests of others: a dependency. Every service is known to the workspace; a manifest that has
//! the lines below takes those that its code names.
//!
//! A service is a folder with a manifest in one of the stages; nothing lists them. What each reads and writes follows from
//! its types, which only the executable knows (`src/services.rs`).

use crate::page::between;
use anyhow::{Context, Result};
use std::{
    fs,
    path::{Path, PathBuf},
};

const STAGES: &[&str] = &["producers", "processors", "projections"];
const ALL: &str = "# every service; made by `make generate`\n";
const NAMED: &str = "# the services that the code names; made by `make generate`\n";
const END: &str = "# end of what is made\n";

struct Service {
    package: String,
    folder: String,
}

/// The manifests that depend on services, as they should be.
pub(crate) fn manifests(root: &Path) -> Result<Vec<(PathBuf, String)>> {
    let services = services(root)?;
    let declared =
        services.iter().map(|service| format!("{} = {{ path = \"{}\" }}\n", service.package, service.folder)).collect();
    let workspace = root.join("Cargo.toml");
    let text = between(&read(&workspace)?, ALL, END, declared)?;
    let api = root.join("api/Cargo.toml");
    let of_api = read(&api)?;
    Ok(vec![
        (workspace, between(&text, NAMED, END, named(&services, &root.join("src"))?)?),
        (api, between(&of_api, NAMED, END, named(&services, &root.join("api/src"))?)?),
    ])
}

fn services(root: &Path) -> Result<Vec<Service>> {
    let mut services = Vec::new();
    for stage in STAGES {
        for folder in entries(&root.join(stage))? {
            let manifest = folder.join("Cargo.toml");
            // What is left of a service that was removed has none.
            if !manifest.is_file() {
                continue;
            }
            let text = read(&manifest)?;
            let name = text.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
            let package = name.with_context(|| format!("{} names no package", manifest.display()))?.to_owned();
            let folder = folder.strip_prefix(root).unwrap_or(&folder).display().to_string();
            services.push(Service { package, folder });
        }
    }
    Ok(services)
}

/// The dependencies that code below a folder names.
fn named(services: &[Service], code: &Path) -> Result<String> {
    let text = code_below(code)?;
    let is_named = |service: &&Service| text.contains(&service.package.replace('-', "_"));
    Ok(services.iter().filter(is_named).map(|service| format!("{}.workspace = true\n", service.package)).collect())
}

fn code_below(folder: &Path) -> Result<String> {
    let mut code = String::new();
    for entry in entries(folder)? {
        if entry.is_dir() {
            code.push_str(&code_below(&entry)?);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            code.push_str(&read(&entry)?);
        }
    }
    Ok(code)
}

/// In order of their names.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let within = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut entries = within.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    entries.sort();
    Ok(entries)
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}
