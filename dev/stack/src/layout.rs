//! Where everything of one stack lies below its directory, and where the downloads lie.
//!
//! `config/`, `data/`, `logs/`, `run/` (pid files) and `tmp/`; the downloads are in the cache `dev/setup.sh` fills.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::StackError;
use crate::process::PidFile;

/// The directory of one stack.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(crate) fn create(root: &Path) -> Result<Self, StackError> {
        for directory in ["config", "data", "logs", "run"] {
            let path = root.join(directory);
            fs::create_dir_all(&path).map_err(StackError::files("create", &path))?;
        }
        let root = root.canonicalize().map_err(StackError::files("find", root))?;
        Ok(Self { root })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn config(&self, file: &str) -> PathBuf {
        self.root.join("config").join(file)
    }

    pub(crate) fn data(&self, part: &str) -> PathBuf {
        self.root.join("data").join(part)
    }

    /// An empty directory for what a part unpacks while it runs. Killed, it leaves that behind; here, until it starts
    /// again.
    pub(crate) fn temporary(&self, part: &str) -> Result<PathBuf, StackError> {
        let path = self.root.join("tmp").join(part);
        if let Err(error) = fs::remove_dir_all(&path)
            && error.kind() != ErrorKind::NotFound
        {
            return Err(StackError::files("remove", &path)(error));
        }
        fs::create_dir_all(&path).map_err(StackError::files("create", &path))?;
        Ok(path)
    }

    pub(crate) fn log(&self, part: &str) -> PathBuf {
        self.root.join("logs").join(format!("{part}.log"))
    }

    /// Whether any part has been started here.
    pub(crate) fn has_logs(&self) -> bool {
        fs::read_dir(self.root.join("logs")).is_ok_and(|mut logs| logs.next().is_some())
    }

    pub(crate) fn pid_file(&self, part: &str) -> PidFile {
        PidFile::at(self.root.join("run").join(format!("{part}.pid")))
    }
}

/// The cache of downloads, shared by all checkouts of this user.
pub fn cache() -> Result<PathBuf, StackError> {
    let base = match std::env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()) {
        Some(base) => PathBuf::from(base),
        None => PathBuf::from(std::env::var_os("HOME").ok_or(StackError::CacheUnknown)?).join(".cache"),
    };
    Ok(base.join("foldstream"))
}

/// Something in the cache that must be there.
pub(crate) fn cached(relative: &str) -> Result<PathBuf, StackError> {
    let path = cache()?.join(relative);
    if path.exists() { Ok(path) } else { Err(StackError::CacheIncomplete { path }) }
}
