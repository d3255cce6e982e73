//! How a command prints: a table for people, JSON for programs.

use anyhow::{Context, Result};
use serde::Serialize;
use std::io::{self, Write};

#[derive(clap::ValueEnum, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Format {
    #[default]
    Table,
    Json,
}

/// The flag that every command with a table has.
#[derive(clap::Args, Debug, Clone, Copy)]
pub(crate) struct Output {
    /// A table for people or JSON for programs
    #[arg(long, value_enum, default_value_t)]
    pub(crate) output: Format,
}

impl Output {
    /// Prints rows as a table with these headings, or the values they come from as JSON.
    pub(crate) fn print<T: Serialize>(self, values: &T, headings: &[&str], rows: Vec<Vec<String>>) -> Result<()> {
        match self.output {
            Format::Json => line(&serde_json::to_string_pretty(values).context("cannot write JSON")?),
            Format::Table => table(headings, &rows),
        }
    }
}

fn table(headings: &[&str], rows: &[Vec<String>]) -> Result<()> {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(headings.get(column).map(|heading| heading.len())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let print = |cells: Vec<&str>| {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect::<Vec<_>>();
        line(cells.join("  ").trim_end())
    };
    print(headings.to_vec())?;
    rows.iter().try_for_each(|row| print(row.iter().map(String::as_str).collect()))
}

/// One line on standard output.
pub(crate) fn line(text: &str) -> Result<()> {
    all(&format!("{text}\n"))
}

/// A text on standard output. A reader that has gone away (`| head`) is a normal end, not an error.
pub(crate) fn all(text: &str) -> Result<()> {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        done => done.context("cannot write to standard output"),
    }
}
