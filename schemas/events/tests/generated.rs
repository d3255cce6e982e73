//! `src/generated.rs` is what the schemas say: this test fails when it is stale and says how to renew it.
//! `FOLDSTREAM_RENEW=1 cargo test -p foldstream-events --test generated` writes it anew.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking and says what it saw")]

use rsgen_avro::{Generator, Source};
use std::{env, fs, path::Path};

#[test]
fn generated_structs_are_those_of_the_schemas() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = root.join("src/generated.rs");
    let wanted = generate(&root.join("avro"));
    if env::var_os("FOLDSTREAM_RENEW").is_some() {
        fs::write(&file, &wanted).unwrap();
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        found == wanted,
        "src/generated.rs is stale: FOLDSTREAM_RENEW=1 cargo test -p foldstream-events --test generated"
    );
}

fn generate(avro: &Path) -> String {
    let mut schemas: Vec<_> = fs::read_dir(avro)
        .unwrap()
        .flat_map(|topic| fs::read_dir(topic.unwrap().path()).unwrap())
        .map(|schema| schema.unwrap().path())
        .collect();
    schemas.sort();
    let generator = Generator::builder().use_chrono_dates(true).build().unwrap();
    let mut text = String::from("//! Made from `avro/` by `tests/generated.rs`. Not to be edited.\n");
    for schema in schemas {
        let mut structs = Vec::new();
        let schema = fs::read_to_string(schema).unwrap();
        generator.generate(&Source::SchemaStr(&schema), &mut structs).unwrap();
        text.push_str(&String::from_utf8(structs).unwrap());
    }
    // The generator names what it needs by the paths under which apache-avro exports it.
    text.replace("apache_avro::Uuid", "uuid::Uuid")
        .replace("apache_avro::serde_avro_bytes_opt", "serde_bytes")
        .replace("apache_avro::serde_avro_bytes", "serde_bytes")
}
