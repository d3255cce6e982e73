//! What a read model is: the tables of a projection, how a batch of changes gets into them, and what became of a row.
//!
//! The fold itself ([`Projection`]) knows nothing of SQL; this is its other half, and both stand in one folder,
//! `projections/<model>`. Which tables a projection writes is said once, in [`ReadModel::TABLES`]: its edges, its
//! versions and their comparison follow from it.

use crate::{Database, DatabaseError, RowOf};
use foldstream_fold::Projection;
use sqlx::PgConnection;
use std::{future::Future, marker::PhantomData};

/// More tables than this are not one read model.
const MOST_TABLES: usize = 16;

/// A projection whose changes are kept in tables.
pub trait ReadModel: Projection {
    /// In one word, for the schemas of its versions: `locations_v2` is the second of `locations`.
    const NAME: &'static str;

    /// Every table of the read model.
    const TABLES: &'static [Table];

    /// The names of its tables.
    const TABLE_NAMES: &'static [&'static str] = Names::<Self>::PADDED.split_at(Self::TABLES.len()).0;

    /// Writes what a batch changed: a set-based statement a table.
    fn write(
        changes: &Self::Changes,
        connection: &mut PgConnection,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Keys of whom nothing may be kept any more, dead letters included.
    fn erased(_changes: &Self::Changes) -> Vec<&str> {
        Vec::new()
    }

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
    /// Whether rows are only added, so that a load may make its indexes at the end.
    pub only_appended: bool,
}

/// The names of a model's tables, with room for more: the length of an array cannot depend on the model.
struct Names<M: ?Sized>(PhantomData<M>);

impl<M: ReadModel + ?Sized> Names<M> {
    const PADDED: &'static [&'static str; MOST_TABLES] = &{
        let mut names = [""; MOST_TABLES];
        let mut index = 0;
        while index < M::TABLES.len() {
            names[index] = M::TABLES[index].name;
            index += 1;
        }
        names
    };
}
