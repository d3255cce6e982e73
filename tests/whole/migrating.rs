//! A database of the release before, whose six migrations (`migrating/`, as they were) made the tables of the engine and of
//! all models together: it goes on under this one with everything it holds, and a new database comes to the same tables.

use crate::harness::{Lease, sql};
use foldstream_activity_projection::Activity;
use foldstream_locations_projection::Locations;
use foldstream_people_projection::{People, read};
use foldstream_store::{
    Config, Database, checkpoints,
    versions::{Version, VersionState, ensure_tables},
};

const MIGRATIONS: [&str; 6] = [
    include_str!("migrating/0001_read_models.sql"),
    include_str!("migrating/0002_connection.sql"),
    include_str!("migrating/0003_erased_person.sql"),
    include_str!("migrating/0004_parked_keys.sql"),
    include_str!("migrating/0005_projection_version.sql"),
    include_str!("migrating/0006_activity.sql"),
];

/// What stood in it when it was left: rows, positions, a parked key, and a rebuild that was cut short. The service of
/// `activity` had never run.
const LEFT: &str = "
    create table _sqlx_migrations (version bigint primary key, description text not null,
        installed_on timestamptz not null default now(), success boolean not null, checksum bytea not null,
        execution_time bigint not null);
    insert into _sqlx_migrations select n, 'of the release before', now(), true, 'x', 1 from generate_series(1, 6) n;
    insert into person values ('ada', 'Ada', 'Lovelace', 'Engines', now(), gen_random_uuid(), 0, 0);
    insert into location_history (event_id, person_id, occurred_at, position, source_partition, source_offset)
    values (gen_random_uuid(), 'ada', now(), st_makepoint(2, 48)::geography, 0, 0);
    insert into projection_position values ('people-projection', 'person-profiles', 0, 1, now());
    insert into dead_letter (projection, topic, partition, \"offset\", appended_at, key, headers, reason, parks)
    values ('locations-projection', 'locations', 0, 1, now(), 'ada', '[]', 'bad', true);
    insert into parked_record values (1, 2, now(), null);
    select create_version_tables('locations_v2',
        array['location_history', 'current_location', 'erased_person'], array['location_history']);
    insert into projection_version (projection, version, schema_name, state)
    values ('locations-projection', 2, 'locations_v2', 'loading');";

/// Every column, index and setting of what lies in `public`, but for the books of the migrations.
const SHAPE: &str = "
    select relation.relname, relation.reloptions, array_agg(attribute.attname || ' '
        || format_type(attribute.atttypid, attribute.atttypmod) || attribute.attnotnull::text || attribute.attgenerated::text
        order by attribute.attname) as columns,
        (select array_agg(indexdef order by indexname) from pg_indexes where schemaname = 'public' and tablename = relname)
    from pg_class relation join pg_attribute attribute on attrelid = relation.oid and attnum > 0 and not attisdropped
    where relnamespace = 'public'::regnamespace and relkind = 'r'
        and relname not in ('_sqlx_migrations', 'spatial_ref_sys')
    group by relation.relname, relation.reloptions order by 1";

#[tokio::test]
async fn a_database_of_the_release_before_goes_on_and_a_new_one_comes_to_the_same_tables() {
    let stack = Lease::shared();
    let [fresh, old] = ["fresh", "old"].map(|name| stack.create_database(name).unwrap());
    for statements in MIGRATIONS.iter().chain([&LEFT]) {
        sql(&old, statements);
    }
    let [people, locations, activity] = taken_over(&old).await;
    taken_over(&fresh).await;
    assert_eq!(sql(&old, SHAPE), sql(&fresh, SHAPE));

    let are = |versions: &[Version]| {
        let one =
            |version: &Version| (version.version, version.state, version.is_active, version.tables_digest.is_some());
        versions.iter().map(one).collect::<Vec<_>>()
    };
    let first = (1, VersionState::Folding, true, true);
    assert_eq!((are(&people), are(&activity)), (vec![first], vec![first]));
    assert_eq!(are(&locations), [first, (2, VersionState::Loading, false, true)]);
    // Made by the same statements: those of the first release are what the models say today.
    let digests = sql(&old, "select count(*) from projection_version where table_names is null");
    assert_eq!(digests, "0", "tables of the release before are not recognised");

    let database = connect(&old);
    assert_eq!(read::find(&database, "ada").await.unwrap().unwrap().row.first_name, "Ada");
    assert_eq!(checkpoints(&database).await.unwrap()[0].next_offset, 1);
    let kept =
        "select (select count(*) from location_history), (select count(*) from parked_record where dead_letter_id = 1)";
    assert_eq!(sql(&old, kept), "1|1");
    // A process of the release before finds its own books as it left them.
    assert_eq!(sql(&old, "select count(*), max(version) from _sqlx_migrations"), "6|6");
}

/// The start of a service of each model.
async fn taken_over(url: &str) -> [Vec<Version>; 3] {
    let database = connect(url);
    database.migrate().await.unwrap();
    [
        ensure_tables::<People>(&database).await.unwrap(),
        ensure_tables::<Locations>(&database).await.unwrap(),
        ensure_tables::<Activity>(&database).await.unwrap(),
    ]
}

fn connect(url: &str) -> Database {
    Database::connect(&Config { database_url: url.parse().unwrap(), database_connections: 4 }).unwrap()
}
