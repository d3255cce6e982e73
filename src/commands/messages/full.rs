//! One message with everything that is known of it: a line for each property, then headers and value.

use super::table::{ERROR, KEY, POSITION, TIME, UNCOMMITTED, visible};
use anstyle::Style;
use anyhow::{Context, Result};
use foldstream_log::{Encoding, Message, MessageHeader, MessageSchema, as_text};
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
    line("time", TIME, message.timestamp.as_deref().unwrap_or("(none)"));
    if let (None, Some(at)) = (&message.timestamp, message.timestamp_ms) {
        line("", PLAIN, &format!("(of no year with four digits: {at} ms since 1970)"));
    }
    match message.key_encoding {
        Some(_) => line("key", KEY, &as_text(&message.key)),
        None => line("key", NAME, "(none)"),
    }
    match message.key_encoding {
        Some(Encoding::Base64) => line("", PLAIN, "(this is base64 of the key)"),
        Some(Encoding::Avro) => line("", PLAIN, "(the key is Avro)"),
        Some(Encoding::Json) => line("", PLAIN, "(the key is JSON)"),
        Some(Encoding::Text | Encoding::Long | Encoding::Hex) | None => {}
    }
    if let Some(reason) = &message.key_error {
        line("key error", ERROR, reason);
    }
    if let Some(schema) = &message.key_schema {
        line("key schema", PLAIN, &described(schema));
    }
    if let Some(schema) = &message.schema {
        if let Some(name) = &schema.name {
            line("type", PLAIN, name);
        }
        line("schema", PLAIN, &described(schema));
    }
    line("size", PLAIN, &format!("{} bytes", message.size));
    if let Some(transaction) = message.transaction {
        line("transaction", UNCOMMITTED, transaction);
    }
    for (number, MessageHeader { name, value }) in message.headers.iter().enumerate() {
        line(if number == 0 { "headers" } else { "" }, PLAIN, &format!("{name}: {}", as_text(value)));
    }
    if message.value_cut {
        line("", NAME, "(less of the value is shown than there is)");
    }
    if message.value_masked && message.error.is_none() {
        line("", NAME, "(what is personal is masked; see --personal)");
    }
    match (&message.error, &message.value) {
        (None, _) if message.value_encoding.is_none() && message.value_cut => {}
        (Some(error), _) => {
            line("error", ERROR, &error.reason);
            match &error.value_base64 {
                Some(bytes) => line("base64", PLAIN, bytes),
                None => line("", NAME, "(its bytes are not shown: some of them may be personal; see --personal)"),
            }
        }
        (None, _) if message.value_encoding.is_none() => line("value", NAME, "(tombstone)"),
        (None, Value::String(text)) if message.value_encoding == Some(Encoding::Text) => {
            for (number, text) in text.lines().enumerate() {
                line(if number == 0 { "text" } else { "" }, PLAIN, text);
            }
        }
        (None, value) => {
            let value = serde_json::to_string_pretty(value).context("cannot write JSON")?;
            for (number, value) in value.lines().enumerate() {
                line(if number == 0 { "value" } else { "" }, PLAIN, value);
            }
        }
    }
    Ok(text)
}

/// Which schema, and where it is registered.
fn described(schema: &MessageSchema) -> String {
    let by = match (schema.id, schema.guid) {
        (Some(id), _) => format!("id {id}"),
        (None, Some(guid)) => format!("GUID {guid}"),
        (None, None) => String::new(),
    };
    let place = schema.subject.as_ref().zip(schema.version);
    let place = place.map_or(String::new(), |(subject, version)| format!(", version {version} of {subject}"));
    let kind = if schema.r#type == "AVRO" { String::new() } else { format!(", {}", schema.r#type) };
    format!("{by}{place}{kind}")
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
        let header = |name: &str, value| MessageHeader { name: name.to_owned(), value };
        message.headers = vec![
            header("ce_type", json!("foldstream.locations.LocationReported")),
            header("trace", json!({"base64": "AP8="})),
        ];
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
    fn nothing_is_told_where_there_is_nothing() {
        let told = plain(&Message { key: Value::Null, key_encoding: None, timestamp: None, ..located() });
        assert!(told.contains("\ntime         (none)\n") && told.contains("\nkey          (none)\n"), "{told}");
        let text =
            Message { value: json!("two\nlines"), value_encoding: Some(Encoding::Text), schema: None, ..located() };
        assert!(plain(&text).ends_with("text         two\n             lines\n"), "{}", plain(&text));
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
