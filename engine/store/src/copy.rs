//! PostgreSQL's binary COPY format, written once.
//!
//! A header, then for each row its number of fields and each field with its length, then a trailer
//! (<https://www.postgresql.org/docs/current/sql-copy.html>, section "Binary Format"). Times count microseconds from
//! 2000; a geography is its extended WKB.

use chrono::{DateTime, Utc};
use uuid::Uuid;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// Microseconds from 1970 to 2000.
const EPOCH_2000_US: i64 = 946_684_800_000_000;
/// A point with a spatial reference, little endian: 1, then the type 1 with the flag 0x20000000.
const POINT_WITH_SRID: [u8; 5] = [1, 1, 0, 0, 0x20];
const SRID_WGS84: u32 = 4326;

/// Rows in binary COPY format.
#[derive(Debug)]
pub struct CopyRows {
    bytes: Vec<u8>,
}

/// Fields of the row being written, in the order of the columns.
#[derive(Debug)]
pub struct Row<'a> {
    bytes: &'a mut Vec<u8>,
}

impl CopyRows {
    #[must_use]
    pub fn with_capacity(rows: usize) -> Self {
        let mut bytes = Vec::with_capacity(rows * 128 + 32);
        bytes.extend_from_slice(SIGNATURE);
        // No flags, no header extension.
        bytes.extend_from_slice(&[0; 8]);
        Self { bytes }
    }

    /// Starts a row of this many fields, all of which must follow.
    pub fn row(&mut self, fields: i16) -> Row<'_> {
        self.bytes.extend_from_slice(&fields.to_be_bytes());
        Row { bytes: &mut self.bytes }
    }

    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(&(-1i16).to_be_bytes());
        self.bytes
    }
}

impl Row<'_> {
    fn field(&mut self, bytes: &[u8]) -> &mut Self {
        // A field never comes near 2 GiB: records are bounded.
        self.bytes.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub fn text(&mut self, text: &str) -> &mut Self {
        self.field(text.as_bytes())
    }

    pub fn uuid(&mut self, uuid: Uuid) -> &mut Self {
        self.field(uuid.as_bytes())
    }

    pub fn int4(&mut self, number: i32) -> &mut Self {
        self.field(&number.to_be_bytes())
    }

    pub fn int8(&mut self, number: i64) -> &mut Self {
        self.field(&number.to_be_bytes())
    }

    pub fn timestamptz(&mut self, at: DateTime<Utc>) -> &mut Self {
        self.field(&(at.timestamp_micros() - EPOCH_2000_US).to_be_bytes())
    }

    /// A WGS84 point; x is the longitude, y the latitude.
    pub fn geography(&mut self, longitude: f64, latitude: f64) -> &mut Self {
        let mut point = [0; 25];
        point[..5].copy_from_slice(&POINT_WITH_SRID);
        point[5..9].copy_from_slice(&SRID_WGS84.to_le_bytes());
        point[9..17].copy_from_slice(&longitude.to_le_bytes());
        point[17..].copy_from_slice(&latitude.to_le_bytes());
        self.field(&point)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_of_the_format() {
        let mut rows = CopyRows::with_capacity(1);
        rows.row(2).int4(7).text("ab");
        let mut expected = SIGNATURE.to_vec();
        expected.extend([0; 8]);
        expected.extend([0, 2, 0, 0, 0, 4, 0, 0, 0, 7, 0, 0, 0, 2, b'a', b'b', 0xff, 0xff]);
        assert_eq!(rows.finish(), expected);
    }

    #[test]
    fn times_count_from_2000() {
        let mut rows = CopyRows::with_capacity(1);
        rows.row(1).timestamptz(DateTime::from_timestamp(946_684_800, 1000).unwrap());
        let bytes = rows.finish();
        assert_eq!(bytes[bytes.len() - 10..bytes.len() - 2], 1i64.to_be_bytes());
    }
}
