//! A square in which people walk: to a place drawn at random, rest there, and on to the next.
//!
//! The same seed moves everybody alike on every machine: the generator is a fixed cipher, and all arithmetic is of
//! the kind IEEE 754 defines to the last bit (the machine's own cosine would not be). Time only goes forward.

use crate::options::WalkerOptions;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

const METRES_PER_DEGREE: f64 = 111_320.0;
const SLOWEST_METRES_PER_SECOND: f64 = 0.8;
const FASTEST_METRES_PER_SECOND: f64 = 2.0;
const LONGEST_REST_SECONDS: f64 = 1800.0;
/// Coordinates are given to the centimetre.
const STEPS_PER_DEGREE: f64 = 1e7;

/// A place in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Place {
    pub(crate) latitude: f64,
    pub(crate) longitude: f64,
}

#[derive(Debug)]
pub(crate) struct City {
    chance: ChaCha8Rng,
    walkers: Vec<Walker>,
    side_m: f64,
    south_west: Place,
    metres_per_degree_east: f64,
}

/// One leg of a walk and the rest after it: places in metres from the south-west corner, times in seconds.
#[derive(Clone, Copy, Debug)]
struct Walker {
    from: (f64, f64),
    to: (f64, f64),
    departs_s: f64,
    arrives_s: f64,
    leaves_s: f64,
}

impl City {
    /// Everybody stands somewhere at second 0 and sets out within half an hour.
    pub(crate) fn new(options: &WalkerOptions) -> Self {
        let mut chance = ChaCha8Rng::seed_from_u64(options.seed);
        let side_m = options.side_km * 1000.0;
        let walkers = (0..options.persons)
            .map(|_| {
                let place = somewhere(side_m, &mut chance);
                let leaves_s = between(0.0, LONGEST_REST_SECONDS, &mut chance);
                Walker { from: place, to: place, departs_s: 0.0, arrives_s: 0.0, leaves_s }
            })
            .collect();
        let metres_per_degree_east = METRES_PER_DEGREE * cosine(options.latitude.to_radians());
        let south_west = Place {
            latitude: options.latitude - side_m / 2.0 / METRES_PER_DEGREE,
            longitude: options.longitude - side_m / 2.0 / metres_per_degree_east,
        };
        Self { chance, walkers, side_m, south_west, metres_per_degree_east }
    }

    /// A person drawn at random.
    pub(crate) fn anybody(&mut self) -> u32 {
        // Multiply and shift: fair to within 2^-44 for the largest city.
        let drawn = (u128::from(self.chance.next_u64()) * self.walkers.len() as u128) >> 64;
        u32::try_from(drawn).unwrap_or(0)
    }

    /// Where this person is at this second, which is not before any asked for earlier.
    pub(crate) fn place(&mut self, person: u32, second: f64) -> Place {
        let Some(walker) = self.walkers.get_mut(person as usize) else { return self.south_west };
        while walker.leaves_s < second {
            walker.set_out(self.side_m, &mut self.chance);
        }
        let (east_m, north_m) = walker.place(second);
        let degrees = |degrees: f64| (degrees * STEPS_PER_DEGREE).round() / STEPS_PER_DEGREE;
        Place {
            latitude: degrees(self.south_west.latitude + north_m / METRES_PER_DEGREE),
            longitude: degrees(self.south_west.longitude + east_m / self.metres_per_degree_east),
        }
    }
}

impl Walker {
    fn set_out(&mut self, side_m: f64, chance: &mut ChaCha8Rng) {
        self.from = self.to;
        self.to = somewhere(side_m, chance);
        let (east_m, north_m) = (self.to.0 - self.from.0, self.to.1 - self.from.1);
        let distance_m = (east_m * east_m + north_m * north_m).sqrt();
        self.departs_s = self.leaves_s;
        self.arrives_s =
            self.departs_s + distance_m / between(SLOWEST_METRES_PER_SECOND, FASTEST_METRES_PER_SECOND, chance);
        self.leaves_s = self.arrives_s + between(0.0, LONGEST_REST_SECONDS, chance);
    }

    fn place(&self, second: f64) -> (f64, f64) {
        if second >= self.arrives_s {
            return self.to;
        }
        let part = (second - self.departs_s) / (self.arrives_s - self.departs_s);
        (self.from.0 + part * (self.to.0 - self.from.0), self.from.1 + part * (self.to.1 - self.from.1))
    }
}

fn somewhere(side_m: f64, chance: &mut ChaCha8Rng) -> (f64, f64) {
    (between(0.0, side_m, chance), between(0.0, side_m, chance))
}

fn between(least: f64, most: f64, chance: &mut ChaCha8Rng) -> f64 {
    // The 53 bits that a double holds exactly.
    let part = (chance.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    least + part * (most - least)
}

/// Its series, by Horner's rule: exact enough up to a right angle, and the same everywhere.
fn cosine(radians: f64) -> f64 {
    let square = radians * radians;
    (1..=12).rev().fold(1.0, |rest, n| {
        let n = f64::from(n);
        1.0 - square / ((2.0 * n - 1.0) * (2.0 * n)) * rest
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cosine_is_one() {
        for degrees in -90..=90 {
            let radians = f64::from(degrees).to_radians();
            assert!((cosine(radians) - radians.cos()).abs() < 1e-14, "{degrees}");
        }
    }

    #[test]
    fn a_walker_goes_straight_and_rests_where_it_arrives() {
        let walker = Walker { from: (0.0, 0.0), to: (10.0, 20.0), departs_s: 5.0, arrives_s: 15.0, leaves_s: 30.0 };
        assert_eq!(walker.place(5.0), (0.0, 0.0));
        assert_eq!(walker.place(10.0), (5.0, 10.0));
        assert_eq!(walker.place(15.0), (10.0, 20.0));
        assert_eq!(walker.place(29.0), (10.0, 20.0));
    }
}
