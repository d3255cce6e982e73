-- $1 projection, $2 version, $3 digest of the statements its tables could be made by, $4 its tables
update projection_version set tables_digest = $3, table_names = $4 where projection = $1 and version = $2
