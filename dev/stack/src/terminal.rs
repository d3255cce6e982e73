//! What people see: lines on stdout, complaints on stderr.
//!
//! A reader that has gone away (`… | head`) is no reason to fail.

use std::io::Write;

use foldstream_stack::PartStatus;

/// One line for the person at the terminal.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// One line about what went wrong.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The table of the parts.
pub(crate) fn table(parts: &[PartStatus]) {
    say(&format!("{:<10}  {:<16}  {:<8}  LOG", "PART", "ADDRESS", "PID"));
    for part in parts {
        let pid = part.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        say(&format!("{:<10}  {:<16}  {:<8}  {}", part.name, part.address, pid, part.log.display()));
    }
}
