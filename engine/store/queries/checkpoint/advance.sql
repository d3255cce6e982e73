-- The fence. $1 projection, then arrays: $2 topic, $3 partition, $4 start, $5 end, $6 append time of the newest record;
-- $7 the schema of the version. Of one that was dropped, the names mean the tables behind it: another version's.
update projection_position as stands
set next_offset = batch.next_offset,
    appended_at = coalesce(batch.appended_at, stands.appended_at)
from unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[], $6::timestamptz[])
    as batch (topic, partition, start_offset, next_offset, appended_at)
where stands.projection = $1
  and stands.topic = batch.topic
  and stands.partition = batch.partition
  and stands.next_offset = batch.start_offset
  and current_schema() = $7
