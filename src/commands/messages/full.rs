//! One message with everything that is known of it: a line for each property, then headers and value.

use super::table::{ERROR, KEY, POSITION, TIME, UNCOMMITTED, visible};
use anstyle::Style;
use anyhow::{Context, Result};
use foldstream_log::Message;
use serde_json::Value;

const NAME: Style = Style::new().dimmed();
const PLAIN: Style = Style::new();
/// As wide as the longest name, and a gap.
const NAMES: usize = 13;

pub(super) fn text(message: &Message) -> Result<String> {
    let mut text = String::new();
    let mut line = |name: &str, style: Style, value: &str| {
        let value = visible(value);
        text.push_str(&format!("{NAME}{name:NAMES$}{NAME:#}{style}{value}{style:#}\n"));
    };
    line("position", POSITION, &message.position);
    line("time", TIME, &message.timestamp);
    line("key", KEY, message.key.as_deref().unwrap_or("(none)"));
    if let Some(encoding) = message.key_encoding {
        line("", PLAIN, &format!("(the key is no text; this is {encoding} of it)"));
    }
    if let Some(schema) = &message.schema {
        line("type", PLAIN, &schema.name);
        let place = schema.subject.as_ref().zip(schema.version);
        let place = place.map_or(String::new(), |(subject, version)| format!(", version {version} of {subject}"));
        line("schema", PLAIN, &format!("id {}{place}", schema.id));
    }
    line("size", PLAIN, &format!("{} bytes", message.size));
    if let Some(transaction) = message.transaction {
        line("transaction", UNCOMMITTED, transaction);
    }
    for (number, (name, value)) in message.headers.iter().enumerate() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        line(if number == 0 { "headers" } else { "" }, PLAIN, &format!("{name}: {value}"));
    }
    match (&message.error, &message.value) {
        (Some(error), _) => {
            line("error", ERROR, &error.reason);
            line("base64", PLAIN, &error.value_base64);
        }
        (None, Value::Null) => line("value", NAME, "(tombstone)"),
        (None, value) => {
            let value = serde_json::to_string_pretty(value).context("cannot write JSON")?;
            for (number, value) in value.lines().enumerate() {
                line(if number == 0 { "value" } else { "" }, PLAIN, value);
            }
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::messages::table::tests::{located, tombstone, undecodable};
    use anstream::adapter::strip_str;
    use serde_json::json;

    fn plain(message: &Message) -> String {
        strip_str(&text(message).unwrap()).to_string()
    }

    #[test]
    fn everything_is_told() {
        let mut message = Message { transaction: Some("undecided"), ..located() };
        let headers = json!({"ce_type": "foldstream.locations.LocationReported", "trace": {"base64": "AP8="}});
        message.headers = headers.as_object().unwrap().clone();
        message.schema.as_mut().unwrap().subject = Some("locations-foldstream.locations.LocationReported".to_owned());
        let expected = r#"
position     locations:3:1729
time         2026-11-21T10:00:00.250Z
key          ada
type         foldstream.locations.LocationReported
schema       id 7, version 1 of locations-foldstream.locations.LocationReported
size         40 bytes
transaction  undecided
headers      ce_type: foldstream.locations.LocationReported
             trace: {"base64":"AP8="}
value        {
               "latitude": 48.5,
               "person_id": "ada"
             }
"#;
        assert_eq!(plain(&message), expected.trim_start());
    }

    #[test]
    fn what_has_no_value_says_why() {
        assert!(plain(&tombstone()).ends_with("value        (tombstone)\n"));
        let undecodable = plain(&undecodable());
        assert!(undecodable.ends_with("error        the value has no frame\nbase64       AAA=\n"), "{undecodable}");
    }

    #[test]
    fn names_are_dim_and_errors_red() {
        let text = text(&undecodable()).unwrap();
        assert!(text.starts_with("\x1b[2mposition     \x1b[0m\x1b[36mlocations:4:9\x1b[0m\n"), "{text:?}");
        assert!(text.contains("\x1b[31mthe value has no frame\x1b[0m"), "{text:?}");
    }
}
