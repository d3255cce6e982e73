//! The application as the demo drives it: the executable beside this one, its variables, its readiness.
//!
//! Variables the caller has set win; the rest point at the stack this binary started.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, bail};
use foldstream_stack::wait::{self, Look};
use foldstream_stack::{Stack, http};
use serde_json::Value;

use crate::application::Application;
use crate::place;

const LISTEN: &str = "FOLDSTREAM_HTTP_LISTEN";
const DATA: &str = "FOLDSTREAM_DATA_DIR";
const READY_DEADLINE: Duration = Duration::from_secs(60);
const PROJECTED_DEADLINE: Duration = Duration::from_secs(120);

/// How to call the application.
#[derive(Debug)]
pub(crate) struct Foldstream {
    binary: PathBuf,
    environment: Vec<(&'static str, String)>,
    listen: SocketAddr,
}

impl Foldstream {
    /// The application built into the same directory as this binary.
    pub(crate) fn beside_this_binary(stack: &Stack, data: PathBuf) -> anyhow::Result<Self> {
        let me = std::env::current_exe().context("cannot find this binary")?;
        let binary = me.with_file_name("foldstream");
        if !binary.exists() {
            bail!("{} is missing: build it first, with cargo build", binary.display());
        }
        let listen = set(LISTEN).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
        let mut address: SocketAddr =
            listen.parse().with_context(|| format!("{LISTEN}={listen} is not an address with a port"))?;
        if address.ip().is_unspecified() {
            address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
        let ours = [
            (place::KAFKA, stack.bootstrap()),
            (place::REGISTRY, stack.registry_url()),
            (place::DATABASE, stack.database_url()),
            (DATA, data.display().to_string()),
            (LISTEN, listen),
        ];
        let environment = ours.into_iter().map(|(name, value)| (name, set(name).unwrap_or(value))).collect();
        Ok(Self { binary, environment, listen: address })
    }

    pub(crate) fn binary(&self) -> &Path {
        &self.binary
    }

    /// Where the API is reached from here.
    pub(crate) fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// What a variable of the application is set to.
    pub(crate) fn variable(&self, name: &str) -> &str {
        self.environment.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }

    /// A call of the application.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).envs(self.environment.iter().map(|(name, value)| (name, value)));
        // Ours, not the application's: it refuses variables it does not know.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("FOLDSTREAM_STACK_") || text == "FOLDSTREAM_KEEP" {
                command.env_remove(name);
            }
        }
        command
    }

    /// Runs a call to its end; its output matters only when it fails.
    pub(crate) fn run(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        let output = self.command(arguments).output().with_context(|| self.named(arguments))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("{} failed ({}): {}", self.named(arguments), output.status, said.trim());
        }
        Ok(output)
    }

    /// Runs a call at the terminal, with its own progress to see.
    pub(crate) fn run_visibly(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let status = self.command(arguments).status().with_context(|| self.named(arguments))?;
        if !status.success() {
            bail!("{} failed ({status})", self.named(arguments));
        }
        Ok(())
    }

    /// Waits until the services say they are ready; a process that ended is an error at once.
    pub(crate) fn wait_ready(&self, services: &Application) -> anyhow::Result<()> {
        let outcome = wait::until(READY_DEADLINE, || {
            if services.running().is_none() {
                bail!("the services ended while they were starting, see {}", services.log().display());
            }
            Ok(match self.get("/health/ready") {
                Ok(answer) if answer.status == 200 => Look::Found(()),
                Ok(answer) => Look::NotYet(format!("it answers {}: {}", answer.status, answer.body.trim())),
                Err(error) => Look::NotYet(format!("it does not answer: {error}")),
            })
        })?;
        outcome.map_err(|seen| anyhow::anyhow!("http://{}/health/ready is not ready in time: {seen}", self.listen))
    }

    /// Waits until the projections hold every event there is.
    pub(crate) fn wait_projected(&self) -> anyhow::Result<()> {
        let outcome = wait::until(PROJECTED_DEADLINE, || {
            let status = self.run(&["projections", "status", "--output", "json"])?;
            let status: Value = serde_json::from_slice(&status.stdout).context("the status is not JSON")?;
            let mut lags = Vec::new();
            collect_lags(&status, &mut lags);
            anyhow::Ok(match lags.iter().sum::<u64>() {
                _ if lags.is_empty() => Look::NotYet("no projection shows a lag".to_owned()),
                0 => Look::Found(()),
                records => Look::NotYet(format!("{records} records are still to be applied")),
            })
        })?;
        outcome.map_err(|seen| anyhow::anyhow!("the read models did not catch up in time: {seen}"))
    }

    /// One GET of the API.
    pub(crate) fn get(&self, path: &str) -> std::io::Result<http::Answer> {
        http::get(self.listen, path)
    }

    fn named(&self, arguments: &[&str]) -> String {
        format!("`foldstream {}`", arguments.join(" "))
    }
}

/// A variable that is set to something.
fn set(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Every number that says how many records a projection is behind, however deep it stands.
fn collect_lags(status: &Value, lags: &mut Vec<u64>) {
    match status {
        Value::Array(entries) => entries.iter().for_each(|entry| collect_lags(entry, lags)),
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_u64() {
                    Some(lag) if matches!(name.as_str(), "lag" | "lag_records") => lags.push(lag),
                    _ => collect_lags(value, lags),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_lags_wherever_they_stand() {
        let status = serde_json::json!({"projections": [
            {"name": "people", "lag_records": 0, "lag_ms": 12},
            {"name": "locations", "partitions": [{"lag": 3}, {"lag": 4}]},
        ]});
        let mut lags = Vec::new();
        collect_lags(&status, &mut lags);
        lags.sort_unstable();
        assert_eq!(lags, [0, 3, 4]);
    }
}
