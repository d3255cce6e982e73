-- $1 projection, $2 topics, $3 partitions
select letter.topic, letter.partition, letter.key
from dead_letter as letter
join unnest($2::text[], $3::int[]) as asked (topic, partition) using (topic, partition)
where letter.projection = $1 and letter.parks
