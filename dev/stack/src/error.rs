//! What can go wrong with the local stack, one variant per failed operation.
//!
//! Every message is one sentence a person can act on: it names the part, the port or the file.

use std::io;
use std::path::PathBuf;

/// A failed operation on the local stack.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StackError {
    /// The cache lacks something `dev/setup.sh` puts there.
    #[error("{} is missing: run dev/setup.sh once", path.display())]
    CacheIncomplete {
        /// What was looked for.
        path: PathBuf,
    },
    /// Neither `XDG_CACHE_HOME` nor `HOME` says where the cache is.
    #[error("cannot tell where the download cache is: set HOME or XDG_CACHE_HOME")]
    CacheUnknown,
    /// No Java runtime on this machine is new enough.
    #[error("{part} needs Java {needed} or newer and none was found: run dev/setup.sh once, or set JAVA_HOME")]
    JavaMissing {
        /// The part that was to run on it.
        part: String,
        /// The oldest major version that works.
        needed: u32,
    },
    /// No PostgreSQL server with PostGIS is installed.
    #[error("no PostgreSQL server with PostGIS under {}: run dev/setup.sh once", searched.display())]
    PostgresMissing {
        /// Where servers were looked for.
        searched: PathBuf,
    },
    /// As root the server must run as another user, and there is none.
    #[error("PostgreSQL refuses to run as root and there is no user `postgres`: run dev/setup.sh once")]
    PostgresUserMissing,
    /// No directory could be found that the server's user reaches.
    #[error("the user `postgres` cannot write to {}, where its data was to be", path.display())]
    PostgresDirectory {
        /// The last directory that was tried.
        path: PathBuf,
    },
    /// Another program listens where a part must.
    #[error("port {port} of {part} is taken by {holder}")]
    PortTaken {
        /// The port.
        port: u16,
        /// The part that needs it.
        part: String,
        /// The process that holds it, as far as it can be seen.
        holder: String,
    },
    /// Too few ports are free for a temporary stack.
    #[error("no {wanted} free ports between {from} and {to}")]
    NoFreePorts {
        /// How many were wanted.
        wanted: usize,
        /// First port tried.
        from: u16,
        /// Last port tried.
        to: u16,
    },
    /// A file or directory of the stack could not be written, read or removed.
    #[error("cannot {verb} {}", path.display())]
    Files {
        /// What was tried.
        verb: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A program could not be started.
    #[error("cannot start {program}")]
    Spawn {
        /// The program.
        program: String,
        /// Why not.
        source: io::Error,
    },
    /// A helper program ended with an error.
    #[error("{what} failed: {output}")]
    CommandFailed {
        /// What it was to do.
        what: String,
        /// The end of what it printed.
        output: String,
    },
    /// A part ended before it was ready.
    #[error("{part} ended while it was starting, its log {} ends with: {last_line}", log.display())]
    EndedEarly {
        /// The part.
        part: String,
        /// Its log.
        log: PathBuf,
        /// The last line of the log.
        last_line: String,
    },
    /// A part runs but did not become ready in time.
    #[error("{part} was not ready after {waited_s} s: {seen}; its log is {}", log.display())]
    NotReady {
        /// The part.
        part: String,
        /// How long it was waited for.
        waited_s: u64,
        /// What the last look at it showed.
        seen: String,
        /// Its log.
        log: PathBuf,
    },
    /// A part did not end although it was killed.
    #[error("{part} (process {pid}) does not end")]
    DoesNotEnd {
        /// The part.
        part: String,
        /// Its process.
        pid: u32,
    },
    /// The caller named a broker that does not exist.
    #[error("there is no broker {number}: brokers are 1, 2 and 3")]
    UnknownBroker {
        /// What the caller said.
        number: usize,
    },
    /// The caller asked for a part this stack was started without.
    #[error("this stack was started without {part}")]
    PartAbsent {
        /// The part.
        part: &'static str,
    },
    /// The caller's database name could not be used unquoted.
    #[error("`{name}` is no database name: use lower-case letters, digits and underscores, a letter first")]
    DatabaseName {
        /// What the caller said.
        name: String,
    },
}

impl StackError {
    /// For `map_err` on file operations.
    pub(crate) fn files(verb: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Files { verb, path, source }
    }
}
