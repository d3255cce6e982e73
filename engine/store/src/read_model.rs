//! What a read model is: the tables of a projection, how a batch of changes gets into them, and what became of a row.
//!
//! The fold itself ([`Projection`]) knows nothing of SQL; this is its other half, and both stand in one folder,
//! `projections/<model>`. Which tables a projection writes is said once, in [`ReadModel::TABLES`]: its edges, its
//! versions and their comparison follow from it.

use crate::{
    database::{Database, DatabaseError},
    row::RowOf,
};
use foldstream_fold::Projection;
use foldstream_log::{Flow, ServiceKind};
use sqlx::PgConnection;
use uuid::Uuid;

/// A projection whose changes are kept in tables.
pub trait ReadModel: Projection {
    /// In one word, for the schemas of its versions: `pages_v2` is the second of `pages`.
    const MODEL: &'static str;

    /// The statements that make its tables, and the functions its questions stand on. They name no schema: every version
    /// runs them in one of its own.
    const TABLES_SQL: &'static str;

    /// The statements that make the indexes a load leaves for its end, each `create index if not exists`.
    const INDEXES_SQL: &'static str = "";

    /// Tables that releases before made, and what makes today's of them without folding anew.
    const FORMER: &'static [Former] = &[];

    /// Every table of the read model.
    const TABLES: &'static [Table];

    /// The names of its tables.
    #[must_use]
    fn table_names() -> Vec<&'static str> {
        Self::TABLES.iter().map(|table| table.name).collect()
    }

    /// Writes what a batch changed: a set-based statement a table.
    fn write(
        changes: &Self::Changes,
        connection: &mut PgConnection,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Which rows these changes, of one record, are, and what became of them since; none where it is not told. Rows are
    /// found by an index, never by the place of their record.
    fn rows_of(
        _changes: &Self::Changes,
        _database: &Database,
    ) -> impl Future<Output = Result<Option<Vec<RowOf>>, DatabaseError>> + Send {
        async { Ok(None) }
    }
}

/// A table of a read model.
#[derive(Debug)]
pub struct Table {
    pub name: &'static str,
    /// The statement that gives every row as key and hash, in the order of both.
    pub rows: &'static str,
}

/// Tables of a release before that become today's where they stand, rows and all.
#[derive(Debug)]
pub struct Former {
    /// Of the statements that made them, as their versions note it.
    pub digest: Uuid,
    /// The statements that make today's tables of them; they name no schema. From then on programs that make the former
    /// tables leave the version alone.
    pub becomes: &'static str,
}

/// What a projection reads and writes, as its types say.
#[must_use]
pub fn projection_flow<M: ReadModel>() -> Flow {
    Flow::of(M::NAME, ServiceKind::Projection).reading::<M::Event>().writing_tables(M::table_names())
}
