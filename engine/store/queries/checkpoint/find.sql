-- $1 projection, $2 topics, $3 partitions
select stands.topic, stands.partition, stands.next_offset
from projection_position as stands
join unnest($2::text[], $3::int[]) as asked (topic, partition) using (topic, partition)
where stands.projection = $1
