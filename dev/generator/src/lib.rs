//! Makes code from declarations: `catalogue.toml` and the `.avsc` beside it become structs, the enum of each topic, the
//! checks of the fields and the catalogue (`code.rs`), and the table of topics on the page for people (`page.rs`); and from the
//! folders of services the dependencies on them (`services.rs`).
//!
//! It reads files only, so it works while the crates it writes do not compile. What it writes is checked in: reading a
//! change shows what it does to the code, and a build needs no generator. `tests/fresh.rs` fails when it is stale.

mod catalogue;
mod code;
mod page;
mod record;
mod services;

use anyhow::{Context, Result};
use catalogue::Root;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A file as it should be.
#[derive(Debug)]
pub struct Generated {
    pub path: PathBuf,
    pub text: String,
}

impl Generated {
    pub fn is_stale(&self) -> Result<bool> {
        Ok(!self.path.exists() || self.read()? != self.text)
    }

    pub fn write(&self) -> Result<()> {
        fs::write(&self.path, &self.text).with_context(|| format!("cannot write {}", self.path.display()))
    }

    fn read(&self) -> Result<String> {
        fs::read_to_string(&self.path).with_context(|| format!("cannot read {}", self.path.display()))
    }
}

/// Everything that is made from the declarations below this folder.
pub fn generate(root: &Path) -> Result<Vec<Generated>> {
    let engine = Root::read(&root.join("engine/log"), &[])?;
    let domains = Root::read(&root.join("schemas"), std::slice::from_ref(&engine))?;
    let page = root.join("schemas/README.md");
    let text = fs::read_to_string(&page).with_context(|| format!("cannot read {}", page.display()))?;
    let mut made = vec![
        Generated { path: engine.folder.join("src/generated.rs"), text: code::of_engine(&engine)? },
        Generated { path: domains.folder.join("src/generated.rs"), text: code::of_domains(&domains, &engine)? },
        Generated { path: domains.folder.join("tests/golden/any_event.rs"), text: code::of_tests(&domains, &engine) },
        Generated { path: page, text: page::with_topics(&text, &domains, &engine)? },
    ];
    made.extend(services::manifests(root)?.into_iter().map(|(path, text)| Generated { path, text }));
    Ok(made)
}
