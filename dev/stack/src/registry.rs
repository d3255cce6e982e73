//! Apicurio Registry with its storage in our PostgreSQL, speaking the Confluent-compatible API.
//!
//! Ready when it lists the subjects. Compatibility rules are set by `foldstream schemas register`, not here.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::error::StackError;
use crate::layout::{self, Layout};
use crate::options::Ports;
use crate::part::{Keeper, Launch, Part};
use crate::wait::Look;
use crate::{http, java, postgres};

const VERSION: &str = "3.3.3";
const OLDEST_JAVA: u32 = 21;
/// Below the host and port: the Confluent-compatible API.
pub(crate) const API: &str = "/apis/ccompat/v7";
const READY_DEADLINE: Duration = Duration::from_secs(90);

/// The registry.
#[derive(Debug)]
pub(crate) struct Registry {
    pub(crate) part: Part,
    layout: Layout,
    ports: Ports,
}

impl Registry {
    pub(crate) fn new(layout: &Layout, ports: &Ports, keeper: &Keeper) -> Self {
        let part = Part::new("registry", vec![ports.registry, ports.registry_management], layout, keeper);
        Self { part, layout: layout.clone(), ports: ports.clone() }
    }

    /// Starts the process; its database must be there.
    pub(crate) fn start(&self) -> Result<(), StackError> {
        if self.part.running().is_some() {
            return Ok(());
        }
        let java = java::executable(self.part.name(), OLDEST_JAVA)?;
        let home = layout::cached(&format!("apicurio-registry-{VERSION}"))?;
        // Few requests a day: start-up time is all that matters, so no optimising compiler.
        let flags = ["-Xmx320m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"].map(OsString::from);
        let temporary = java::property("java.io.tmpdir", &self.layout.temporary(self.part.name())?);
        let main = [OsString::from("-jar"), home.join("quarkus-run.jar").into()];
        let database = format!("jdbc:postgresql://127.0.0.1:{}/{}", self.ports.postgres, postgres::REGISTRY);
        let loopback = "127.0.0.1".to_owned();
        self.part.start(Launch {
            program: java.into(),
            arguments: flags.into_iter().chain([temporary]).chain(main).collect(),
            environment: vec![
                ("APICURIO_STORAGE_KIND", "sql".to_owned()),
                ("APICURIO_STORAGE_SQL_KIND", "postgresql".to_owned()),
                ("APICURIO_DATASOURCE_URL", database),
                ("APICURIO_DATASOURCE_USERNAME", postgres::ROLE.to_owned()),
                ("APICURIO_DATASOURCE_PASSWORD", postgres::ROLE.to_owned()),
                ("QUARKUS_HTTP_HOST", loopback.clone()),
                ("QUARKUS_HTTP_PORT", self.ports.registry.to_string()),
                // Without these two it would also take 0.0.0.0:9000.
                ("QUARKUS_MANAGEMENT_HOST", loopback),
                ("QUARKUS_MANAGEMENT_PORT", self.ports.registry_management.to_string()),
            ],
            directory: self.layout.root().to_owned(),
        })
    }

    /// Waits until the API answers.
    pub(crate) fn wait_ready(&self) -> Result<(), StackError> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports.registry));
        self.part.wait_ready(READY_DEADLINE, || match http::get(address, &format!("{API}/subjects")) {
            Ok(answer) if answer.status == 200 => Look::Found(()),
            Ok(answer) => Look::NotYet(format!("GET {API}/subjects answers {}", answer.status)),
            Err(error) => Look::NotYet(format!("it does not answer: {error}")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::VERSION;

    #[test]
    fn setup_fetches_the_version_that_is_started() {
        assert!(include_str!("../../setup.sh").contains(&format!("registry_version={VERSION}\n")));
        assert!(include_str!("../artefacts/registry.sha256").contains(&format!("-{VERSION}-all.tar.gz\n")));
    }
}
