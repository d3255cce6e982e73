//! How long "who was near whom" takes, as the API asks it: through the read model's own function, a page of 1000.
//!
//! Persons and the beginning of the window are drawn at random, the same ones in every run and for every distance;
//! distances and windows take turns, so that a noisy moment hits all of them.

use crate::{
    arguments::Arguments,
    bare::{self, Tables},
    figures::{median, percentile, tenths, whole},
    table::{Table, line, title},
    world::{World, tell},
};
use anyhow::{Context, Result};
use chrono::{DateTime, TimeDelta, Utc};
use foldstream_locations_projection::{
    Locations,
    read::{Paging, Proximity, connection},
};
use foldstream_people_projection::People;
use foldstream_store::projection_flow;
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{collections::HashMap, time::Instant};

const DISTANCES_M: [u32; 6] = [5, 50, 100, 500, 1_000, 5_000];
const WINDOWS_DAYS: [u32; 3] = [1, 7, 30];
const LIMIT: u32 = 1_000;
const GOAL_MS: f64 = 200.0;
/// What `foldstream replay walkers` generates: this many days, up to the end of 2024, and persons p00001 and so on.
const DAYS: u32 = 30;
const PERSONS: u32 = 5_000;
const LAST_DAY_ENDS: i64 = 1_735_689_600;
/// Asked first and not counted: connections are made, functions compiled.
const WARM_UP: u32 = 2;

/// Milliseconds and rows of every answer.
#[derive(Debug, Default)]
struct Answers {
    milliseconds: Vec<f64>,
    rows: Vec<f64>,
}

pub(crate) async fn measure(world: &World, arguments: &Arguments) -> Result<()> {
    tell("folding persons and locations");
    world.fold_all(&[projection_flow::<Locations>(), projection_flow::<People>()]).await?;
    let mut admin = bare::connect(world, Tables::Real).await?;
    sqlx::raw_sql("vacuum analyze").execute(&mut admin).await.context("vacuum analyze")?;
    tell("asking who was near whom");
    let mut answers: HashMap<(u32, u32), Answers> = HashMap::new();
    let mut random = StdRng::seed_from_u64(1);
    for question in 0..WARM_UP + arguments.questions {
        let person_id = format!("p{:05}", random.random_range(1..=PERSONS));
        for days in WINDOWS_DAYS {
            let start = days_before_the_end(random.random_range(days..=DAYS))?;
            for distance in DISTANCES_M {
                let proximity = Proximity {
                    person_id: &person_id,
                    start,
                    end: start + TimeDelta::days(i64::from(days)),
                    distance_m: f64::from(distance),
                };
                let asked = Instant::now();
                let page = connection(&world.database, &proximity, Paging { after: None, limit: LIMIT }).await?;
                if question >= WARM_UP {
                    let answers = answers.entry((distance, days)).or_default();
                    answers.milliseconds.push(asked.elapsed().as_secs_f64() * 1e3);
                    answers.rows.push(page.items.len() as f64);
                }
            }
        }
    }
    print(world, arguments, &answers)
}

fn print(world: &World, arguments: &Arguments, answers: &HashMap<(u32, u32), Answers>) -> Result<()> {
    title(
        &format!(
            "Connection: {} locations of {PERSONS} persons, 20 km square, {DAYS} days; milliseconds, first page of {LIMIT}",
            whole(world.records as f64)
        ),
        &format!("foldstream-bench connection --records {} --questions {}", world.records, arguments.questions),
    )?;
    let mut table = Table::new(&[
        "distance",
        "1 day: median",
        "p95",
        "rows",
        "7 days: median",
        "p95",
        "rows",
        "30 days: median",
        "p95",
        "rows",
    ]);
    let mut slowest = 0.0;
    for distance in DISTANCES_M {
        let mut row = vec![format!("{distance} m")];
        for days in WINDOWS_DAYS {
            let Some(Answers { milliseconds, rows }) = answers.get(&(distance, days)) else { continue };
            slowest = f64::max(slowest, median(milliseconds));
            row.extend([tenths(median(milliseconds)), tenths(percentile(milliseconds, 0.95)), whole(median(rows))]);
        }
        table.row(row);
    }
    table.print()?;
    line(&format!("slowest median: {} ms (goal: under {} ms)", tenths(slowest), whole(GOAL_MS)))
}

fn days_before_the_end(days: u32) -> Result<DateTime<Utc>> {
    let end = DateTime::from_timestamp(LAST_DAY_ENDS, 0).context("no such time")?;
    Ok(end - TimeDelta::days(i64::from(days)))
}
