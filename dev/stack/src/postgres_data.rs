//! The user the database server runs as, and a data directory that user can reach.
//!
//! Only root needs another user; for everybody else both are trivial.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::StackError;

const USER: &str = "postgres";
/// Survives a restart, as the rest of a local stack does, and can be reached by everybody.
const REACHABLE: &str = "/var/tmp";

/// The unprivileged user for a server started by root.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServerUser {
    user: u32,
    group: u32,
}

impl ServerUser {
    /// The user the server must be run as, if it may not simply be run.
    pub(crate) fn find() -> Result<Option<Self>, StackError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let fields = accounts.lines().find_map(|line| line.strip_prefix(USER)?.strip_prefix(':'));
        let ids = fields.and_then(|fields| {
            let mut fields = fields.split(':').skip(1);
            Some(Self { user: fields.next()?.parse().ok()?, group: fields.next()?.parse().ok()? })
        });
        ids.map(Some).ok_or(StackError::PostgresUserMissing)
    }

    /// A command run as this user.
    pub(crate) fn command(self, program: &Path) -> Command {
        let mut command = Command::new("setpriv");
        command.arg("--reuid").arg(self.user.to_string()).arg("--regid").arg(self.group.to_string());
        command.args(["--init-groups", "--"]).arg(program);
        command
    }

    fn may_own(self, owner: u32) -> bool {
        owner == 0 || owner == self.user
    }

    fn can_write(self, directory: &Path) -> bool {
        let tested = self.command(Path::new("test")).arg("-w").arg(directory).status();
        tested.is_ok_and(|status| status.success())
    }
}

/// Makes sure there is a data directory the server can use at `path`, itself or behind a link, and returns it.
pub(crate) fn prepare(path: &Path, user: Option<&ServerUser>) -> Result<PathBuf, StackError> {
    let Some(user) = user else {
        create_private(path)?;
        return Ok(path.to_owned());
    };
    if !path.is_symlink() {
        create_private(path)?;
        give(path, *user)?;
        if user.can_write(path) {
            return Ok(path.to_owned());
        }
        // Empty, as nobody could have written to it.
        fs::remove_dir(path).map_err(StackError::files("remove", path))?;
        let target = elsewhere(path);
        // Data of a stack whose directory was removed by hand: its topics are gone, so it fits nothing any more.
        if fs::symlink_metadata(&target).is_ok_and(|found| found.is_dir() && user.may_own(found.uid())) {
            fs::remove_dir_all(&target).map_err(StackError::files("remove", &target))?;
        }
        symlink(target, path).map_err(StackError::files("link", path))?;
    }
    let target = fs::read_link(path).map_err(StackError::files("read the link", path))?;
    if !target.is_symlink() {
        create_private(&target)?;
    }
    // Everybody may create a directory there: take none that somebody else has prepared.
    let found = fs::symlink_metadata(&target).map_err(StackError::files("look at", &target))?;
    if !found.is_dir() || !user.may_own(found.uid()) {
        return Err(StackError::PostgresDirectory { path: target });
    }
    give(&target, *user)?;
    if user.can_write(&target) { Ok(target) } else { Err(StackError::PostgresDirectory { path: target }) }
}

/// Removes the data, also where it lies elsewhere.
pub(crate) fn remove(path: &Path) -> Result<(), StackError> {
    if !path.is_symlink() {
        return Ok(());
    }
    let target = fs::read_link(path).map_err(StackError::files("read the link", path))?;
    if target.starts_with(REACHABLE) && target.exists() {
        fs::remove_dir_all(&target).map_err(StackError::files("remove", &target))?;
    }
    fs::remove_file(path).map_err(StackError::files("remove", path))
}

/// The same for the same path, so that a stack finds its data again.
fn elsewhere(path: &Path) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    Path::new(REACHABLE).join(format!("foldstream-{:016x}", hasher.finish()))
}

fn create_private(path: &Path) -> Result<(), StackError> {
    fs::create_dir_all(path).map_err(StackError::files("create", path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(StackError::files("protect", path))
}

fn give(path: &Path, user: ServerUser) -> Result<(), StackError> {
    chown(path, Some(user.user), Some(user.group)).map_err(StackError::files("change the owner of", path))
}
