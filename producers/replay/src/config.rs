//! Where the downloaded data sets are.
//!
//! A fragment of the process's configuration; nothing is read here.

use std::{env, path::PathBuf};

#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub struct Config {
    /// Directory of the data sets that dev/setup.sh downloads
    #[arg(
        long,
        env = "FOLDSTREAM_DATA_DIR",
        default_value_os_t = default_data_dir(),
        value_name = "DIRECTORY",
        global = true
    )]
    pub data_dir: PathBuf,
}

/// `${XDG_CACHE_HOME:-$HOME/.cache}/foldstream`, as dev/setup.sh has it.
fn default_data_dir() -> PathBuf {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("XDG_CACHE_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(|| PathBuf::from(".cache"))
        .join("foldstream")
}
