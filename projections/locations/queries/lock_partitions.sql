-- $1 projection, $2 partitions. Waits for transactions that write locations of these partitions, and keeps others out.
select partition
from projection_position
where projection = $1 and topic = 'locations' and partition = any($2)
order by partition
for update
