//! What was made from the declarations is what would be made from them now.

use std::path::Path;

#[test]
fn the_generated_code_is_that_of_the_declarations() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for file in foldstream_generator::generate(&root).unwrap() {
        assert!(!file.is_stale().unwrap(), "{} is stale: run make generate", file.path.display());
    }
}
