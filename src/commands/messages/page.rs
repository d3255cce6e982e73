//! Records page by page, printed while they are read. Where the filter may have left out what it should not, that is said at
//! the end, and is a failure.

use super::{
    print::{Printer, note, with_commas},
    sources::Sources,
};
use anyhow::{Result, bail};
use foldstream_browse::{Question, Uncompared, Undecided, not_told};
use std::{
    io::{self, IsTerminal},
    time::Duration,
};

/// Records of a page: so many are held in memory at a time.
pub(super) const PAGE: usize = 1000;

pub(super) async fn list(
    mut question: Question,
    timeout: Duration,
    sources: &Sources,
    printer: &mut Printer,
) -> Result<()> {
    let (limit, mut left, mut looked_at) = (question.limit, question.limit, 0);
    let mut undecided = None;
    let mut uncompared = Uncompared::default();
    let unknown_paths = loop {
        question.limit = left.min(PAGE);
        let page = sources.page(&question, timeout).await?;
        looked_at += page.looked_at.records;
        printer.print(&sources.messages(page.records.iter().map(AsRef::as_ref)).await)?;
        left -= page.records.len();
        uncompared.extend(page.uncompared);
        question.after = page.next;
        undecided.get_or_insert(page.undecided);
        // Whoever waits at a terminal sees that it goes on.
        if page.spent.is_some() && io::stderr().is_terminal() {
            note(&format!("looked at {} records so far", with_commas(looked_at)));
        }
        if left == 0 || question.after.is_none() {
            break [page.unknown_paths, sources.unknown_fields()].concat();
        }
    };
    if left == limit {
        note(&format!("looked at {} records, none passed", with_commas(looked_at)));
    }
    undecided.unwrap_or_default().iter().for_each(say_undecided);
    if !(uncompared.is_empty() && unknown_paths.is_empty()) {
        bail!("{}", not_told(&uncompared, &unknown_paths));
    }
    Ok(())
}

pub(super) fn say_undecided(undecided: &Undecided) {
    let Undecided { partition, from, to } = undecided;
    note(&format!(
        "partition {partition}: what was appended from {from} up to {} waits for the end of a transaction; \
         --isolation read_uncommitted shows it",
        to - 1
    ));
}
