-- $1 schema, $2 tables of the model, $3 those of them that are only appended to
select create_version_tables($1, $2, $3)
