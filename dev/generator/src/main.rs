//! `make generate`: writes the code of the events anew, and says which files changed.

use anyhow::Result;
use std::path::Path;

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for file in foldstream_generator::generate(&root)? {
        if file.is_stale()? {
            file.write()?;
            eprintln!("renewed {}", file.path.strip_prefix(&root).unwrap_or(&file.path).display());
        }
    }
    Ok(())
}
