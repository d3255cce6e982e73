-- $1 projection, then arrays: $2 topic, $3 partition. Whether anything in these partitions is put aside by the version
-- readers are shown.
with shown as (
    select case schema_name when 'public' then projection else projection || '/' || schema_name end as owner
    from active_version join projection_version using (projection, version)
    where projection = $1
)
select exists (
    select from unnest($2::text[], $3::int[]) as asked (topic, partition)
    join dead_letter as letter using (topic, partition)
    where letter.projection = (select owner from shown)
)
