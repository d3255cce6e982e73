//! The key that somebody asks for, written as keys are shown (`foldstream_log::Message`): text as it is, base64 where it is
//! no text, the JSON of an Avro datum. Two keys of different bytes may look alike; how the key is encoded tells which is
//! meant, and without it all of them are. Where somebody says how keys are to be read, they are shown so.

use crate::{batches::RecordView, uncompared::Reason, words::MAX_KEY_CHARS};
use base64::{Engine, engine::general_purpose::STANDARD};
use foldstream_log::{Content, Encoding, Form, Part, ReadAs, SchemaOf, Violation, as_text, text};
use std::borrow::Cow;

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
        read_as: ReadAs,
        schema_of: &SchemaOf<'_>,
    ) -> Result<bool, Reason> {
        let Some(key) = record.key else { return Ok(false) };
        if read_as != ReadAs::Auto {
            let form = Content::read(read_as, (Part::Key, key), record.headers(), schema_of).form;
            return self.is_shown_of(key, &form);
        }
        match self.encoding {
            Some(Encoding::Text) => Ok(self.is_text(key) && text(key).is_some()),
            Some(Encoding::Base64) => Ok(self.is_base64(key)),
            // Keys are shown so only where somebody says that they are to be.
            Some(Encoding::Long | Encoding::Hex) => Ok(false),
            Some(Encoding::Avro | Encoding::Json) => self.is_decoded(key, record, schema_of),
            // Text is not shown in base64, and may look like it.
            None if self.is_text(key) || self.is_base64(key) && text(key).is_none() => Ok(true),
            None => self.is_decoded(key, record, schema_of),
        }
    }

    /// The bytes it may have where keys are written without a schema and read so; none where JSON or Avro may be written
    /// in many ways.
    pub(super) fn bytes(&self, read_as: ReadAs) -> Option<Vec<Cow<'_, [u8]>>> {
        let text = || Some(Cow::Borrowed(self.text.as_bytes()));
        let read = match read_as {
            ReadAs::Only(Encoding::Avro | Encoding::Json) => return None,
            ReadAs::Auto => text().filter(|_| self.encoding != Some(Encoding::Base64)),
            ReadAs::Only(Encoding::Text) => text(),
            ReadAs::Only(Encoding::Long) => {
                self.text.parse().ok().map(|number: i64| Cow::Owned(number.to_be_bytes().to_vec()))
            }
            ReadAs::Only(Encoding::Hex) => unhex(&self.text).map(Cow::Owned),
            ReadAs::Only(Encoding::Base64) => None,
        };
        // What cannot be read so is shown in base64.
        let bytes = self.bytes.as_deref().map(Cow::Borrowed);
        let bytes = bytes.filter(|_| read_as != ReadAs::Auto || self.encoding != Some(Encoding::Text));
        Some(read.into_iter().chain(bytes).collect())
    }

    /// Whether it is what is shown of a key that somebody wants to be read so.
    fn is_shown_of(&self, key: &[u8], form: &Form<'_>) -> Result<bool, Reason> {
        if let Form::Opaque(opaque) = form
            && Reason::from(opaque).is_retriable()
        {
            return Err(opaque.into());
        }
        let shown = form.shown(key);
        if shown.is_masked {
            return Err(Reason::Masked);
        }
        let (encoding, shown) = match shown.value {
            Ok(value) => (shown.encoding, value),
            Err(_) => (Encoding::Base64, STANDARD.encode(key).into()),
        };
        let looks_alike = as_text(&shown) == self.text || self.json.as_ref() == Some(&shown);
        Ok(self.encoding.is_none_or(|wanted| wanted == encoding) && looks_alike)
    }

    fn is_text(&self, key: &[u8]) -> bool {
        key == self.text.as_bytes()
    }

    fn is_base64(&self, key: &[u8]) -> bool {
        self.bytes.as_deref() == Some(key)
    }

    fn is_decoded(&self, key: &[u8], record: &RecordView<'_>, schema_of: &SchemaOf<'_>) -> Result<bool, Reason> {
        if self.plain {
            return Ok(false);
        }
        let (decoded, encoding) = match Content::of(Part::Key, key, record.headers(), schema_of).form {
            Form::Avro { datum, writer } => match writer.to_json(datum) {
                Ok((_, true)) => return Err(Reason::Masked),
                Ok((value, false)) => (Some(value), Encoding::Avro),
                Err(_) => (None, Encoding::Avro),
            },
            Form::Json(value) => (Some(value), Encoding::Json),
            Form::Opaque(opaque) if Reason::from(&opaque).is_retriable() => return Err((&opaque).into()),
            Form::Text(_) | Form::Long(_) | Form::Bytes(_) | Form::Opaque(_) => return Ok(false),
        };
        let looks_alike = |decoded| as_text(&decoded) == self.text || self.json.as_ref() == Some(&decoded);
        Ok(self.encoding.is_none_or(|wanted| wanted == encoding) && decoded.is_some_and(looks_alike))
    }
}

/// The bytes of two digits each, as they are shown.
fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2));
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}
