//! What of the telemetry can be configured: a fragment of command line and environment that `main` flattens in.
//!
//! Every value is checked while it is parsed, so a wrong one stops start-up with one line that names it.
//! It holds no secrets, so it may be printed as it is.

use std::{fmt, net::SocketAddr, str::FromStr};
use thiserror::Error;
use tracing_subscriber::filter::{Directive, EnvFilter, LevelFilter, ParseError};

/// Logs, traces and the health endpoint. Its flags are global: they may stand before or after the verb.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub struct Config {
    /// What is logged: a level, or target=level pairs joined by commas
    #[arg(long, env = "FOLDSTREAM_LOG", default_value = "info", global = true, help_heading = "Telemetry")]
    pub log: LogFilter,

    /// How a log line looks on standard error
    #[arg(long, env = "FOLDSTREAM_LOG_FORMAT", default_value = "auto", global = true, help_heading = "Telemetry")]
    pub log_format: LogFormat,

    /// Where spans go: an OTLP collector that speaks HTTP, for instance http://127.0.0.1:4318
    #[arg(long, env = "FOLDSTREAM_OTLP_ENDPOINT", global = true, help_heading = "Telemetry")]
    pub otlp_endpoint: Option<OtlpEndpoint>,

    /// Where services other than the API answer /health/live, /health/ready and /metrics
    #[arg(
        long,
        env = "FOLDSTREAM_TELEMETRY_LISTEN",
        value_name = "ADDRESS:PORT",
        global = true,
        help_heading = "Telemetry"
    )]
    pub telemetry_listen: Option<SocketAddr>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            log: LogFilter("info".to_owned()),
            log_format: LogFormat::Auto,
            otlp_endpoint: None,
            telemetry_listen: None,
        }
    }
}

/// How a log line looks.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Human on a terminal, ECS otherwise
    Auto,
    /// One compact line for people
    Human,
    /// One JSON object a line, Elastic Common Schema
    Ecs,
}

/// Filter directives that were checked one by one: [`LogFilter::to_env_filter`] cannot meet a wrong one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter(String);

/// A filter directive that means nothing.
#[derive(Debug, Error)]
pub enum LogFilterError {
    /// A bare word is taken for a level; tracing would take a mistyped one for a target and log nothing.
    #[error("directive {directive:?} is neither a level (off, error, warn, info, debug, trace) nor target=level")]
    Level {
        /// The directive as written.
        directive: String,
    },
    /// The directive does not parse.
    #[error("directive {directive:?} is not of the form target=level")]
    Directive {
        /// The directive as written.
        directive: String,
        /// What the parser says.
        source: ParseError,
    },
}

impl LogFilter {
    /// The filter these directives describe; what no directive names is not logged.
    pub(crate) fn to_env_filter(&self) -> EnvFilter {
        self.0
            .split(',')
            .filter_map(|directive| directive.parse().ok())
            .fold(EnvFilter::default().add_directive(LevelFilter::OFF.into()), EnvFilter::add_directive)
    }
}

impl FromStr for LogFilter {
    type Err = LogFilterError;

    fn from_str(text: &str) -> Result<Self, LogFilterError> {
        let directives: Vec<&str> = text.split(',').map(str::trim).collect();
        for &directive in &directives {
            let bare = !directive.contains(['=', '[']);
            if bare && LevelFilter::from_str(directive).is_err() || directive.is_empty() {
                return Err(LogFilterError::Level { directive: directive.to_owned() });
            }
            Directive::from_str(directive)
                .map_err(|source| LogFilterError::Directive { directive: directive.to_owned(), source })?;
        }
        Ok(Self(directives.join(",")))
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The base address of an OTLP collector: `http`, a host, perhaps a port and a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtlpEndpoint(String);

/// An endpoint no span could be sent to.
#[derive(Debug, Error)]
#[error("{endpoint:?} is not http://host:port (no TLS here: send to a collector nearby, which encrypts)")]
pub struct OtlpEndpointError {
    endpoint: String,
}

impl OtlpEndpoint {
    /// Where OTLP/HTTP takes spans.
    pub(crate) fn traces_url(&self) -> String {
        format!("{}/v1/traces", self.0)
    }
}

impl FromStr for OtlpEndpoint {
    type Err = OtlpEndpointError;

    fn from_str(text: &str) -> Result<Self, OtlpEndpointError> {
        let refused = || OtlpEndpointError { endpoint: text.to_owned() };
        let uri: hyper::Uri = text.parse().map_err(|_| refused())?;
        let host_given = uri.host().is_some_and(|host| !host.is_empty());
        if uri.scheme_str() != Some("http") || !host_given || uri.query().is_some() {
            return Err(refused());
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

impl fmt::Display for OtlpEndpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args, FromArgMatches};

    fn command() -> clap::Command {
        Config::augment_args(clap::Command::new("foldstream").subcommand(clap::Command::new("run")))
    }

    /// Parses without the environment of whoever runs the tests.
    fn parse(arguments: &[&str]) -> Result<Config, clap::Error> {
        let command = command().mut_args(|argument| argument.env(None::<&'static str>));
        let matches = command.try_get_matches_from(std::iter::once("foldstream").chain(arguments.iter().copied()))?;
        Config::from_arg_matches(&matches)
    }

    #[test]
    fn every_flag_has_its_variable() {
        for argument in command().get_arguments() {
            let flag = argument.get_long().unwrap();
            let variable = format!("FOLDSTREAM_{}", flag.replace('-', "_").to_uppercase());
            assert_eq!(argument.get_env().unwrap().to_str().unwrap(), variable);
            assert!(argument.is_global_set(), "--{flag} stands only before the verb");
        }
    }

    #[test]
    fn defaults_agree_with_the_command_line() {
        let parsed = parse(&[]).unwrap();
        assert_eq!(format!("{parsed:?}"), format!("{:?}", Config::default()));
    }

    #[test]
    fn flags_may_follow_the_verb() {
        let config = parse(&["run", "--log", "warn, foldstream_api=debug", "--log-format", "ecs"]).unwrap();
        assert_eq!(config.log.to_string(), "warn,foldstream_api=debug");
        assert_eq!(config.log_format, LogFormat::Ecs);
    }

    #[test]
    fn a_wrong_value_is_named_in_one_line() {
        for (flag, value) in [
            ("--log", "inof"),
            ("--log", "info,hyper=loud"),
            ("--log", ""),
            ("--log", "info,,warn"),
            ("--log-format", "xml"),
            ("--otlp-endpoint", "https://collector:4318"),
            ("--otlp-endpoint", "collector"),
            ("--telemetry-listen", "nowhere"),
        ] {
            let message = parse(&[flag, value]).unwrap_err().to_string();
            let first_line = message.lines().next().unwrap();
            let culprit = value.rsplit(',').next().unwrap();
            assert!(first_line.contains(culprit) && first_line.contains(flag), "{message}");
        }
    }

    #[test]
    fn good_directives_are_taken() {
        for good in ["info", "OFF", "warn,hyper=error", "info,[fold{kafka.topic=parcels}]=trace", "2"] {
            let filter: LogFilter = good.parse().unwrap();
            filter.to_env_filter();
        }
    }

    #[test]
    fn the_traces_path_is_appended_once() {
        let endpoint: OtlpEndpoint = "http://127.0.0.1:4318/".parse().unwrap();
        assert_eq!(endpoint.traces_url(), "http://127.0.0.1:4318/v1/traces");
    }
}
