//! What stands between our schemas and the registry.
//!
//! A schema that is not registered as it is meets the gate of `foldstream-events` beside every version that is, and
//! then the registry's own check beside all of them: `/versions` without a number, not the last one only.

use super::{COMPATIBILITY, Registry, RegistryError};
use foldstream_events::{RecordType, WrittenVersion, evolution_faults, record_types, schema_faults};
use serde::Deserialize;
use serde_json::{Value, json};

impl Registry {
    /// What differs between our schemas and the registry; empty when all is well.
    pub async fn check_all(&self) -> Result<Vec<String>, RegistryError> {
        let mut differences = Vec::new();
        let level: Value = self.get("/config").await?;
        let level = level.get("compatibilityLevel").and_then(Value::as_str).unwrap_or("NONE").to_owned();
        if level != COMPATIBILITY {
            differences.push(format!("compatibility level: {level}, expected {COMPATIBILITY}"));
        }
        for record in record_types() {
            differences.extend(schema_faults(record).iter().map(ToString::to_string));
            match self.id_of(record).await {
                Ok(_) => {}
                Err(RegistryError::NotRegistered { subject }) => {
                    differences.extend(self.why_not_registered(&subject, record).await?);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(differences)
    }

    /// Whether a schema that is not registered could be, and what forbids it.
    async fn why_not_registered(&self, subject: &str, record: &RecordType) -> Result<Vec<String>, RegistryError> {
        let versions = self.versions(subject).await?;
        if versions.is_empty() {
            return Ok(vec![format!("{subject}: not registered")]);
        }
        let written: Vec<_> = versions
            .iter()
            .map(|registered| WrittenVersion { version: registered.version, schema: &registered.schema })
            .collect();
        let faults = evolution_faults(record, &written);
        if !faults.is_empty() {
            return Ok(faults
                .iter()
                .map(|fault| format!("{subject}: not registered, and must not be: {fault}"))
                .collect());
        }
        let body = json!({"schema": record.schema, "schemaType": "AVRO"});
        let call = format!("/compatibility/subjects/{subject}/versions?verbose=true");
        let answer: Value = self.post(&call, &body).await?;
        Ok(vec![match answer.get("is_compatible") {
            Some(Value::Bool(true)) => {
                format!("{subject}: not registered, and compatible with every registered version ({})", versions.len())
            }
            _ => format!(
                "{subject}: not registered, and incompatible with a registered version, as the registry finds: {}",
                answer.get("messages").map(ToString::to_string).unwrap_or_default()
            ),
        }])
    }

    /// Every registered version of a subject, oldest first; none of a subject that is not known.
    async fn versions(&self, subject: &str) -> Result<Vec<RegisteredSchema>, RegistryError> {
        let numbers: Vec<u32> = match self.get(&format!("/subjects/{subject}/versions")).await {
            Err(RegistryError::Refused { status: 404, .. }) => return Ok(Vec::new()),
            other => other?,
        };
        let mut versions = Vec::with_capacity(numbers.len());
        for number in numbers {
            versions.push(self.get::<RegisteredSchema>(&format!("/subjects/{subject}/versions/{number}")).await?);
        }
        versions.sort_by_key(|registered| registered.version);
        Ok(versions)
    }
}

#[derive(Deserialize)]
struct RegisteredSchema {
    version: u32,
    schema: String,
}
