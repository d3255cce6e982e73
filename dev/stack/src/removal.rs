//! Removes the directories of temporary stacks: of the one that ends, and of earlier ones that could not.
//!
//! A failed test leaves its directory for the person who looks for the cause; the next stack of the same name
//! removes it, so at most one of each name is left.

use std::fs;
use std::path::Path;

use crate::error::StackError;
use crate::postgres_data;
use crate::process::Identity;

/// Removes everything of one stack.
pub(crate) fn remove(directory: &Path) -> Result<(), StackError> {
    postgres_data::remove(&directory.join("data/postgres"))?;
    fs::remove_dir_all(directory).map_err(StackError::files("remove", directory))
}

/// Removes what earlier processes left behind under the same name.
pub(crate) fn remove_predecessors(directory: &Path) {
    let Some((parent, (name, _))) = directory.parent().zip(name_and_pid(directory)) else { return };
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let earlier = entry.path();
        if let Some((earlier_name, pid)) = name_and_pid(&earlier)
            && earlier_name == name
            && Identity::of(pid).is_none()
        {
            // Left for the next time if it does not work now.
            let _ = remove(&earlier);
        }
    }
}

/// `NAME-PID` or `NAME-PID-NUMBER`.
fn name_and_pid(directory: &Path) -> Option<(String, u32)> {
    let text = directory.file_name()?.to_str()?;
    let (name, last) = text.rsplit_once('-')?;
    let last: u32 = last.parse().ok()?;
    if let Some((shorter, pid)) = name.rsplit_once('-')
        && let Ok(pid) = pid.parse()
    {
        return Some((shorter.to_owned(), pid));
    }
    Some((name.to_owned(), last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_name_and_pid_of_a_directory() {
        assert_eq!(name_and_pid(Path::new("/x/exactly-once-123")), Some(("exactly-once".to_owned(), 123)));
        assert_eq!(name_and_pid(Path::new("/x/exactly-once-123-2")), Some(("exactly-once".to_owned(), 123)));
        assert_eq!(name_and_pid(Path::new("/x/exactly-once")), None);
    }
}
