select projection, topic, partition, next_offset, appended_at
from projection_position
order by projection, topic, partition
