//! The statements that make the tables of a model, and what tells them from others.

use crate::read_model::ReadModel;
use uuid::Uuid;

/// Of the statements that make the tables of a model. Lines that only comment, and their indentation, do not count.
pub(super) fn digest<M: ReadModel>() -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, bare(&[M::TABLES_SQL, M::INDEXES_SQL].join("\n")).as_bytes())
}

/// The statements that make the indexes a load leaves for its end.
pub(super) fn index_statements<M: ReadModel>() -> Vec<String> {
    let statements = bare(M::INDEXES_SQL);
    statements.split(';').map(str::trim).filter(|statement| !statement.is_empty()).map(str::to_owned).collect()
}

fn bare(statements: &str) -> String {
    let lines = statements.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("--"));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_indentation_make_no_other_tables() {
        assert_eq!(bare("-- one\ncreate table a (\n    b int\n);\n\n"), bare("create table a (\nb int\n);\n-- two"));
        assert_ne!(bare("create table a (b int)"), bare("create table a (b int8)"));
    }
}
