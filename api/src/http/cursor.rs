//! Cursors: where a page ended, as text a client hands back.
//!
//! Opaque, versioned, and bound to the list they come from (path and filters), so that an altered cursor, or one of
//! another list, is refused and not taken for a place. The check is against mistakes, not against attackers: a forged
//! cursor only reads what any cursor may, so the key is no secret.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::DateTime;
use foldstream_locations_projection::read::PageEnd;
use foldstream_log::Violation;
use uuid::Uuid;

const VERSION: u8 = 1;
const CHECK_BYTES: usize = 8;
const KEY: Uuid = Uuid::from_u128(0x51c7_9bd0_0e3d_4a51_9f60_7d0e_8a0c_44b2);

/// A place in a list.
pub(crate) trait Place: Sized {
    fn to_bytes(&self) -> Vec<u8>;
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

/// Writes a place of the list `scope`.
pub(crate) fn seal<P: Place>(scope: &str, place: &P) -> String {
    let mut bytes = vec![VERSION];
    bytes.extend(place.to_bytes());
    bytes.extend(check(scope, &bytes));
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads a place of the list `scope`.
pub(crate) fn open<P: Place>(scope: &str, cursor: &str) -> Result<P, Violation> {
    let place = || {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (sealed, found) = bytes.split_at_checked(bytes.len().checked_sub(CHECK_BYTES)?)?;
        let (version, place) = sealed.split_first()?;
        if *version != VERSION || found != check(scope, sealed) {
            return None;
        }
        P::from_bytes(place)
    };
    place().ok_or_else(|| {
        Violation::new(
            "cursor",
            cursor,
            "a cursor is taken unchanged from an answer of the same list with the same filters",
        )
    })
}

/// Eight bytes of a hash over what the cursor says and the list it belongs to.
fn check(scope: &str, sealed: &[u8]) -> [u8; CHECK_BYTES] {
    let mut hashed = scope.as_bytes().to_vec();
    // No scope holds this byte, so scope and place cannot run into one another.
    hashed.push(0xff);
    hashed.extend(sealed);
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&Uuid::new_v5(&KEY, &hashed).as_bytes()[..CHECK_BYTES]);
    check
}

impl Place for String {
    fn to_bytes(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::from_utf8(bytes.to_vec()).ok()
    }
}

impl Place for i64 {
    fn to_bytes(&self) -> Vec<u8> {
        self.to_be_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::from_be_bytes)
    }
}

impl Place for foldstream_browse::Place {
    fn to_bytes(&self) -> Vec<u8> {
        self.to_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::from_bytes(bytes)
    }
}

impl Place for PageEnd {
    fn to_bytes(&self) -> Vec<u8> {
        [&self.occurred_at.timestamp_micros().to_be_bytes()[..], self.event_id.as_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (micros, event_id) = bytes.split_first_chunk::<8>()?;
        Some(Self {
            occurred_at: DateTime::from_timestamp_micros(i64::from_be_bytes(*micros))?,
            event_id: Uuid::from_slice(event_id).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn opens_as_it_was_sealed(scope in ".{0,40}", micros in -62_135_596_800_000_000i64..253_402_300_800_000_000, id: u128) {
            let end = PageEnd {
                occurred_at: DateTime::from_timestamp_micros(micros).unwrap(),
                event_id: Uuid::from_u128(id),
            };
            prop_assert_eq!(open::<PageEnd>(&scope, &seal(&scope, &end)), Ok(end));
        }

        #[test]
        fn a_number_opens_as_it_was_sealed(number: i64) {
            prop_assert_eq!(open::<i64>("dead-letters", &seal("dead-letters", &number)), Ok(number));
        }

        #[test]
        fn one_altered_character_is_refused(place in "[a-z]{1,20}", at: prop::sample::Index, other in "[A-Za-z0-9_-]") {
            let cursor = seal("persons", &place);
            let at = at.index(cursor.len());
            let altered = format!("{}{other}{}", &cursor[..at], &cursor[at + 1..]);
            prop_assume!(altered != cursor);
            prop_assert!(open::<String>("persons", &altered).is_err());
        }

        #[test]
        fn no_text_panics(text in ".{0,60}") {
            prop_assert!(open::<PageEnd>("locations", &text).is_err());
        }
    }

    #[test]
    fn another_list_refuses_it() {
        let cursor = seal("persons", &"p1".to_owned());
        assert!(open::<String>("locations", &cursor).is_err());
        assert!(open::<String>("persons", &cursor[..cursor.len() - 1]).is_err());
        assert!(open::<String>("persons", "").is_err());
    }
}
