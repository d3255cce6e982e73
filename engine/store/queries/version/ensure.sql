-- $1 projection. Its first version, where it has none at all: one that was dropped does not come back.
with first as (
    insert into projection_version (projection, version, schema_name, state)
    select $1, 1, 'public', 'folding'
    where not exists (select from projection_version where projection = $1)
    on conflict do nothing
    returning projection, version
)
insert into active_version (projection, version)
select projection, version from first
on conflict do nothing
