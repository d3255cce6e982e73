//! Messages as rows of a table that grows: its columns are as wide as what was seen so far.
//!
//! Pure: text with styles in it comes out, and whoever prints it takes them out where there are no colours. No other
//! control characters are in it, whatever the records hold.

use anstyle::{AnsiColor, Style};
use foldstream_log::{Encoding, Message, as_text};
use std::borrow::Cow;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

pub(super) const TIME: Style = Style::new().dimmed();
pub(super) const POSITION: Style = AnsiColor::Cyan.on_default();
pub(super) const KEY: Style = Style::new().bold();
pub(super) const ERROR: Style = AnsiColor::Red.on_default();
const TOMBSTONE: Style = Style::new().dimmed();
pub(super) const UNCOMMITTED: Style = AnsiColor::Yellow.on_default();
const PLAIN: Style = Style::new();

const HEADINGS: [&str; 5] = ["time", "position", "key", "type", "value"];
/// The columns before the value.
const COLUMNS: usize = 4;
/// A longer key, or type, makes its own row uneven and not the column wide.
const WIDEST: [usize; COLUMNS] = [30, 80, 40, 40];
const GAP: &str = "  ";
/// On a narrow terminal rows are broken rather than that nothing of the value is seen.
const LEAST_VALUE: usize = 12;

type Cell<'a> = (Style, Cow<'a, str>);

#[derive(Debug)]
pub(super) struct Table {
    widths: [usize; COLUMNS],
    begun: bool,
    /// Of the terminal; none where nothing is to be cut.
    width: Option<usize>,
}

impl Table {
    pub(super) fn new(width: Option<usize>) -> Self {
        Self { widths: [0; COLUMNS], begun: false, width }
    }

    /// The rows of these messages; before the first of all, the headings.
    pub(super) fn rows(&mut self, messages: &[Message]) -> String {
        let mut rows: Vec<[Cell<'_>; 5]> = messages.iter().map(cells).collect();
        if !self.begun && !rows.is_empty() {
            self.begun = true;
            rows.insert(0, HEADINGS.map(|heading| (PLAIN, heading.into())));
        }
        for row in &mut rows {
            for ((_, text), widest) in row.iter_mut().zip(WIDEST).filter(|_| self.width.is_some()) {
                *text = cut(text, widest).into_owned().into();
            }
            for (width, ((_, text), widest)) in self.widths.iter_mut().zip(row.iter().zip(WIDEST)) {
                *width = text.width().min(widest).max(*width);
            }
        }
        rows.iter().map(|row| self.row(row)).collect()
    }

    fn row(&self, row: &[Cell<'_>; 5]) -> String {
        let mut line = String::new();
        let mut used = 0;
        let [before @ .., (style, value)] = row;
        for ((style, text), width) in before.iter().zip(self.widths) {
            let padding = width.saturating_sub(text.width());
            line.push_str(&format!("{style}{text}{style:#}{:padding$}{GAP}", ""));
            used += text.width() + padding + GAP.len();
        }
        let value = match self.width {
            Some(width) => cut(value, width.saturating_sub(used).max(LEAST_VALUE)),
            None => Cow::Borrowed(value.as_ref()),
        };
        line.push_str(&format!("{style}{value}{style:#}\n"));
        line
    }
}

/// What can be said of a message in a few words.
fn cells(message: &Message) -> [Cell<'_>; 5] {
    let key = message.key_encoding.map_or_else(Cow::default, |_| as_text(&message.key));
    let full_name = message.schema.as_ref().and_then(|schema| schema.name.as_deref()).unwrap_or_default();
    let name = full_name.rsplit('.').next().unwrap_or(full_name);
    [
        (TIME, Cow::Borrowed(message.timestamp.as_deref().unwrap_or_default())),
        (POSITION, Cow::Borrowed(message.position.as_str())),
        (KEY, visible(&key).into_owned().into()),
        (PLAIN, visible(name)),
        value(message),
    ]
}

fn value(message: &Message) -> Cell<'_> {
    let (style, text) = match (&message.error, &message.value) {
        (Some(error), _) => (ERROR, format!("! {}", error.reason)),
        (None, _) if message.value_encoding.is_none() && message.value_cut => (TOMBSTONE, "(left out)".to_owned()),
        (None, _) if message.value_encoding.is_none() => (TOMBSTONE, "(tombstone)".to_owned()),
        (None, serde_json::Value::String(text)) if message.value_encoding == Some(Encoding::Text) => {
            (PLAIN, text.clone())
        }
        (None, value) => (PLAIN, value.to_string()),
    };
    let text = visible(&text).into_owned();
    match message.transaction {
        Some(transaction) if message.error.is_none() => (UNCOMMITTED, format!("({transaction}) {text}").into()),
        Some(transaction) => (style, format!("({transaction}) {text}").into()),
        None => (style, text.into()),
    }
}

/// Control characters are written out: a record must not steer a terminal.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut visible = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character.is_control() {
            true => visible.extend(character.escape_default()),
            false => visible.push(character),
        }
    }
    visible.into()
}

/// At most so many columns of a text; an ellipsis stands for the rest.
fn cut(text: &str, columns: usize) -> Cow<'_, str> {
    if text.width() <= columns {
        return Cow::Borrowed(text);
    }
    let mut used = 1;
    let fits = |(_, character): &(usize, char)| {
        used += character.width().unwrap_or(0);
        used <= columns
    };
    let end = text.char_indices().take_while(fits).last().map_or(0, |(at, character)| at + character.len_utf8());
    format!("{}…", &text[..end]).into()
}

#[cfg(test)]
pub(super) mod tests;
