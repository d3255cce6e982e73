//! Three Kafka brokers, each also a controller, in KRaft mode on 127.0.0.1.
//!
//! A broker is ready when it answers a metadata request, is listed in its own answer, and every broker of the
//! stack that answers lists the same. Topics are never created by use; that is `foldstream topics apply`.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::error::StackError;
use crate::layout::{self, Layout};
use crate::options::{BROKERS, Ports};
use crate::part::{Keeper, Launch, Part};
use crate::wait::Look;
use crate::{command, java, metadata};

const VERSION: &str = "4.3.1";
const OLDEST_JAVA: u32 = 17;
/// Any fixed id will do: the data directories of two stacks never meet.
const CLUSTER_ID: &str = "Zm9sZHN0cmVhbS1kZXYtMQ";
const HEAP: &str = "-Xmx384m";
const LOGGING: &str = include_str!("../artefacts/kafka-log4j2.properties");
const SETTINGS: &str = include_str!("../artefacts/kafka.properties");
/// A broker that was killed may register again only when its old session has ended (9 s).
const READY_DEADLINE: Duration = Duration::from_secs(90);

/// One broker.
#[derive(Debug)]
pub(crate) struct Broker {
    number: usize,
    pub(crate) part: Part,
    layout: Layout,
    ports: Ports,
    settings: &'static [&'static str],
}

impl Broker {
    /// Broker `number`, counted from 1.
    pub(crate) fn new(number: usize, layout: &Layout, ports: &Ports, keeper: &Keeper) -> Self {
        let own = vec![ports.brokers[number - 1], ports.controllers[number - 1]];
        let part = Part::new(&format!("broker-{number}"), own, layout, keeper);
        Self { number, part, layout: layout.clone(), ports: ports.clone(), settings: &[] }
    }

    /// With these settings over those of every stack.
    pub(crate) fn set(self, settings: &'static [&'static str]) -> Self {
        Self { settings, ..self }
    }

    /// Formats the data directory the first time and starts the process.
    pub(crate) fn start(&self) -> Result<(), StackError> {
        if self.part.running().is_some() {
            return Ok(());
        }
        self.part.check_ports()?;
        let java = java::executable(self.part.name(), OLDEST_JAVA)?;
        let jars = layout::cached(&format!("kafka-{VERSION}"))?;
        let classes = jars.join("*");
        let (settings, logging) = self.write_configuration()?;
        if !self.data().join("meta.properties").exists() {
            let mut format = Command::new(&java);
            // Runs for a second: the compiler for long runs would only cost time.
            format.args(["-Xshare:auto", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp"]);
            format.arg(&classes).arg("kafka.tools.StorageTool");
            format.args(["format", "--ignore-formatted", "--cluster-id", CLUSTER_ID, "--config"]).arg(&settings);
            command::run(&format!("formatting the directory of {}", self.part.name()), &mut format)?;
        }
        let properties = [
            java::property("java.io.tmpdir", &self.layout.temporary(self.part.name())?),
            java::property("log4j2.configurationFile", &logging),
        ];
        let arguments = [HEAP, "-XX:+UseSerialGC", "-Xshare:auto", "-Djava.awt.headless=true"].map(OsString::from);
        let main = [OsString::from("-cp"), classes.into(), OsString::from("kafka.Kafka"), settings.into()];
        self.part.start(Launch {
            program: java.into(),
            arguments: arguments.into_iter().chain(properties).chain(main).collect(),
            environment: Vec::new(),
            directory: self.layout.root().to_owned(),
        })
    }

    /// Waits until this broker and all its running peers agree that it is there.
    pub(crate) fn wait_ready(&self, peers: &[Broker]) -> Result<(), StackError> {
        self.part.wait_ready(READY_DEADLINE, || {
            for broker in peers.iter().filter(|broker| broker.part.running().is_some()) {
                match metadata::brokers_known_to(broker.part.port()) {
                    Ok(known) if known.contains(&self.id()) => {}
                    Ok(known) => {
                        return Look::NotYet(format!("{} knows only the brokers {known:?}", broker.part.name()));
                    }
                    Err(error) => return Look::NotYet(format!("{} does not answer: {error}", broker.part.name())),
                }
            }
            Look::Found(())
        })
    }

    fn id(&self) -> i32 {
        i32::try_from(self.number).unwrap_or(i32::MAX)
    }

    fn data(&self) -> PathBuf {
        self.layout.data(self.part.name())
    }

    fn write_configuration(&self) -> Result<(PathBuf, PathBuf), StackError> {
        let voters: Vec<String> =
            (1..=BROKERS).map(|number| format!("{number}@127.0.0.1:{}", self.ports.controllers[number - 1])).collect();
        let own = format!(
            "node.id={number}\n\
             controller.quorum.voters={voters}\n\
             listeners=BROKER://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners=BROKER://127.0.0.1:{broker}\n\
             log.dirs={data}\n{settings}\n",
            number = self.number,
            voters = voters.join(","),
            broker = self.ports.brokers[self.number - 1],
            controller = self.ports.controllers[self.number - 1],
            data = self.data().display(),
            settings = self.settings.join("\n"),
        );
        let settings = self.layout.config(&format!("{}.properties", self.part.name()));
        fs::write(&settings, format!("{SETTINGS}\n{own}")).map_err(StackError::files("write", &settings))?;
        let logging = self.layout.config(&format!("{}-log4j2.properties", self.part.name()));
        fs::write(&logging, LOGGING).map_err(StackError::files("write", &logging))?;
        Ok((settings, logging))
    }
}

#[cfg(test)]
mod tests {
    use super::VERSION;

    #[test]
    fn setup_fetches_the_version_that_is_started() {
        assert!(include_str!("../artefacts/kafka.pom.xml").contains(&format!("<version>{VERSION}</version>")));
        assert!(include_str!("../../setup.sh").contains(&format!("kafka_version={VERSION}\n")));
        assert!(include_str!("../artefacts/kafka.sha256").contains(&format!("  kafka_2.13-{VERSION}.jar\n")));
    }
}
