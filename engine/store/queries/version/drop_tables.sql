-- $1 projection, $2 schema, $3 tables of the model
select drop_version_tables($1, $2, $3)
