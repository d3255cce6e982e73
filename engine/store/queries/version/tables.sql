-- $1 projection, $2 version, $3 the tables of the model as it is now; answers those the version has in `public`
select name
from unnest(coalesce((select table_names from projection_version where projection = $1 and version = $2), $3)) as name
where to_regclass('public.' || quote_ident(name)) is not null
