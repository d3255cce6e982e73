//! How bytes are shown, and how somebody wants them to be read, whatever they seem to be.

use crate::framing::Part;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;
use std::fmt::Write;

/// How bytes are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// As the JSON of the datum that they are.
    Avro,
    /// As the JSON that they are.
    Json,
    /// As the text that they are.
    Text,
    /// As the number that eight bytes are, the most significant first, with a sign.
    Long,
    /// Two digits a byte.
    Hex,
    /// Where nobody asked for it, they are none of these; the base64 of a value stands beside the reason.
    Base64,
}

/// How bytes are to be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReadAs {
    /// As what they are, as far as can be told.
    #[default]
    Auto,
    /// So and not otherwise.
    Only(Encoding),
}

/// The same of the two parts of a record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    pub key: ReadAs,
    pub value: ReadAs,
}

impl Reading {
    #[must_use]
    pub fn of(self, part: Part) -> ReadAs {
        match part {
            Part::Key => self.key,
            Part::Value => self.value,
        }
    }
}

impl Encoding {
    pub const NAMES: &[&str] = &["avro", "json", "text", "long", "hex", "base64"];

    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "avro" => Self::Avro,
            "json" => Self::Json,
            "text" => Self::Text,
            "long" => Self::Long,
            "hex" => Self::Hex,
            "base64" => Self::Base64,
            _ => return None,
        })
    }
}

impl ReadAs {
    pub const NAMES: &[&str] = &["auto", "avro", "json", "text", "long", "hex", "base64"];

    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        if name == "auto" { Some(Self::Auto) } else { Encoding::parse(name).map(Self::Only) }
    }

    /// Whether what is read so can have fields.
    #[must_use]
    pub fn has_fields(self) -> bool {
        matches!(self, Self::Auto | Self::Only(Encoding::Avro | Encoding::Json))
    }

    /// Whether what is read so can have a type.
    #[must_use]
    pub fn has_type(self) -> bool {
        matches!(self, Self::Auto | Self::Only(Encoding::Avro))
    }
}

/// Two digits a byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_one_and_is_shown_so() {
        for name in Encoding::NAMES {
            let encoding = Encoding::parse(name).unwrap();
            assert_eq!(serde_json::to_value(encoding).unwrap(), *name);
            assert_eq!(ReadAs::parse(name), Some(ReadAs::Only(encoding)));
        }
        assert_eq!(ReadAs::NAMES[1..], *Encoding::NAMES);
        assert_eq!((ReadAs::parse("auto"), Encoding::parse("auto")), (Some(ReadAs::Auto), None));
    }
}
