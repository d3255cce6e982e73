//! One record, by its position; where there is none, what became of it.

use super::{print::Printer, sources::Sources};
use anyhow::{Result, bail};
use foldstream_browse::{Isolation, Uncompared, not_told};
use foldstream_log::Position;

pub(super) async fn show(
    position: &Position,
    isolation: Isolation,
    sources: &Sources,
    printer: &Printer,
) -> Result<()> {
    let Position { topic, partition, offset } = position;
    let found = match sources.browse.brokers().single(topic, *partition, *offset).await {
        Ok(found) => found,
        Err(error) => return Err(sources.explained(error).await),
    };
    let Some(record) = found.visible(isolation) else {
        bail!("there is no record at {position}: {}", found.reason());
    };
    let messages = sources.messages(std::iter::once(record)).await;
    messages.iter().try_for_each(|message| printer.print_full(message))?;
    match sources.unknown_fields().as_slice() {
        [] => Ok(()),
        unknown => bail!("{}", not_told(&Uncompared::default(), unknown)),
    }
}
