//! The key that somebody asks for, written as keys are shown (`foldstream_log::Message`): text as it is, base64 where it is
//! no text, the JSON of an Avro datum. Two keys of different bytes may look alike; how the key is encoded tells which is
//! meant, and without it all of them are.

use crate::{batches::RecordView, uncompared::Reason, words::MAX_KEY_CHARS};
use base64::{Engine, engine::general_purpose::STANDARD};
use foldstream_log::{Content, Encoding, Form, LookedUp, Part, SchemaId, Violation, as_text, text};

const KEY: &str = "key";

#[derive(Debug, Clone, PartialEq)]
pub(super) struct WantedKey {
    text: String,
    /// The bytes whose base64 the text is.
    bytes: Option<Vec<u8>>,
    /// The JSON that the text is, other than a text.
    json: Option<serde_json::Value>,
    encoding: Option<Encoding>,
    /// No key of the topic names a schema.
    plain: bool,
}

impl WantedKey {
    pub(super) fn parse(text: &str, encoding: Option<Encoding>) -> Result<Self, Violation> {
        if text.chars().nth(MAX_KEY_CHARS).is_some() {
            return Err(Violation::new(KEY, text, format!("key has at most {MAX_KEY_CHARS} characters")));
        }
        let bytes = STANDARD.decode(text).ok();
        if encoding == Some(Encoding::Base64) && bytes.is_none() {
            return Err(Violation::new(KEY, text, "a key of key_encoding base64 is base64, with its padding"));
        }
        let json = serde_json::from_str(text).ok().filter(|json: &serde_json::Value| !json.is_string());
        Ok(Self { text: text.to_owned(), bytes, json, encoding, plain: false })
    }

    /// Of a topic whose keys are bytes and nothing else.
    pub(super) fn set_plain(&mut self) {
        self.plain = true;
    }

    /// An error says why it cannot be told how the key is shown.
    pub(super) fn is_of(
        &self,
        record: &RecordView<'_>,
        schema_of: &dyn Fn(SchemaId) -> LookedUp,
    ) -> Result<bool, Reason> {
        let Some(key) = record.key else { return Ok(false) };
        match self.encoding {
            Some(Encoding::Text) => Ok(self.is_text(key) && text(key).is_some()),
            Some(Encoding::Base64) => Ok(self.is_base64(key)),
            Some(Encoding::Avro | Encoding::Json) => self.is_decoded(key, record, schema_of),
            // Text is not shown in base64, and may look like it.
            None if self.is_text(key) || self.is_base64(key) && text(key).is_none() => Ok(true),
            None => self.is_decoded(key, record, schema_of),
        }
    }

    /// The bytes it may have where keys are written without a schema.
    pub(super) fn bytes(&self) -> impl Iterator<Item = &[u8]> {
        let text = Some(self.text.as_bytes()).filter(|_| self.encoding != Some(Encoding::Base64));
        let bytes = self.bytes.as_deref().filter(|_| self.encoding != Some(Encoding::Text));
        text.into_iter().chain(bytes)
    }

    fn is_text(&self, key: &[u8]) -> bool {
        key == self.text.as_bytes()
    }

    fn is_base64(&self, key: &[u8]) -> bool {
        self.bytes.as_deref() == Some(key)
    }

    fn is_decoded(
        &self,
        key: &[u8],
        record: &RecordView<'_>,
        schema_of: &dyn Fn(SchemaId) -> LookedUp,
    ) -> Result<bool, Reason> {
        if self.plain {
            return Ok(false);
        }
        let (decoded, encoding) = match Content::of(Part::Key, key, record.headers(), schema_of).form {
            Form::Avro { datum, writer } => (writer.to_json(datum).ok(), Encoding::Avro),
            Form::Json(value) => (Some(value), Encoding::Json),
            Form::Opaque(opaque) if Reason::from(&opaque).is_retriable() => return Err((&opaque).into()),
            Form::Text(_) | Form::Opaque(_) => return Ok(false),
        };
        let looks_alike = |decoded| as_text(&decoded) == self.text || self.json.as_ref() == Some(&decoded);
        Ok(self.encoding.is_none_or(|wanted| wanted == encoding) && decoded.is_some_and(looks_alike))
    }
}
