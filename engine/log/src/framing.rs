//! Which schema the bytes of a key or a value name, and where their datum begins.
//!
//! A schema id among the headers decides: then the bytes are a bare datum, whatever they begin with. Otherwise the frame
//! in front of them does. A first byte of 0 alone proves no frame: a number of eight bytes may begin so.
//!
//! For looking into anybody's topics. What is folded is read by its frame alone (`codec.rs`).

use std::fmt;
use uuid::Uuid;

pub(crate) const MAGIC: u8 = 0;
/// The frame of Apicurio's own serialisers: a zero byte, and eight bytes of id.
const LONG_FRAME_BYTES: usize = 9;

/// What a schema goes by: its number in the registry, or its GUID, which is the same in every registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SchemaId {
    Number(u32),
    Guid(Uuid),
}

/// The half of a record that bytes are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Key,
    Value,
}

/// What bytes say of their schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Framing<'a> {
    /// A datum of this schema.
    Of { schema: SchemaId, datum: &'a [u8] },
    /// They name none.
    Bare,
    /// They name one in a way that cannot be followed.
    Foreign(Foreign),
}

/// How bytes name a schema that cannot be looked up by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Foreign {
    #[error("its header {header} holds no schema id")]
    NoId { header: &'static str },
    #[error(
        "its header {header} names the schema by Apicurio's {kind} id {id}, which is not what schemas are looked up by here"
    )]
    Apicurio { header: &'static str, kind: &'static str, id: u64 },
    #[error(
        "it begins with byte 0 and {id} in eight bytes: as a schema id these are Apicurio's, and whether a global or a \
         content id they do not say"
    )]
    LongFrame { id: u64 },
    #[error("it begins with byte 0 and names schema id 0, which is none")]
    Zero,
}

impl Part {
    /// The header that Confluent's serialisers name the schema in.
    fn schema_id_header(self) -> &'static str {
        match self {
            Self::Key => "__key_schema_id",
            Self::Value => "__value_schema_id",
        }
    }

    /// The headers that Apicurio's serialisers do.
    fn apicurio_headers(self) -> [(&'static str, &'static str); 2] {
        match self {
            Self::Key => [("apicurio.key.globalId", "global"), ("apicurio.key.contentId", "content")],
            Self::Value => [("apicurio.value.globalId", "global"), ("apicurio.value.contentId", "content")],
        }
    }
}

impl<'a> Framing<'a> {
    /// Of equal headers the last one counts.
    #[must_use]
    pub fn of<'h>(part: Part, bytes: &'a [u8], headers: impl Iterator<Item = (&'h [u8], Option<&'h [u8]>)>) -> Self {
        let (confluent, apicurio) = (part.schema_id_header(), part.apicurio_headers());
        let mut by_header = None;
        for (name, value) in headers {
            let value = value.unwrap_or_default();
            if name == confluent.as_bytes() {
                by_header = Some(match in_header(value) {
                    Some(schema) => Self::Of { schema, datum: bytes },
                    None => Self::Foreign(Foreign::NoId { header: confluent }),
                });
            } else if let Some((header, kind)) = apicurio.into_iter().find(|(known, _)| known.as_bytes() == name) {
                by_header = by_header.or_else(|| Some(Self::Foreign(by_apicurio(header, kind, value))));
            }
        }
        by_header.unwrap_or_else(|| Self::in_front(bytes))
    }

    fn in_front(bytes: &'a [u8]) -> Self {
        match unframe(bytes) {
            // No registry gives that number.
            Some((0, _)) => Self::Foreign(match bytes.first_chunk::<LONG_FRAME_BYTES>() {
                Some([_, id @ ..]) => Foreign::LongFrame { id: u64::from_be_bytes(*id) },
                None => Foreign::Zero,
            }),
            Some((number, datum)) => Self::Of { schema: SchemaId::Number(number), datum },
            None => Self::Bare,
        }
    }
}

/// The schema id and the datum of bytes in frame.
pub(crate) fn unframe(bytes: &[u8]) -> Option<(u32, &[u8])> {
    match bytes {
        [MAGIC, a, b, c, d, datum @ ..] => Some((u32::from_be_bytes([*a, *b, *c, *d]), datum)),
        _ => None,
    }
}

/// A magic byte tells a number from a GUID. What may follow are indexes into a Protobuf schema.
fn in_header(value: &[u8]) -> Option<SchemaId> {
    let (magic, rest) = value.split_first()?;
    match magic {
        0 => rest.first_chunk().map(|number| SchemaId::Number(u32::from_be_bytes(*number))),
        1 => rest.first_chunk().map(|guid| SchemaId::Guid(Uuid::from_bytes(*guid))),
        _ => None,
    }
}

fn by_apicurio(header: &'static str, kind: &'static str, value: &[u8]) -> Foreign {
    match <[u8; 8]>::try_from(value) {
        Ok(id) => Foreign::Apicurio { header, kind, id: u64::from_be_bytes(id) },
        Err(_) => Foreign::NoId { header },
    }
}

impl fmt::Display for SchemaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "id {number}"),
            Self::Guid(guid) => write!(f, "GUID {guid}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    const FRAMED: &[u8] = b"\0\0\0\0\x07datum";

    fn framing<'a>(bytes: &'a [u8], headers: &[(&str, &[u8])]) -> Framing<'a> {
        Framing::of(Part::Value, bytes, headers.iter().map(|(name, value)| (name.as_bytes(), Some(*value))))
    }

    #[test]
    fn a_schema_id_among_the_headers_decides() {
        let guid = Uuid::from_u128(0x8979_1762_2336_4186_9674_299b_90a8_02e2);
        let by_guid = [&[1], &guid.as_bytes()[..]].concat();
        for (headers, schema, datum) in [
            (&[][..], SchemaId::Number(7), &b"datum"[..]),
            (&[("__value_schema_id", &b"\0\0\0\0\x09"[..])], SchemaId::Number(9), FRAMED),
            (&[("__value_schema_id", &by_guid)], SchemaId::Guid(guid), FRAMED),
            // Indexes of a Protobuf message follow.
            (&[("__value_schema_id", b"\0\0\0\0\x09\x02\x02")], SchemaId::Number(9), FRAMED),
            (&[("__key_schema_id", b"\0\0\0\0\x09")], SchemaId::Number(7), b"datum"),
            (
                &[("__value_schema_id", b"\0\0\0\0\x08"), ("__value_schema_id", b"\0\0\0\0\x09")],
                SchemaId::Number(9),
                FRAMED,
            ),
        ] {
            assert_eq!(framing(FRAMED, headers), Framing::Of { schema, datum }, "{headers:?}");
        }
    }

    #[test]
    fn what_cannot_be_followed_says_what_it_is() {
        for (bytes, headers, reason) in [
            (FRAMED, &[("__value_schema_id", &b"\x02\0\0\0\x09"[..])][..], "holds no schema id"),
            (FRAMED, &[("__value_schema_id", b"\0\0\0")], "holds no schema id"),
            (FRAMED, &[("__value_schema_id", b"")], "holds no schema id"),
            (FRAMED, &[("apicurio.value.globalId", b"\0\0\0\0\0\0\x01\x02")], "Apicurio's global id 258"),
            (FRAMED, &[("apicurio.value.contentId", b"\0\0\0\0\0\0\0\x09")], "Apicurio's content id 9"),
            (FRAMED, &[("apicurio.value.contentId", b"9")], "holds no schema id"),
            (b"\0\0\0\0\0\0\0\x01\x02datum", &[], "0 and 258 in eight bytes"),
            (b"\0\0\0\0\0\0\0\x2a", &[], "schema id 0, which is none"),
        ] {
            let found = framing(bytes, headers);
            assert!(
                matches!(&found, Framing::Foreign(told) if told.to_string().contains(reason)),
                "{found:?}: no {reason}"
            );
        }
        assert_eq!(framing(b"{}", &[]), Framing::Bare);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, headers in vec((vec(any::<u8>(), 0..20), any::<Option<Vec<u8>>>()), 0..5)) {
            let headers = headers.iter().map(|(name, value)| (&name[..], value.as_deref()));
            let _ = Framing::of(Part::Key, &bytes, headers);
        }

        #[test]
        fn a_bare_datum_is_never_read_by_the_bytes_in_front(datum: Vec<u8>, number: u32) {
            let id = [&[0], &number.to_be_bytes()[..]].concat();
            let headers = [("__value_schema_id".as_bytes(), Some(&id[..]))];
            let found = Framing::of(Part::Value, &datum, headers.into_iter());
            prop_assert_eq!(found, Framing::Of { schema: SchemaId::Number(number), datum: &datum });
        }
    }
}
