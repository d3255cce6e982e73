-- $1 event id. A resend has the same id and the same content: the first is enough.
select event_id, person_id, occurred_at, st_y(position::geometry) as latitude, st_x(position::geometry) as longitude,
       source_partition, source_offset
from location_history
where event_id = $1
order by source_offset
limit 1
