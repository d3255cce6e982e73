//! The settings that all commands share, each part declared by the crate it is for.

/// In the help of a command they follow its own flags.
const SETTINGS: &str = "Settings, shared by all commands";

#[derive(clap::Args, Debug, Clone)]
#[group(skip)]
pub(crate) struct Settings {
    #[command(flatten)]
    pub(crate) telemetry: foldstream_telemetry::config::Config,
    #[command(flatten, next_help_heading = SETTINGS)]
    pub(crate) wire: foldstream_log::Config,
    #[command(flatten, next_help_heading = SETTINGS)]
    pub(crate) database: foldstream_store::Config,
    #[command(flatten, next_help_heading = SETTINGS)]
    pub(crate) api: foldstream_api::Config,
    #[command(flatten, next_help_heading = SETTINGS)]
    pub(crate) replay: foldstream_replay::Config,
}
