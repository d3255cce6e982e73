-- $1 schema, $2 table; answers the index it made, or null
select create_missing_index($1, $2)
