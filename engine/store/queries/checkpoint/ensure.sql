-- $1 projection, $2 topics, $3 partitions
insert into projection_position (projection, topic, partition, next_offset)
select $1, topic, partition, 0
from unnest($2::text[], $3::int[]) as asked (topic, partition)
on conflict do nothing
