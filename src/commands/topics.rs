//! `foldstream topics`: makes the cluster agree with the declared topics, or says where it does not.

use crate::output::{Output, line};
use anyhow::{Result, bail};
use foldstream_wire::{Cluster, Config};

#[derive(clap::Subcommand, Debug)]
pub(crate) enum Action {
    /// Create missing topics and correct their settings; partitions are never changed
    Apply(Output),
    /// List every difference; fails when there is one
    Check(Output),
}

pub(crate) async fn run(action: &Action, config: &Config) -> Result<()> {
    let cluster = Cluster::connect(config)?;
    match action {
        Action::Apply(output) => {
            let done = cluster.apply().await?;
            let rows = done.iter().map(|done| vec![done.clone()]).collect();
            output.print(&done, &["done"], rows)?;
            let left = cluster.check().await?;
            if let Some(first) = left.first() {
                bail!("{first}, which cannot be changed in place ({} differences are left)", left.len());
            }
            Ok(())
        }
        Action::Check(output) => {
            let differences = cluster.check().await?;
            if differences.is_empty() && output.output == crate::output::Format::Table {
                return line("every topic is as declared");
            }
            let rows = differences.iter().map(|difference| {
                vec![
                    difference.topic.clone(),
                    difference.property.clone(),
                    difference.declared.clone(),
                    difference.found.clone(),
                ]
            });
            output.print(&differences, &["topic", "property", "declared", "found"], rows.collect())?;
            if !differences.is_empty() {
                bail!("{} differences: `foldstream topics apply` corrects settings", differences.len());
            }
            Ok(())
        }
    }
}
