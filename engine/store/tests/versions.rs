//! Versions of a small read model in a real database: made once by many, recognised, refused where its tables changed,
//! rebuilt with the new ones beside the old.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking and says what it saw")]

use chrono::{DateTime, Utc};
use foldstream_browse::Brokers;
use foldstream_fold::{Projection, Service, Step};
use foldstream_log::{Cleanup, RecordType, Topic, TopicEvent, Violation};
use foldstream_log::{Recorded, Registry};
use foldstream_stack::{Options, Parts, Stack};
use foldstream_store::{
    Config, Database, Former, ReadModel, Table,
    versions::{self, Progress, Version, VersionState, ensure_tables},
};
use foldstream_telemetry::health::{Health, Status};
use serde::{Deserializer, Serializer};
use sqlx::PgConnection;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

static PAGES: Topic = Topic {
    name: "pages",
    key: "page",
    partitions: 1,
    cleanup: Cleanup::KeepAll,
    max_record_bytes: 1024,
    writers: foldstream_log::Writers::Services(&["nobody"]),
};

/// Nothing ever happens.
#[derive(Debug)]
enum PagesEvent {}

impl TopicEvent for PagesEvent {
    fn topics() -> &'static [&'static Topic] {
        static TOPICS: &[&Topic] = &[&PAGES];
        TOPICS
    }

    fn record_types() -> Vec<&'static RecordType> {
        Vec::new()
    }

    fn record_type(&self) -> &'static RecordType {
        match *self {}
    }

    fn key(&self) -> &str {
        match *self {}
    }

    fn event_id(&self) -> Uuid {
        match *self {}
    }

    fn occurred_at(&self) -> DateTime<Utc> {
        match *self {}
    }

    fn check(&self) -> Result<(), Violation> {
        match *self {}
    }

    fn deserialize<'de, D: Deserializer<'de>>(_: &str, _: &str, _: D) -> Option<Result<Self, D::Error>> {
        None
    }

    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        match *self {}
    }
}

/// A model with these tables, whatever is written into them.
macro_rules! model {
    ($name:ident, $tables:literal $(, $former:expr)?) => {
        struct $name;

        impl Projection for $name {
            type Event = PagesEvent;
            type Changes = ();
            const NAME: &'static str = "pages-projection";

            fn apply((): &mut (), _: &Recorded<PagesEvent>) -> Step {
                Step::Skip
            }
        }

        impl ReadModel for $name {
            const MODEL: &'static str = "pages";
            const TABLES_SQL: &'static str = $tables;
            const INDEXES_SQL: &'static str = "create index if not exists page_views on page (views);";
            $(const FORMER: &'static [Former] = $former;)?
            const TABLES: &'static [Table] =
                &[Table { name: "page", rows: "select path as key, views as hash from page order by path" }];

            async fn write((): &(), _: &mut PgConnection) -> Result<(), sqlx::Error> {
                Ok(())
            }
        }
    };
}

model!(Pages, "create table page (path text primary key, views bigint not null);");
model!(TitledPages, "create table page (path text primary key, title text not null, views bigint not null);");
model!(
    CountedPages,
    "create table page (path text primary key, views int not null);",
    &[Former {
        digest: Uuid::from_u128(0xf0ab_a3a1_4015_5495_99d8_8663_107e_4405),
        becomes: "alter table page alter column views type int;"
    }]
);

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_made_once_by_many_processes_at_once() {
    let (_stack, database) = database("store-once").await;
    let many = (0..8).map(|_| {
        let database = database.clone();
        tokio::spawn(async move {
            database.migrate().await.unwrap();
            ensure_tables::<Pages>(&database).await.unwrap()
        })
    });
    for found in futures::future::join_all(many).await {
        let found = found.unwrap();
        assert_eq!((found.len(), found[0].state, found[0].is_active), (1, VersionState::Folding, true));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_starts_on_a_database_that_a_later_one_migrated_if_what_it_needs_is_there() {
    let (_stack, database) = database("store-later").await;
    database.migrate().await.unwrap();
    run(&database, "insert into store_migration select 9, 'later', now(), true, 'x', 1; create table later ()").await;
    database.migrate().await.unwrap();
    run(&database, "alter table dead_letter rename column settled to done").await;
    let refused = database.migrate().await.unwrap_err();
    assert!(std::error::Error::source(&refused).unwrap().to_string().contains("settled"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_an_older_release_are_recognised_or_left_alone() {
    let (_stack, database) = database("store-older").await;
    database.migrate().await.unwrap();
    // It made the tables of all models, and of those whose services ran a version.
    run(&database, "create table page (views bigint not null, path text primary key)").await;
    assert!(ensure_tables::<Pages>(&database).await.unwrap()[0].tables_digest.is_some());
    let (_, degraded) = folded::<Pages>(&database, "pages-projection v1").await;
    assert_eq!(degraded, None);

    run(&database, "update projection_version set tables_digest = null; alter table page add column author text").await;
    ensure_tables::<Pages>(&database).await.unwrap();
    let (_, degraded) = folded::<Pages>(&database, "pages-projection v1").await;
    assert!(degraded.unwrap().contains("projections rebuild pages-projection"));
}

/// With their rows, whether anybody noted which they are or not; and from then on programs of before leave them alone.
#[tokio::test(flavor = "multi_thread")]
async fn former_tables_become_those_of_today_where_a_model_says_how() {
    let (_stack, database) = database("store-former").await;
    database.migrate().await.unwrap();
    let former = ensure_tables::<Pages>(&database).await.unwrap()[0].tables_digest.unwrap();
    assert_eq!(former, CountedPages::FORMER[0].digest);
    run(&database, "insert into page values ('/', 7)").await;
    let is_int = "select views::bigint from page where pg_typeof(views) = 'int'::regtype";
    let (_, degraded) = folded::<CountedPages>(&database, "pages-projection v1").await;
    assert_eq!((degraded, number(&database, is_int).await), (None, 7));
    let (_, degraded) = folded::<Pages>(&database, "pages-projection v1").await;
    assert!(degraded.is_some(), "a process of the release before folds on into tables it does not know");

    run(
        &database,
        "alter table page alter column views type bigint; update projection_version set tables_digest = null",
    )
    .await;
    let taken = ensure_tables::<CountedPages>(&database).await.unwrap();
    assert_eq!(
        (taken[0].tables_digest.is_some_and(|digest| !digest.is_nil()), number(&database, is_int).await),
        (true, 7)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_tables_are_another_version_beside_the_old_one() {
    let (_stack, database) = database("store-changed").await;
    database.migrate().await.unwrap();
    ensure_tables::<Pages>(&database).await.unwrap();
    run(&database, "insert into page values ('/', 7)").await;
    let (service, degraded) = folded::<TitledPages>(&database, "pages-projection v1").await;
    assert!(degraded.unwrap().contains("projections rebuild pages-projection"));
    let refused = versions::verify::<TitledPages>(&service, &database, &Progress::default()).await.unwrap_err();
    assert!(refused.to_string().contains("other tables"), "{refused}");

    let rebuilt = versions::rebuild::<TitledPages>(&service, &database, false, &Progress::default()).await.unwrap();
    assert_eq!((rebuilt.version, rebuilt.equal, rebuilt.tables.len()), (Some(2), None, 0));
    let indexes = "select count(*) from pg_indexes where schemaname = 'pages_v2' and tablename = 'page'";
    assert_eq!(number(&database, indexes).await, 2);
    assert_eq!(number(&database, "select count(*) from pages_v2.page where title = ''").await, 0);
    // Readers are shown the old one until they are moved, and what it holds is there until it is dropped.
    assert_eq!(number(&database, "select views from public.page").await, 7);
    let before: Version = versions::activate::<TitledPages>(&database, 2, Duration::ZERO).await.unwrap();
    assert_eq!(before.version, 1);
    versions::discard::<TitledPages>(&database, 1).await.unwrap();
    assert_eq!(number(&database, "select count(to_regclass('public.page'))").await, 0);
    let (_, degraded) = folded::<TitledPages>(&database, "pages-projection v2").await;
    assert_eq!(degraded, None);
    let (_, degraded) = folded::<Pages>(&database, "pages-projection v2").await;
    assert!(degraded.is_some(), "a process of the release before folds on into tables it does not know");
}

/// A rebuild and a verification that were killed leave what they filled; whoever is erased meanwhile would stay in there.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_fills_any_more_is_removed() {
    let (_stack, database) = database("store-left-over").await;
    database.migrate().await.unwrap();
    ensure_tables::<Pages>(&database).await.unwrap();
    run(
        &database,
        "create schema pages_scratch;
         create schema pages_scratch_dead; create table pages_scratch_dead.page as select 'ada' as path;
         create schema pages_scratch_held;
         create schema pages_v2; create schema pages_v3;
         insert into projection_version (projection, version, schema_name, state, created_at) values
            ('pages-projection', 2, 'pages_v2', 'loading', now() - interval '25 hours'),
            ('pages-projection', 3, 'pages_v3', 'loading', now() - interval '23 hours')",
    )
    .await;
    let mut filling = database.pool().acquire().await.unwrap();
    sqlx::query("select pg_advisory_lock(hashtextextended('foldstream/filling/pages_scratch_held', 0))")
        .execute(&mut *filling)
        .await
        .unwrap();
    folded::<Pages>(&database, "pages-projection v1").await;
    let left: Vec<String> =
        sqlx::query_scalar("select nspname::text from pg_namespace where nspname::text like 'pages%' order by 1")
            .fetch_all(database.pool())
            .await
            .unwrap();
    assert_eq!(left, ["pages_scratch_held", "pages_v3"]);
    assert_eq!(number(&database, "select count(*) from projection_version where state <> 'folding'").await, 1);
}

/// Names without a schema mean the tables behind it when it is gone: those of the version in `public`.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_folds_a_dropped_version_is_refused_by_the_fence() {
    let (_stack, database) = database("store-dropped").await;
    database.migrate().await.unwrap();
    run(&database, "insert into projection_position values ('pages-projection', 'pages', 0, 5)").await;
    for (schema, moved) in [("pages_v2", 0), ("public", 1)] {
        let mut transaction = database.pool().begin().await.unwrap();
        sqlx::query("select set_config('search_path', $1, true)")
            .bind(format!("{schema}, public"))
            .execute(&mut *transaction)
            .await
            .unwrap();
        let advanced = sqlx::query(include_str!("../queries/checkpoint/advance.sql"))
            .bind("pages-projection")
            .bind(["pages"])
            .bind([0])
            .bind([5i64])
            .bind([6i64])
            .bind([None::<DateTime<Utc>>])
            .bind(schema)
            .execute(&mut *transaction)
            .await
            .unwrap();
        assert_eq!(advanced.rows_affected(), moved, "{schema}");
    }
}

async fn database(name: &str) -> (Stack, Database) {
    let options = Options::temporary(name).unwrap().with_parts(Parts::POSTGRES);
    let stack =
        tokio::task::spawn_blocking(|| Stack::start(options).unwrap_or_else(|error| panic!("no stack: {error}")))
            .await
            .unwrap();
    let config = Config { database_url: stack.database_url().parse().unwrap(), database_connections: 10 };
    (stack, Database::connect(&config).unwrap())
}

/// What the service of the projection says of this version when it has looked: why it does not fold it.
async fn folded<M: ReadModel>(database: &Database, component: &str) -> (Service, Option<String>) {
    // Nobody is there: whoever reads waits.
    let log = foldstream_log::Config::at("127.0.0.1:1", "http://127.0.0.1:1".parse().unwrap());
    let (health, shutdown) = (Health::new(), CancellationToken::new());
    let service = Service {
        registry: Registry::new(&log).unwrap(),
        brokers: Brokers::new(&log),
        wire: log,
        component: health.component(M::NAME),
        shutdown: shutdown.clone(),
    };
    let folding = tokio::spawn({
        let (service, database) = (service.clone(), database.clone());
        async move { versions::fold_versions::<M>(service, &database).await }
    });
    let status_of =
        |name: &str| health.snapshot().into_iter().find(|found| found.name == name).map(|found| found.status);
    let deadline = Instant::now() + Duration::from_secs(20);
    while status_of(M::NAME) != Some(Status::Ready) {
        assert!(Instant::now() < deadline, "it never looked: {:?}", health.snapshot());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let reason = match status_of(component).unwrap() {
        // Nor are brokers there, which is no matter here.
        Status::Degraded { reason } if reason.contains("other tables") => Some(reason),
        _ => None,
    };
    shutdown.cancel();
    folding.await.unwrap();
    (Service { shutdown: CancellationToken::new(), ..service }, reason)
}

async fn run(database: &Database, statements: &'static str) {
    sqlx::raw_sql(statements).execute(database.pool()).await.unwrap();
}

async fn number(database: &Database, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(database.pool()).await.unwrap()
}
