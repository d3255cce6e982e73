//! Generated people who walk about a square: random waypoints, with pauses, from a seed.
//!
//! The same parameters give the same rows on every machine and in every version; `city.rs` moves the people. Rows are
//! evenly spaced in time; the first ones introduce each person once, after that chance says who reports.

use crate::{
    city::City,
    options::{DEFAULT_LATITUDE, DEFAULT_LONGITUDE, DEFAULT_SIDE_KM, WalkerOptions},
    source::{Names, Row, Source},
};

const DAY_US: u64 = 24 * 60 * 60 * 1_000_000;
/// 2025-01-01T00:00:00Z: where the last day ends, whatever the number of days.
const END_US: u64 = 1_735_689_600_000_000;

const FIRST_NAMES: &[&str] = &[
    "Ada", "Amina", "Anna", "Aziz", "Björn", "Carmen", "Chloé", "David", "Elif", "Emma", "Farid", "Grace", "Hugo",
    "Ines", "Ivan", "Jonas", "Keiko", "Lars", "Léa", "Lin", "Luca", "Maria", "Mei", "Milan", "Nadia", "Noah", "Olga",
    "Omar", "Priya", "Sofia", "Tom",
];
const LAST_NAMES: &[&str] = &[
    "Andersson",
    "Bauer",
    "Bernard",
    "Costa",
    "Diallo",
    "Dubois",
    "Fischer",
    "García",
    "Haddad",
    "Ivanov",
    "Jensen",
    "Kaya",
    "Kim",
    "Kowalski",
    "Laurent",
    "Lopez",
    "Martin",
    "Moreau",
    "Nguyen",
    "Novak",
    "Patel",
    "Petit",
    "Rossi",
    "Sato",
    "Schmidt",
    "Silva",
    "Smith",
    "Traoré",
    "Wang",
];
const COMPANIES: &[&str] = &[
    "Canal Bakery",
    "Harbour Logistics",
    "Hill Street Clinic",
    "North Bridge Bank",
    "Old Mill Press",
    "Park Hotels",
    "Quay Works",
];

/// The data set: nothing but its parameters.
#[derive(Debug)]
pub(crate) struct Walkers {
    id: String,
    options: WalkerOptions,
}

impl Walkers {
    pub(crate) fn new(options: WalkerOptions) -> Self {
        let WalkerOptions { persons, points, days, seed, latitude, longitude, side_km } = options;
        let mut id = format!("replay/walkers-s{seed}-p{persons}-n{points}-d{days}");
        // Every parameter is part of the name; the usual place goes without saying.
        if (latitude, longitude, side_km) != (DEFAULT_LATITUDE, DEFAULT_LONGITUDE, DEFAULT_SIDE_KM) {
            id.push_str(&format!("-at{latitude},{longitude}-k{side_km}"));
        }
        Self { id, options }
    }

    /// Evenly spaced over the days; exact, because it is computed from the sequence and not summed up.
    fn time_us(&self, sequence: u64) -> i64 {
        let span_us = u64::from(self.options.days) * DAY_US;
        let into_us = u128::from(sequence) * u128::from(span_us) / u128::from(self.options.points);
        i64::try_from(u128::from(END_US - span_us) + into_us).unwrap_or(i64::MAX)
    }
}

impl Source for Walkers {
    fn id(&self) -> &str {
        &self.id
    }

    fn count(&self) -> u64 {
        self.options.points
    }

    fn present_us(&self) -> i64 {
        self.time_us(self.options.points - 1)
    }

    fn rows(&self) -> Box<dyn Iterator<Item = Row> + '_> {
        let mut city = City::new(&self.options);
        let starts_us = self.time_us(0);
        Box::new((0..self.options.points).map(move |sequence| {
            let occurred_at_us = self.time_us(sequence);
            let introduced = u32::try_from(sequence).ok().filter(|person| *person < self.options.persons);
            let person = introduced.unwrap_or_else(|| city.anybody());
            let place = city.place(person, (occurred_at_us - starts_us) as f64 / 1e6);
            let (latitude, longitude) = (Some(place.latitude), Some(place.longitude));
            Row { sequence, person, name: Some(0), occurred_at_us, latitude, longitude }
        }))
    }

    fn person_id(&self, person: u32) -> String {
        format!("p{:05}", u64::from(person) + 1)
    }

    fn names(&self, person: u32, _: u32) -> Names {
        // The lists' lengths have no common factor, so that all combinations come up.
        let pick = |names: &[&str]| names[person as usize % names.len()].to_owned();
        Names { first_name: pick(FIRST_NAMES), last_name: pick(LAST_NAMES), company_name: pick(COMPANIES) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{HashMap, HashSet};

    fn options(persons: u32, points: u64, seed: u64) -> WalkerOptions {
        WalkerOptions {
            persons,
            points,
            days: 2,
            seed,
            latitude: DEFAULT_LATITUDE,
            longitude: DEFAULT_LONGITUDE,
            side_km: DEFAULT_SIDE_KM,
        }
    }

    fn rows(options: WalkerOptions) -> Vec<Row> {
        Walkers::new(options).rows().collect()
    }

    #[test]
    fn the_id_names_every_parameter_but_the_usual_place() {
        assert_eq!(Walkers::new(options(5000, 1_000_000, 1)).id(), "replay/walkers-s1-p5000-n1000000-d2");
        let elsewhere = WalkerOptions { latitude: -33.4, side_km: 5.0, ..options(1, 1, 1) };
        assert_eq!(Walkers::new(elsewhere).id(), "replay/walkers-s1-p1-n1-d2-at-33.4,2.35-k5");
    }

    /// Rows that are once on a topic hang on these very numbers: a change here is a change of every walkers stream.
    #[test]
    fn the_stream_of_a_seed_never_changes() {
        let last = rows(options(10, 1000, 1)).pop().unwrap();
        assert_eq!(
            last,
            Row {
                sequence: 999,
                person: 3,
                name: Some(0),
                occurred_at_us: 1_735_689_427_200_000,
                latitude: Some(48.864_607_5),
                longitude: Some(2.373_961_2),
            }
        );
    }

    #[test]
    fn everybody_is_introduced_first_and_has_a_name() {
        let walkers = Walkers::new(options(300, 1000, 4));
        let first: Vec<u32> = walkers.rows().take(300).map(|row| row.person).collect();
        assert_eq!(first, (0..300).collect::<Vec<_>>());
        assert!(walkers.rows().all(|row| row.person < 300));
        assert!(walkers.rows().skip(300).map(|row| row.person).collect::<HashSet<_>>().len() > 200);
        assert_eq!(walkers.person_id(0), "p00001");
        assert_eq!(walkers.names(0, 0).first_name, "Ada");
    }

    #[test]
    fn the_last_day_ends_with_the_year_and_the_present_is_the_last_row() {
        let walkers = Walkers::new(options(2, 48, 1));
        let times: Vec<i64> = walkers.rows().map(|row| row.occurred_at_us).collect();
        assert_eq!(times[1] - times[0], 3_600_000_000);
        assert_eq!(times[47] + 3_600_000_000, i64::try_from(END_US).unwrap());
        assert_eq!(walkers.present_us(), times[47]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn rows_repeat_are_in_order_inside_the_square_and_nobody_runs(
            persons in 1u32..50,
            points in 1u64..2000,
            seed in any::<u64>(),
        ) {
            let rows = rows(options(persons, points, seed));
            prop_assert_eq!(rows.len() as u64, points);
            prop_assert!(rows == Walkers::new(options(persons, points, seed)).rows().collect::<Vec<_>>());
            prop_assert!(rows.is_sorted_by_key(|row| row.occurred_at_us));
            let mut seen: HashMap<u32, Row> = HashMap::new();
            for row in rows {
                let (latitude, longitude) = (row.latitude.unwrap(), row.longitude.unwrap());
                prop_assert!((latitude - DEFAULT_LATITUDE).abs() < 0.0899 && (longitude - DEFAULT_LONGITUDE).abs() < 0.137);
                if let Some(before) = seen.insert(row.person, row) {
                    let north = (latitude - before.latitude.unwrap()) * 111_320.0;
                    let east = (longitude - before.longitude.unwrap()) * 111_320.0 * DEFAULT_LATITUDE.to_radians().cos();
                    let seconds = (row.occurred_at_us - before.occurred_at_us) as f64 / 1e6;
                    prop_assert!(north.hypot(east) <= 2.0 * seconds + 0.1);
                }
            }
        }
    }
}
