-- $1 projection, then arrays: $2 topic, $3 partition, $4 offset. The first of these records that is a dead letter of the
-- version readers are shown, or waits behind one.
with asked as (
    select * from unnest($2::text[], $3::int[], $4::bigint[]) as asked (topic, partition, "offset")
), shown as (
    select case schema_name when 'public' then projection else projection || '/' || schema_name end as owner
    from active_version join projection_version using (projection, version)
    where projection = $1
)
select letter.id, letter.topic, letter.partition, letter."offset", letter.reason, asked."offset" as record_offset
from asked
join dead_letter as letter using (topic, partition, "offset")
where letter.projection = (select owner from shown) and not letter.settled
union all
select letter.id, letter.topic, letter.partition, letter."offset", letter.reason, asked."offset" as record_offset
from asked
join parked_record as record on record."offset" = asked."offset"
join dead_letter as letter
    on letter.id = record.dead_letter_id and letter.topic = asked.topic and letter.partition = asked.partition
where letter.projection = (select owner from shown)
limit 1
