//! The gate a schema passes before it is deployed: how it must look, and how it may differ from what was written
//! before it.
//!
//! Records are read with the schema they were written with, straight into the struct of the newest one, and readers
//! are older or newer than writers in any combination. So every version must be readable by every other one
//! (`FULL_TRANSITIVE`), and in a way that needs no resolution: the registry refuses less than this does.
//! `tests/evolution.rs` holds the schemas against the golden records of their older versions, `foldstream schemas
//! check` against what the registry has. Docs and the order of fields may change: no reader looks at them; rules of
//! fields are no part of what is compared or registered.
//!
//! `apache-avro` parses the schemas, and has the last word on what the comparison lets through. It cannot be the
//! comparison: it says whether *resolution* could read one as the other, and so lets promotions, other defaults and other
//! logical types pass, which readers without resolution get wrong (`tests/evolution.rs` shows it), and it does not say
//! what to do instead.

mod comparing;
mod fault;
mod linting;

use apache_avro::schema_compatibility::SchemaCompatibility;
use foldstream_log::{RecordType, avro_shape::Schema};

pub use fault::SchemaFault;

/// A version of a record that may lie in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenVersion<'a> {
    pub version: u32,
    /// The schema, as text.
    pub schema: &'a str,
}

/// What a schema must not be, whatever was before it; empty when all is well.
#[must_use]
pub fn schema_faults(record: &RecordType) -> Vec<SchemaFault> {
    match Schema::parse(record.schema) {
        Ok(schema) => linting::faults(record, &schema),
        Err(reason) => vec![unreadable(record, format!("the schema cannot be read: {reason}"))],
    }
}

/// What forbids the current schema of a record beside the versions written before, oldest first.
#[must_use]
pub fn evolution_faults(record: &RecordType, versions: &[WrittenVersion<'_>]) -> Vec<SchemaFault> {
    let current = match Schema::parse(record.schema) {
        Ok(current) => current,
        Err(reason) => return vec![unreadable(record, format!("the schema cannot be read: {reason}"))],
    };
    let mut faults = Vec::new();
    let mut is_predecessor = true;
    for written in versions.iter().rev() {
        match Schema::parse(written.schema) {
            Err(reason) => {
                faults.push(unreadable(record, format!("version {} cannot be read: {reason}", written.version)))
            }
            Ok(older) if older == current => {}
            Ok(older) => {
                let found = comparing::faults(&older, &current, written.version, is_predecessor);
                match found.is_empty() {
                    true => faults.extend(irresolvable(record, &older, &current, written.version)),
                    false => faults.extend(found),
                }
                is_predecessor = false;
            }
        }
    }
    faults
}

/// The same, and that the golden records are whole: one of every version, the newest of the current schema.
#[must_use]
pub fn golden_faults(record: &RecordType, goldens: &[WrittenVersion<'_>]) -> Vec<SchemaFault> {
    let mut faults = evolution_faults(record, goldens);
    if !faults.is_empty() {
        // A golden record of a schema that must not be would not help.
        return faults;
    }
    let fault = |wrong: String, instead: String| SchemaFault {
        record: record.full_name.to_owned(),
        field: None,
        wrong,
        because: "golden records prove that every version ever written can still be read",
        instead,
    };
    for (expected, golden) in (1..).zip(goldens) {
        if golden.version != expected {
            let instead = format!("take golden v{expected} back from the history, and number new ones without a gap");
            faults.push(fault(format!("golden v{expected} is missing, v{} is there", golden.version), instead));
            break;
        }
    }
    let newest = goldens.last().map(|golden| Schema::parse(golden.schema));
    let current = Schema::parse(record.schema);
    let next = goldens.last().map_or(1, |golden| golden.version + 1);
    if newest != Some(current) {
        let name = record.full_name.rsplit('.').next().unwrap_or_default();
        let wrong = match goldens.last() {
            Some(golden) => format!("the schema changed after golden v{}", golden.version),
            None => "there is no golden record".to_owned(),
        };
        let file = format!("schemas/avro/{}/{name}.avsc", record.topic);
        let make = format!("add golden v{next} with schemas/golden/make.py {file} {next} '<its value as JSON>'");
        faults.push(fault(wrong, make));
    }
    faults
}

/// What the reference implementation finds, where the comparison found nothing.
fn irresolvable(record: &RecordType, older: &Schema, current: &Schema, version: u32) -> Option<SchemaFault> {
    let error = SchemaCompatibility::mutual_read(&older.reference, &current.reference).err()?;
    Some(SchemaFault {
        record: record.full_name.to_owned(),
        field: None,
        wrong: format!("it and version {version} cannot be read as each other: {error}"),
        because: "readers and writers are older or newer than each other in any combination",
        instead: "write a new record type and let readers take both".to_owned(),
    })
}

fn unreadable(record: &RecordType, wrong: String) -> SchemaFault {
    SchemaFault {
        record: record.full_name.to_owned(),
        field: None,
        wrong,
        because: "an event is one Avro record",
        instead: "write a schema of type record as its neighbours are".to_owned(),
    }
}
