-- $1 projection. Nobody moves these positions until the transaction ends.
select topic, partition, next_offset
from projection_position
where projection = $1
order by topic, partition
for share
