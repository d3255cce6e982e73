//! `foldstream topics`: makes the cluster agree with the declared topics, says where it does not, and shows what there
//! is.

mod show;

use crate::{
    output::{Format, Output, line},
    services::flows,
    settings::Settings,
};
use anyhow::{Result, bail};
use foldstream_api::TopicSources;
use foldstream_browse::Brokers;
use foldstream_events::CATALOGUE;
use foldstream_log::{Cluster, Config, Registry};
use foldstream_store::Database;

#[derive(clap::Subcommand, Debug)]
pub(crate) enum Action {
    /// Create missing topics and correct their settings; partitions are never changed
    Apply(Output),
    /// List every difference; fails when there is one
    Check(Output),
    /// Every topic there is, and those that are declared and missing
    List(Output),
    /// Everything about a topic: partitions, settings, groups and readers with their lag, what was appended lately
    Show(Named),
}

#[derive(clap::Args, Debug)]
pub(crate) struct Named {
    /// Which topic
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    output: Output,
}

pub(crate) async fn run(action: &Action, settings: &Settings) -> Result<()> {
    match action {
        Action::Apply(output) => apply(*output, &settings.wire).await,
        Action::Check(output) => check(*output, &settings.wire).await,
        Action::List(output) => show::list(*output, &sources(settings)?).await,
        Action::Show(Named { name, output }) => show::show(name, *output, &sources(settings)?).await,
    }
}

async fn apply(output: Output, config: &Config) -> Result<()> {
    let cluster = Cluster::connect(config)?;
    let done = cluster.apply(CATALOGUE.topics).await?;
    let rows = done.iter().map(|done| vec![done.clone()]).collect();
    output.print(&done, &["done"], rows)?;
    let left = cluster.check(CATALOGUE.topics).await?;
    if let Some(first) = left.first() {
        bail!("{first}, which cannot be changed in place ({} differences are left)", left.len());
    }
    Ok(())
}

async fn check(output: Output, config: &Config) -> Result<()> {
    let differences = Cluster::connect(config)?.check(CATALOGUE.topics).await?;
    if differences.is_empty() && output.output == Format::Table {
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

fn sources(settings: &Settings) -> Result<TopicSources> {
    Ok(TopicSources {
        brokers: Brokers::new(&settings.wire),
        registry: Registry::new(&settings.wire)?,
        database: Database::connect(&settings.database)?,
        edges: flows(),
    })
}
