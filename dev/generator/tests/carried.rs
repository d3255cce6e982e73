//! A topic of a domain that carries a record of the engine beside its own, and is declared in a file of its own; and a
//! service that code names.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking and says what it saw")]

use std::{fs, path::Path};

const CATALOGUE: &str = r#"
[[topics]]
name = "parcel-outcomes"
key = "parcel_id"
partitions = 6
expire_after_days = 7
writers = ["depot"]
carries = ["foldstream.engine.CommandDecided"]
"#;
const OWN: &str = r#"{"type": "record", "name": "ParcelLost", "namespace": "depot", "doc": "Gone.", "fields": [
    {"name": "event_id", "type": {"type": "string", "logicalType": "uuid"}},
    {"name": "parcel_id", "type": "string", "rule": "id"}
]}"#;

#[test]
fn a_topic_takes_records_of_the_engine_with_their_own_key() {
    let root = std::env::temp_dir().join(format!("foldstream-generator-{}", std::process::id()));
    let own = root.join("schemas/avro/parcel-outcomes");
    fs::create_dir_all(&own).unwrap();
    fs::write(own.join("ParcelLost.avsc"), OWN).unwrap();
    fs::write(root.join("schemas/catalogue.toml"), "topics = []\n").unwrap();
    fs::create_dir_all(root.join("schemas/catalogue")).unwrap();
    fs::write(root.join("schemas/catalogue/parcels.toml"), CATALOGUE).unwrap();
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::copy(ours.join("schemas/README.md"), root.join("schemas/README.md")).unwrap();
    copy(&ours.join("engine/log/avro"), &root.join("engine/log/avro"));
    fs::copy(ours.join("engine/log/catalogue.toml"), root.join("engine/log/catalogue.toml")).unwrap();
    for folder in ["producers", "processors/depot", "processors/quay", "projections", "src", "api/src"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    for manifest in ["Cargo.toml", "api/Cargo.toml"] {
        fs::copy(ours.join(manifest), root.join(manifest)).unwrap();
    }
    for service in ["depot", "quay"] {
        let manifest = format!("[package]\nname = \"foldstream-{service}-processor\"\n");
        fs::write(root.join(format!("processors/{service}/Cargo.toml")), manifest).unwrap();
    }
    fs::write(root.join("src/services.rs"), "processor::<foldstream_depot_processor::Depot>(),").unwrap();

    let files = foldstream_generator::generate(&root).unwrap();
    fs::remove_dir_all(&root).unwrap();
    let text = |name: &str| &files.iter().find(|file| file.path == root.join(name)).unwrap().text;
    let code = text("schemas/src/generated.rs");
    for part in [
        "ParcelOutcomesEvent on PARCEL_OUTCOMES {\n        ParcelLost keyed by parcel_id: \"depot.ParcelLost\"",
        "        CommandDecided keyed by aggregate_id: \"foldstream.engine.CommandDecided\"",
        "use engine::{CommandDecided, COMMAND_DECIDED_RULES, COMMAND_DECIDED_SCHEMA};",
    ] {
        assert!(code.contains(part), "{part} is not in {code}");
    }
    let declared = "foldstream-depot-processor = { path = \"processors/depot\" }\nfoldstream-quay-processor = {";
    let named = "made by `make generate`\nfoldstream-depot-processor.workspace = true\n# end";
    assert!(text("Cargo.toml").contains(declared) && text("Cargo.toml").contains(named));
    assert!(!text("api/Cargo.toml").contains("depot"));
    assert!(text("schemas/README.md").contains("`depot.ParcelLost`, `foldstream.engine.CommandDecided`"));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}
