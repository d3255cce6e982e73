-- $1 projection, then arrays: $2 topic, $3 partition, $4 first and $5 last offset. The first record in these ranges that is
-- a dead letter of the version readers are shown, or waits behind one.
with asked as (
    select * from unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[]) as asked (topic, partition, first, last)
), shown as (
    select case schema_name when 'public' then projection else projection || '/' || schema_name end as owner
    from active_version join projection_version using (projection, version)
    where projection = $1
)
select letter.id, letter.topic, letter.partition, letter."offset", letter.reason, letter."offset" as record_offset
from asked
join dead_letter as letter
    on letter.topic = asked.topic and letter.partition = asked.partition
    and letter."offset" between asked.first and asked.last
where letter.projection = (select owner from shown) and not letter.settled
union all
select letter.id, letter.topic, letter.partition, letter."offset", letter.reason, record."offset" as record_offset
from asked
join parked_record as record on record."offset" between asked.first and asked.last
join dead_letter as letter
    on letter.id = record.dead_letter_id and letter.topic = asked.topic and letter.partition = asked.partition
where letter.projection = (select owner from shown)
limit 1
