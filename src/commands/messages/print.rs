//! How messages are printed: as a table for people, as JSON for programs, or their values alone.
//!
//! Records go to standard output, notes to standard error. Whether either is coloured is decided once, from `--color`,
//! the terminal and `NO_COLOR`.

use super::{
    full,
    table::{ERROR, Table},
};
use crate::output::all;
use anstream::{AutoStream, adapter::strip_str};
use anyhow::{Context, Result};
use foldstream_log::Message;
use std::{
    fmt::Write,
    io::{self, IsTerminal},
};

const PRINTING: &str = "How they are printed";

#[derive(clap::Args, Debug)]
pub(super) struct PrintOptions {
    /// How each record is printed
    #[arg(long, help_heading = PRINTING, value_enum, default_value_t)]
    output: Format,
    /// When to use colours; auto: on a terminal, unless NO_COLOR is set
    #[arg(long, help_heading = PRINTING, value_enum, default_value_t = clap::ColorChoice::Auto, value_name = "WHEN")]
    color: clap::ColorChoice,
}

#[derive(clap::ValueEnum, Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Format {
    /// A row each, cut to the width of the terminal
    #[default]
    Table,
    /// A line of JSON each, the message of GET /messages
    Json,
    /// The decoded value alone, as a line of JSON; what cannot be decoded goes to standard error
    Value,
}

pub(super) struct Printer {
    format: Format,
    coloured: bool,
    table: Table,
}

impl Printer {
    pub(super) fn new(options: &PrintOptions) -> Self {
        match options.color {
            clap::ColorChoice::Auto => anstream::ColorChoice::Auto,
            clap::ColorChoice::Always => anstream::ColorChoice::Always,
            clap::ColorChoice::Never => anstream::ColorChoice::Never,
        }
        .write_global();
        let output = io::stdout();
        let width = terminal_size::terminal_size_of(&output).map(|(width, _)| usize::from(width.0));
        Self {
            format: options.output,
            coloured: AutoStream::choice(&output) != anstream::ColorChoice::Never,
            table: Table::new(width.filter(|_| output.is_terminal())),
        }
    }

    pub(super) fn print(&mut self, messages: &[Message]) -> Result<()> {
        match self.format {
            Format::Table => {
                let rows = self.table.rows(messages);
                self.styled(&rows)
            }
            Format::Json | Format::Value => self.lines(messages),
        }
    }

    /// One message with everything that is known of it.
    pub(super) fn print_full(&self, message: &Message) -> Result<()> {
        match self.format {
            Format::Table => self.styled(&full::text(message)?),
            Format::Json | Format::Value => self.lines(std::slice::from_ref(message)),
        }
    }

    fn lines(&self, messages: &[Message]) -> Result<()> {
        if self.format == Format::Json {
            return all(&json(messages)?);
        }
        let (values, errors) = values(messages);
        errors.iter().for_each(|error| note(error));
        all(&values)
    }

    fn styled(&self, text: &str) -> Result<()> {
        if self.coloured { all(text) } else { all(&strip_str(text).to_string()) }
    }
}

/// A word beside the records.
pub(super) fn note(text: &str) {
    anstream::eprintln!("foldstream: {text}");
}

pub(super) fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn json(messages: &[Message]) -> Result<String> {
    let mut lines = String::new();
    for message in messages {
        lines.push_str(&serde_json::to_string(message).context("cannot write JSON")?);
        lines.push('\n');
    }
    Ok(lines)
}

/// The values, a line each, and what is to be said of those that have none.
fn values(messages: &[Message]) -> (String, Vec<String>) {
    let (mut lines, mut errors) = (String::new(), Vec::new());
    for message in messages {
        match &message.error {
            Some(error) => errors.push(format!("{}: {ERROR}{}{ERROR:#}", message.position, error.reason)),
            // Writing to a string does not fail.
            None => drop(writeln!(lines, "{}", message.value)),
        }
    }
    (lines, errors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::messages::table::tests::{located, tombstone, undecodable};

    #[test]
    fn json_is_a_message_a_line() {
        let lines = json(&[located(), tombstone()]).unwrap();
        let lines: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines, [serde_json::to_value(located()).unwrap(), serde_json::to_value(tombstone()).unwrap()]);
    }

    #[test]
    fn values_stand_alone_and_errors_apart() {
        let (values, errors) = values(&[located(), undecodable(), tombstone()]);
        assert_eq!(values, "{\"latitude\":48.5,\"person_id\":\"ada\"}\nnull\n");
        let errors: Vec<String> = errors.iter().map(|error| strip_str(error).to_string()).collect();
        assert_eq!(errors, ["locations:4:9: the value has no frame"]);
    }

    #[test]
    fn commas_part_thousands() {
        for (number, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_204_331, "1,204,331")] {
            assert_eq!(with_commas(number), expected);
        }
    }
}
