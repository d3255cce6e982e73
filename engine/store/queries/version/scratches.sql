-- $1 what the names of scratch schemas begin with
select nspname::text from pg_catalog.pg_namespace where starts_with(nspname::text, $1) order by 1
