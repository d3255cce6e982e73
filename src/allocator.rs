//! The one setting of the allocator, for processes that stay.
//!
//! glibc gives back what is freed only from a size on, and raises that size, up to 32 MiB, with each larger piece that is
//! freed. A process whose large buffers come and go, as they do where topics are looked into, so keeps nearly all that it
//! ever held: 360 MB after half a minute of hostile reads, where 110 MB do with the size held fast (`tests/oracle/hostile.py`).
//! It is read from the environment as a process begins, so the process begins once more, under the same pid. Other
//! allocators were rejected: one that was tried (mimalloc) took 520 MB.

use std::{env, os::unix::process::CommandExt, process::Command};

const SETTING: &str = "MALLOC_MMAP_THRESHOLD_";
const BYTES: &str = "262144";

/// Comes back only where the size is held fast already, or cannot be: then the process does without.
pub(crate) fn hold_fast() {
    if cfg!(not(target_env = "gnu")) || env::var_os(SETTING).is_some() {
        return;
    }
    let mut arguments = env::args_os();
    let mut anew = Command::new("/proc/self/exe");
    if let Some(name) = arguments.next() {
        anew.arg0(name);
    }
    let error = anew.args(arguments).env(SETTING, BYTES).exec();
    eprintln!("foldstream: the process goes on with the allocator as it is: {error}");
}
