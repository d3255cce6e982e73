-- $1 projection, $2 version, $3 schema, $4 state, $5 digest of the statements its tables are made by, $6 its tables
insert into projection_version (projection, version, schema_name, state, tables_digest, table_names)
values ($1, $2, $3, $4, $5, $6)
