//! How a result is printed: what was asked, the command that asks it again, a table, and what to know about it.

use anyhow::{Context, Result};
use std::io::{self, Write};

/// A table whose first column is text and whose others are figures.
#[derive(Debug)]
pub(crate) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(headings: &[&'static str]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub(crate) fn print(&self) -> Result<()> {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.chain(self.headings.get(column).map(|heading| heading.chars().count())).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.headings.len()).map(width).collect();
        let aligned = |cells: Vec<&str>| -> String {
            let cells = cells.iter().zip(&widths).enumerate();
            let cells = cells.map(|(column, (cell, width))| match column {
                0 => format!("{cell:width$}"),
                _ => format!("{cell:>width$}"),
            });
            cells.collect::<Vec<_>>().join("  ")
        };
        line(&aligned(self.headings.clone()))?;
        self.rows.iter().try_for_each(|row| line(&aligned(row.iter().map(String::as_str).collect())))
    }
}

/// The question, and the command line that asks it again.
pub(crate) fn title(question: &str, command: &str) -> Result<()> {
    line("")?;
    line(question)?;
    line(&format!("$ {command}"))
}

/// One line on standard output. A reader that has gone away (`| head`) is a normal end, not an error.
pub(crate) fn line(text: &str) -> Result<()> {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        done => done.context("cannot write to standard output"),
    }
}
