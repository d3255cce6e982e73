//! What to replay and how: the command line of `foldstream replay`.
//!
//! Values are checked as they are parsed, so what arrives here is usable.

use std::{fmt, str::FromStr};

#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub struct Options {
    #[command(subcommand)]
    pub dataset: Dataset,
}

#[derive(clap::Subcommand, Clone, Debug)]
pub enum Dataset {
    /// 284,505 real positions of 213 aircraft on 2021-10-07, noise and gaps included
    Aircraft {
        #[command(flatten)]
        pace: Pace,
    },
    /// People who walk about a city square, generated: the same parameters give the same positions everywhere
    Walkers {
        #[command(flatten)]
        walk: WalkerOptions,
        #[command(flatten)]
        pace: Pace,
    },
}

impl Options {
    #[must_use]
    pub fn pace(&self) -> &Pace {
        match &self.dataset {
            Dataset::Aircraft { pace } | Dataset::Walkers { pace, .. } => pace,
        }
    }
}

/// How fast, with which times, and how far.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub struct Pace {
    /// `max`, or how many times faster than the positions were recorded
    #[arg(long, default_value = "max", value_name = "max|FACTOR")]
    pub speed: Speed,

    /// Times of the positions: as recorded, or moved so that they lead up to now.
    /// The first run of a data set decides; later runs keep what it chose
    #[arg(long, value_enum, default_value_t = Time::Original)]
    pub time: Time,

    /// Stop after the first N positions of the data set
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,

    /// Go on in real time with positions that still lie ahead of the clock
    #[arg(long)]
    pub follow: bool,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// As in the data set
    Original,
    /// Moved so that the past of the data set ends now
    Now,
}

/// How many positions a second of wall clock may bring.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// As fast as the brokers take them.
    Max,
    /// So many seconds of the data set in one second; finite and greater than zero.
    Times(f64),
}

impl FromStr for Speed {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "max" {
            return Ok(Self::Max);
        }
        match text.parse() {
            Ok(factor) if factor > 0.0 && f64::is_finite(factor) => Ok(Self::Times(factor)),
            _ => Err("a speed is `max` or a number greater than 0"),
        }
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Max => f.write_str("max"),
            Self::Times(factor) => write!(f, "{factor}"),
        }
    }
}

/// Everything the walkers depend on.
#[derive(clap::Args, Clone, Debug, PartialEq)]
#[group(skip)]
pub struct WalkerOptions {
    /// How many people walk
    #[arg(long, default_value_t = 5_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub persons: u32,

    /// How many positions they report in all
    #[arg(long, default_value_t = 1_000_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000_000))]
    pub points: u64,

    /// Over how many days the positions are spread, the last one ending with the year 2024
    #[arg(long, default_value_t = 30, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3_650))]
    pub days: u32,

    /// Another seed gives other walks
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,

    /// Centre of the square they walk in, in degrees
    #[arg(long, default_value_t = DEFAULT_LATITUDE, value_name = "DEGREES", value_parser = latitude, allow_hyphen_values = true)]
    pub latitude: f64,

    /// Centre of the square they walk in, in degrees
    #[arg(long, default_value_t = DEFAULT_LONGITUDE, value_name = "DEGREES", value_parser = longitude, allow_hyphen_values = true)]
    pub longitude: f64,

    /// Side of the square they walk in
    #[arg(long, default_value_t = DEFAULT_SIDE_KM, value_name = "KILOMETRES", value_parser = side_km)]
    pub side_km: f64,
}

pub(crate) const DEFAULT_LATITUDE: f64 = 48.85;
pub(crate) const DEFAULT_LONGITUDE: f64 = 2.35;
pub(crate) const DEFAULT_SIDE_KM: f64 = 20.0;

/// Short of the poles, where a square in degrees is no square.
fn latitude(text: &str) -> Result<f64, String> {
    number_within(text, -80.0, 80.0)
}

/// Short of the date line, so that the square does not cross it.
fn longitude(text: &str) -> Result<f64, String> {
    number_within(text, -170.0, 170.0)
}

fn side_km(text: &str) -> Result<f64, String> {
    number_within(text, 0.1, 300.0)
}

fn number_within(text: &str, least: f64, most: f64) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("expected a number from {least} to {most}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser, Debug)]
    struct Command {
        #[command(flatten)]
        config: crate::config::Config,
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn the_command_line_is_sound_and_has_the_documented_defaults() {
        use clap::CommandFactory;
        Command::command().debug_assert();
        let command = Command::try_parse_from(["replay", "aircraft"]).unwrap();
        let pace = command.options.pace();
        assert_eq!((pace.speed, pace.time, pace.limit, pace.follow), (Speed::Max, Time::Original, None, false));
        assert!(!command.config.data_dir.as_os_str().is_empty());
    }

    #[test]
    fn walkers_take_every_parameter() {
        let command = Command::try_parse_from(
            "replay walkers --persons 7 --points 9 --days 2 --seed 3 --latitude -33.4 --longitude -70.6 --side-km 5 \
             --speed 60 --time now --limit 8 --follow"
                .split_whitespace(),
        )
        .unwrap();
        assert_eq!(command.options.pace().speed, Speed::Times(60.0));
        let Dataset::Walkers { walk, pace } = command.options.dataset else { panic!("not walkers") };
        assert_eq!((walk.persons, walk.points, walk.days, walk.seed), (7, 9, 2, 3));
        assert_eq!((walk.latitude, walk.longitude, walk.side_km), (-33.4, -70.6, 5.0));
        assert_eq!((pace.time, pace.limit, pace.follow), (Time::Now, Some(8), true));
    }

    #[test]
    fn values_without_sense_are_refused() {
        for wrong in ["--speed 0", "--speed -1", "--speed inf", "--speed nan", "--speed fast", "--time later"] {
            let line = format!("replay aircraft {wrong}");
            assert!(Command::try_parse_from(line.split_whitespace()).is_err(), "{wrong}");
        }
        for wrong in ["--persons 0", "--points 0", "--latitude 89", "--longitude 180", "--side-km 0", "--days 0"] {
            let line = format!("replay walkers {wrong}");
            assert!(Command::try_parse_from(line.split_whitespace()).is_err(), "{wrong}");
        }
    }
}
