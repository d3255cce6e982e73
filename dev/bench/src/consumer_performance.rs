//! Baseline (b): Kafka's own measuring consumer on the same topic, which fetches and forgets.
//!
//! It runs on the same Java and the same jars as the brokers: both are read off a broker's process.

use crate::world::World;
use anyhow::{Context, Result, bail};
use std::{ffi::OsString, fs, os::unix::ffi::OsStringExt, path::PathBuf, process::Command};

const TOOL: &str = "org.apache.kafka.tools.ConsumerPerformance";
/// Which of the printed values, separated by commas, is the fetch rate in records a second (`fetch.nMsg.sec`).
const RATE_COLUMN: usize = 9;

/// Records a second. Blocks.
pub(crate) fn fetch_rate(world: &World) -> Result<f64> {
    let (java, classes) = java_of_brokers(world)?;
    let mut command = Command::new(java);
    command.args(["-Xmx512m", "-XX:+UseSerialGC", "-Xshare:auto", "-cp"]).arg(classes).arg(TOOL);
    command.args(["--bootstrap-server", &world.stack.bootstrap(), "--topic", foldstream_events::LOCATIONS.name]);
    command.args(["--num-records", &world.records.to_string(), "--timeout", "60000", "--hide-header"]);
    let output = command.output().with_context(|| format!("cannot start {TOOL}"))?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let mut lines = printed.lines().rev().map(|line| line.split(',').map(str::trim).collect::<Vec<_>>());
    let values = lines.find(|values| values.len() > RATE_COLUMN).unwrap_or_default();
    match values.get(RATE_COLUMN).and_then(|rate| rate.parse().ok()) {
        Some(rate) if output.status.success() => Ok(rate),
        _ => bail!("{TOOL} ended with {}: {printed}{}", output.status, String::from_utf8_lossy(&output.stderr)),
    }
}

fn java_of_brokers(world: &World) -> Result<(PathBuf, OsString)> {
    let pid = world.stack.broker_pid(1)?.context("the first broker does not run")?;
    let java = fs::read_link(format!("/proc/{pid}/exe")).context("cannot find the brokers' Java")?;
    let arguments = fs::read(format!("/proc/{pid}/cmdline")).context("cannot read the brokers' command line")?;
    let mut arguments = arguments.split(|byte| *byte == 0).skip_while(|argument| *argument != b"-cp").skip(1);
    let classes = arguments.next().context("the brokers run without a class path")?;
    Ok((java, OsString::from_vec(classes.to_vec())))
}
