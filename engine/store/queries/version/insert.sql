-- $1 projection, $2 version, $3 schema
insert into projection_version (projection, version, schema_name, state) values ($1, $2, $3, 'loading')
