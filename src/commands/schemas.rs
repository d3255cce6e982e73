//! `foldstream schemas`: registers our schemas at deploy, or says how the registry differs from them.

use crate::{
    output::{Format, Output, line},
    patience::patiently,
};
use anyhow::{Result, bail};
use foldstream_events::{CATALOGUE, check_schemas, register_schemas};
use foldstream_log::{Config, Registry, RegistryError};
use serde_json::json;

const REGISTRY: &str = "the schema registry";

#[derive(clap::Subcommand, Debug)]
pub(crate) enum Action {
    /// Set the compatibility level, then register every schema; harmless when repeated
    Register(Output),
    /// List every difference between our schemas and the registry; fails when there is one
    Check(Output),
}

pub(crate) async fn run(action: &Action, config: &Config) -> Result<()> {
    let registry = Registry::new(config)?;
    match action {
        Action::Register(output) => {
            let register = async || register_schemas(&registry, &CATALOGUE).await;
            let registered = patiently(REGISTRY, RegistryError::is_retriable, register).await?;
            let values: Vec<_> = registered
                .iter()
                .map(|(record, id)| json!({"subject": registry.subject_of(record), "id": id}))
                .collect();
            let rows =
                registered.iter().map(|(record, id)| vec![registry.subject_of(record), id.to_string()]).collect();
            output.print(&values, &["subject", "id"], rows)
        }
        Action::Check(output) => {
            let check = async || check_schemas(&registry, &CATALOGUE).await;
            let differences = patiently(REGISTRY, RegistryError::is_retriable, check).await?;
            if differences.is_empty() && output.output == Format::Table {
                return line("every schema is registered, and the registry guards their compatibility");
            }
            let rows = differences.iter().map(|difference| vec![difference.clone()]).collect();
            output.print(&differences, &["difference"], rows)?;
            if !differences.is_empty() {
                bail!("{} differences: `foldstream schemas register` registers what is compatible", differences.len());
            }
            Ok(())
        }
    }
}
