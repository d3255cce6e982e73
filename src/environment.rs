//! The `FOLDSTREAM_*` environment: every name must be one we know, and what is in force is shown at start-up.

use clap::{ArgMatches, Command, parser::ValueSource};
use std::collections::BTreeSet;

const PREFIX: &str = "FOLDSTREAM_";
/// Read by other programs of the workspace.
const FOREIGN: &[&str] = &["FOLDSTREAM_STACK_", "FOLDSTREAM_KEEP", "FOLDSTREAM_TEST_", "FOLDSTREAM_ADVISORY_DB"];

/// Refuses a variable that nothing reads: a typo would otherwise be a setting silently not made.
pub(crate) fn check(command: &Command) -> Result<(), String> {
    let known: BTreeSet<String> = command
        .get_arguments()
        .filter_map(|argument| argument.get_env().map(|name| name.to_string_lossy().into_owned()))
        .collect();
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with(PREFIX)
            && !known.contains(name.as_ref())
            && !FOREIGN.iter().any(|foreign| name.starts_with(foreign))
        {
            let known = known.into_iter().collect::<Vec<_>>().join(", ");
            return Err(format!("{name} is set, but there is no such setting; known are: {known}"));
        }
    }
    Ok(())
}

/// Every setting with its value; those that may hold a secret are masked.
pub(crate) fn effective(command: &Command, matches: &ArgMatches) -> Vec<(String, String)> {
    command
        .get_arguments()
        .filter_map(|argument| {
            let name = argument.get_env()?.to_string_lossy().into_owned();
            let id = argument.get_id().as_str();
            let is_default = matches.value_source(id) == Some(ValueSource::DefaultValue);
            let value = if argument.is_hide_env_values_set() && !is_default {
                "***".to_owned()
            } else {
                let values =
                    matches.get_raw(id).map(|values| values.map(|value| value.to_string_lossy()).collect::<Vec<_>>());
                values.map_or_else(|| "unset".to_owned(), |values| values.join(","))
            };
            Some((name, value))
        })
        .collect()
}
