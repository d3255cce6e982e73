-- $1 projection
select topic, partition, next_offset
from projection_position
where projection = $1
order by topic, partition
