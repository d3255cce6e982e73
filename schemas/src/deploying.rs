//! The registry is made to agree with our schemas at deploy, or it is said why it does not.
//!
//! A schema that is not registered as it is meets the gate beside every version that is, and then the registry's own check
//! beside all of them. The level is set *before* the first registration: until then the registry enforces nothing.

use crate::evolution::{WrittenVersion, evolution_faults, schema_faults};
use foldstream_log::{Catalogue, RecordType, Registry, RegistryError};

/// Every version can read and be read by every other one.
const COMPATIBILITY: &str = "FULL_TRANSITIVE";

/// Sets the compatibility level, then registers every record type of every topic. Doing it again is harmless.
pub async fn register_schemas(
    registry: &Registry,
    catalogue: &Catalogue,
) -> Result<Vec<(&'static RecordType, u32)>, RegistryError> {
    registry.set_compatibility_level(COMPATIBILITY).await?;
    let mut registered = Vec::new();
    for record in catalogue.record_types() {
        registered.push((record, registry.register(record).await?));
    }
    Ok(registered)
}

/// What differs between our schemas and the registry; empty when all is well.
pub async fn check_schemas(registry: &Registry, catalogue: &Catalogue) -> Result<Vec<String>, RegistryError> {
    let mut differences = Vec::new();
    let level = registry.compatibility_level().await?;
    if level != COMPATIBILITY {
        differences.push(format!("compatibility level: {level}, expected {COMPATIBILITY}"));
    }
    for record in catalogue.record_types() {
        differences.extend(schema_faults(record).iter().map(ToString::to_string));
        match registry.id_of(record).await {
            Ok(_) => {}
            Err(RegistryError::NotRegistered { subject }) => {
                differences.extend(why_not_registered(registry, &subject, record).await?);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(differences)
}

/// Whether a schema that is not registered could be, and what forbids it.
async fn why_not_registered(
    registry: &Registry,
    subject: &str,
    record: &RecordType,
) -> Result<Vec<String>, RegistryError> {
    let versions = registry.versions(subject).await?;
    if versions.is_empty() {
        return Ok(vec![format!("{subject}: not registered")]);
    }
    let written: Vec<_> = versions
        .iter()
        .map(|registered| WrittenVersion { version: registered.version, schema: &registered.schema })
        .collect();
    let faults = evolution_faults(record, &written);
    if !faults.is_empty() {
        return Ok(faults.iter().map(|fault| format!("{subject}: not registered, and must not be: {fault}")).collect());
    }
    Ok(vec![match registry.incompatibility(record).await? {
        None => {
            format!("{subject}: not registered, and compatible with every registered version ({})", versions.len())
        }
        Some(why) => format!(
            "{subject}: not registered, and incompatible with a registered version, as the registry finds: {why}"
        ),
    }])
}
