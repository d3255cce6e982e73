//! The connection query against an oracle: the same numbers as a plain join with `ST_DWithin` over every pair, on
//! 1,000,000 generated points, and where coordinates wrap.

use crate::harness::{Lease, sql};
use chrono::{DateTime, Duration, Utc};
use foldstream_locations_projection::{
    Locations,
    read::{Paging, Proximity, connection},
};
use foldstream_people_projection::People;
use foldstream_store::{Config, Database, versions::ensure_tables};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

/// 5,000 persons about their homes in a 20 km square, 200 points each over 30 days.
const CITY: &str = "
    insert into person select 'p' || n, 'First', 'Last', 'Company', now(), gen_random_uuid(), 0, n
    from generate_series(1, 5000) n;
    insert into location_history (event_id, person_id, occurred_at, position, source_partition, source_offset)
    select gen_random_uuid(), 'p' || n, timestamptz '2026-01-01Z' + (k + random()) * interval '216 minutes',
        st_makepoint(2.2 + 0.273 * home_x + 0.01 * random(), 48.76 + 0.18 * home_y + 0.01 * random())::geography, 0, n * 200 + k
    from (select n, random() home_x, random() home_y from generate_series(1, 5000) n) home, generate_series(0, 199) k;
    vacuum analyze location_history;";

/// Small crowds at the date line, at both poles, and far from everything, on a day of their own.
const EDGES: &str = "
    insert into person select 'e' || n, 'First', 'Last', 'Company', now(), gen_random_uuid(), 0, n
    from generate_series(1, 400) n;
    insert into location_history (event_id, person_id, occurred_at, position, source_partition, source_offset)
    select gen_random_uuid(), 'e' || n, timestamptz '2026-03-01Z' + random() * interval '1 day',
        case n % 4
            when 0 then st_makepoint(case when random() < 0.5 then 180 - 0.02 * random() else -180 + 0.02 * random() end, 0.02 * random())
            when 1 then st_makepoint(360 * random() - 180, 90 - 0.02 * random())
            when 2 then st_makepoint(360 * random() - 180, -90 + 0.02 * random())
            else st_makepoint(case when random() < 0.5 then 180 else -180 end, 60 + 0.02 * random())
        end::geography, 0, n * 10 + k
    from generate_series(1, 400) n, generate_series(0, 4) k;";

#[tokio::test]
async fn the_connection_query_gives_the_numbers_of_the_oracle() {
    let stack = Lease::shared();
    let url = stack.create_database("connection").unwrap();
    let database = Database::connect(&Config { database_url: url.parse().unwrap(), database_connections: 4 }).unwrap();
    database.migrate().await.unwrap();
    ensure_tables::<Locations>(&database).await.unwrap();
    ensure_tables::<People>(&database).await.unwrap();
    for statements in [CITY, EDGES] {
        statements.split_inclusive(';').filter(|statement| !statement.trim().is_empty()).for_each(|statement| {
            sql(&url, statement);
        });
    }
    assert_eq!(sql(&url, "select count(*) from location_history"), "1002000");

    let mut random = StdRng::seed_from_u64(7);
    let mut found = 0;
    for case in 0..40 {
        let is_edge = case % 2 == 0;
        let (person_id, start, days) = if is_edge {
            (format!("e{}", random.random_range(1..=400)), "2026-03-01T00:00:00Z", 1)
        } else {
            (format!("p{}", random.random_range(1..=5000)), "2026-01-01T00:00:00Z", 30)
        };
        let length = if is_edge { Duration::days(1) } else { Duration::hours(random.random_range(6..60)) };
        let latest = Duration::days(days) - length;
        let start: DateTime<Utc> =
            start.parse::<DateTime<Utc>>().unwrap() + latest * random.random_range(0..=100) / 100;
        let distances = if is_edge { [1.0, 100.0, 1000.0, 5000.0] } else { [5.0, 100.0, 1000.0, 3000.0] };
        let distance_m = *distances.choose(&mut random).unwrap();
        let proximity = Proximity { person_id: &person_id, start, end: start + length, distance_m };
        let limit = *[7, 1000, 10_000].choose(&mut random).unwrap();
        let ours = every_page(&database, &proximity, limit).await;
        found += ours.len();
        assert_eq!(ours.join("\n"), oracle(&url, &proximity), "{proximity:?} by {limit}");
    }
    assert!(found > 1000, "the samples prove little: {found} locations found");
    println!("40 samples, {found} locations, equal to the oracle's");
}

async fn every_page(database: &Database, proximity: &Proximity<'_>, limit: u32) -> Vec<String> {
    let mut paging = Paging { after: None, limit };
    let mut all = Vec::new();
    loop {
        let page = connection(database, proximity, paging).await.unwrap();
        all.extend(page.items.iter().map(|location| location.event_id.to_string()));
        match page.end {
            Some(end) => paging.after = Some(end),
            None => return all,
        }
    }
}

/// The definition: every pair, no index, no cells.
fn oracle(url: &str, proximity: &Proximity<'_>) -> String {
    let Proximity { person_id, start, end, distance_m } = proximity;
    sql(
        url,
        &format!(
            "with own as materialized (
                select position from location_history
                where person_id = '{person_id}' and occurred_at >= '{start}' and occurred_at < '{end}')
            select event_id from location_history other
            where occurred_at >= '{start}' and occurred_at < '{end}' and person_id <> '{person_id}'
                and exists (select from own where st_dwithin(own.position, other.position, {distance_m}))
            order by occurred_at, event_id"
        ),
    )
}
