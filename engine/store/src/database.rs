//! The connection pool, its settings, and what a failed statement means.

use crate::config::Config;
use foldstream_fold::StoreError;
use sqlx::{
    PgPool,
    migrate::MigrateError,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{str::FromStr, sync::Arc, time::Duration};

/// Where the migrations make tables: the first version of every projection, and all that is no version's.
pub(crate) const PUBLIC: &str = "public";

/// Which migrations were run. Those of the releases before are in `_sqlx_migrations`, where processes of theirs look.
const MIGRATIONS: &str = "store_migration";

/// A process holds as many connections at most for each version it folds: one writes, one announces.
const FOLDING_CONNECTIONS: u32 = 3;
/// A load writes with several connections at once.
const LOADING_CONNECTIONS: u32 = 8;

/// Handle on a pool whose statements see the tables of certain schemas; cheap to clone. The connections are closed when
/// the last handle is gone.
#[derive(Debug, Clone)]
pub struct Database {
    pool: PgPool,
    options: PgConnectOptions,
    most_connections: u32,
    /// Those whose tables hide the ones in `public`.
    schemas: Arc<[String]>,
}

/// What a pool beside the process's own is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Reading,
    Folding,
    /// Statements that take long, and transactions that need not be on disk when they are answered: a load that loses its
    /// last ones goes on before them.
    Loading,
}

#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    #[error("the database {url} cannot be used")]
    Connect { url: String, source: sqlx::Error },
    #[error("the database could not be migrated")]
    Migrate { source: MigrateError },
    #[error("the query {query} failed")]
    Query { query: &'static str, source: sqlx::Error },
}

impl DatabaseError {
    /// Names the statement that failed.
    #[must_use]
    pub fn query(query: &'static str, source: sqlx::Error) -> Self {
        Self::Query { query, source }
    }

    /// Whether the database is away or busy, so that asking again later may help.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Connect { .. } => true,
            Self::Migrate { source: MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) } => {
                matches!(store_error(source), Kind::Unavailable)
            }
            Self::Migrate { .. } => false,
            Self::Query { source, .. } => matches!(store_error(source), Kind::Unavailable),
        }
    }
}

impl Database {
    /// Connects lazily: a database that is away shows with the first statement, and heals alone.
    pub fn connect(config: &Config) -> Result<Self, DatabaseError> {
        let connect = |source| DatabaseError::Connect { url: config.database_url.to_string(), source };
        // A dead socket is noticed by the server and the kernel, not by a timer here: a connection dropped in the
        // middle of a statement would keep its place in the pool.
        let options = PgConnectOptions::from_str(config.database_url.secret()).map_err(connect)?.options([
            ("application_name", "foldstream"),
            // "already exists, skipping" is no news.
            ("client_min_messages", "warning"),
            ("statement_timeout", "30s"),
            ("idle_in_transaction_session_timeout", "30s"),
            ("tcp_user_timeout", "10s"),
            ("tcp_keepalives_idle", "10"),
            ("tcp_keepalives_interval", "5"),
            // Statements here are short; compiling one costs more than running it.
            ("jit", "off"),
        ]);
        let pool = pool(&options, config.database_connections);
        Ok(Self { pool, options, most_connections: config.database_connections, schemas: Arc::default() })
    }

    /// A pool of its own on the same database, whose statements see the tables of these schemas.
    pub(crate) fn within(&self, schemas: &[String], purpose: Purpose) -> Self {
        let mut path = schemas.to_vec();
        path.retain(|schema| schema != PUBLIC);
        let schemas = path.clone().into();
        // Functions, PostGIS and what is no version's.
        path.push(PUBLIC.to_owned());
        let options = self.options.clone().options([("search_path", path.join(","))]);
        let (most_connections, options) = match purpose {
            Purpose::Reading => (self.most_connections, options),
            Purpose::Folding => (FOLDING_CONNECTIONS, options),
            Purpose::Loading => {
                let slowly = [
                    ("statement_timeout", "0"),
                    ("synchronous_commit", "off"),
                    ("maintenance_work_mem", "256MB"),
                    ("work_mem", "64MB"),
                ];
                (LOADING_CONNECTIONS, options.options(slowly))
            }
        };
        Self { pool: pool(&options, most_connections), options, most_connections, schemas }
    }

    /// Whether both see the tables of the same schemas.
    #[must_use]
    pub fn sees_the_same(&self, other: &Self) -> bool {
        self.schemas == other.schemas
    }

    /// The schemas whose tables hide the ones in `public`.
    pub(crate) fn hiding(&self) -> &[String] {
        &self.schemas
    }

    /// Makes the tables that every projection needs. Safe to run by several processes at once, and on a database that a
    /// newer release has migrated further, as long as what this one needs is there.
    pub async fn migrate(&self) -> Result<(), DatabaseError> {
        let mut migrator = sqlx::migrate!();
        migrator.set_ignore_missing(true);
        migrator.dangerous_set_table_name(MIGRATIONS);
        migrator.run(&self.pool).await.map_err(|source| DatabaseError::Migrate { source })?;
        sqlx::raw_sql(include_str!("../queries/migration/needs.sql"))
            .execute(&self.pool)
            .await
            .map(drop)
            .map_err(|error| DatabaseError::query("migration/needs", error))
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), DatabaseError> {
        sqlx::query("select 1").execute(&self.pool).await.map_err(|error| DatabaseError::query("ping", error)).map(drop)
    }

    /// For the statements of a read model.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }
}

fn pool(options: &PgConnectOptions, most_connections: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(most_connections)
        .acquire_timeout(Duration::from_secs(3))
        .connect_lazy_with(options.clone())
}

/// What a failure means for a fold.
enum Kind {
    BadData,
    Unavailable,
    Broken,
}

/// Sorted by SQLSTATE class: 22 and 23 are the data's fault; 40 (serialisation, deadlock), 08 (connection), 53 (out of
/// resources), 57 (shut down, cancelled) and everything without an answer pass; the rest is ours.
fn store_error(error: &sqlx::Error) -> Kind {
    match error {
        sqlx::Error::Database(database) => match database.code().as_deref().and_then(|code| code.get(..2)) {
            Some("22" | "23") => Kind::BadData,
            // 25P03: the server ended a transaction that stood idle, as after a SIGSTOP.
            Some("40" | "08" | "53" | "57" | "25") => Kind::Unavailable,
            _ => Kind::Broken,
        },
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Kind::Unavailable,
        _ => Kind::Broken,
    }
}

/// The loop's view of a failed statement.
pub(crate) fn for_store(error: sqlx::Error) -> StoreError {
    let code = error.as_database_error().and_then(|error| error.code().map(String::from));
    let code = code.unwrap_or_else(|| "none".to_owned());
    let kind = store_error(&error);
    let source = Box::new(error);
    match kind {
        Kind::BadData => StoreError::BadData { code, source },
        Kind::Unavailable => StoreError::Unavailable { code, source },
        Kind::Broken => StoreError::Broken { code, source },
    }
}
