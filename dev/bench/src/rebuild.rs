//! How fast a projection is rebuilt beside the live tables, next to a bare COPY of the same rows.
//!
//! The bare rows go into tables without indexes, the way a rebuild loads them; the rebuild's rate includes making its
//! indexes afterwards, and reading, decoding and folding the topic.

use crate::{
    arguments::Arguments,
    bare::{Bare, Tables},
    figures::{percent, percentile, spread, tenths, whole},
    table::{Table, title},
    world::{World, tell},
};
use anyhow::{Context, Result, ensure};
use foldstream_fold::Projection;
use foldstream_locations_projection::Locations;
use foldstream_store::projection_flow;
use serde_json::Value;
use std::time::Instant;

pub(crate) async fn measure(world: &World, arguments: &Arguments) -> Result<()> {
    tell("preparing the rows for the database alone");
    let bare = Bare::prepare(world).await?;
    let records = world.records as f64;
    let (mut rebuilds, mut loads, mut copies) = (vec![], vec![], vec![]);
    // First, because it sends the projection back to the beginning of the topic.
    for _ in 1..=arguments.runs {
        copies.push(records / bare.write(world, Tables::Unindexed).await?.seconds);
    }
    tell("folding the history");
    world.fold_all(&[projection_flow::<Locations>()]).await?;
    for run in 1..=arguments.runs {
        tell(&format!("rebuild, run {run} of {}", arguments.runs));
        let started = Instant::now();
        let printed = tokio::task::block_in_place(|| {
            world.output(&["projections", "rebuild", Locations::NAME, "--output", "json"])
        })?;
        rebuilds.push(started.elapsed().as_secs_f64());
        let rebuilt: Value = serde_json::from_str(&printed).context("the rebuild printed no JSON")?;
        ensure!(rebuilt["equal"] == true, "the rebuild is not equal to the live tables: {printed}");
        loads.push(rebuilt["records_per_second"].as_f64().context("the rebuild does not say its rate")?);
        let version = rebuilt["version"].to_string();
        tokio::task::block_in_place(|| world.output(&["projections", "drop", Locations::NAME, &version]))?;
    }
    title(
        &format!("Rebuild: {} records beside the live tables, records a second", whole(records)),
        &format!("foldstream-bench rebuild --records {} --runs {}", world.records, arguments.runs),
    )?;
    let mut table = Table::new(&["", "min", "median", "max", "of bare: best runs"]);
    for (name, rates) in [("rebuild: topic -> tables and indexes", &loads), ("bare COPY + UNNEST, no indexes", &copies)]
    {
        let [least, middle, most] = spread(rates, whole);
        let ratio = percent(percentile(rates, 1.0) / percentile(&copies, 1.0));
        table.row(vec![name.to_owned(), least, middle, most, ratio]);
    }
    let [least, middle, most] = spread(&rebuilds, tenths);
    table.row(vec!["seconds in all, comparison of every row included".to_owned(), least, middle, most]);
    table.print()
}
