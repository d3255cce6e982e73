-- Of the versions readers are shown.
select projection, topic, partition, next_offset, appended_at
from version_positions()
where is_active and topic is not null
order by projection, topic, partition
