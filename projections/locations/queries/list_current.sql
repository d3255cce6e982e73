-- $1 the last person id of the page before, or null; $2 rows
select event_id, person_id, occurred_at, st_y(position::geometry) as latitude, st_x(position::geometry) as longitude,
       source_partition, source_offset
from current_location
where person_id > coalesce($1, '')
order by person_id
limit $2
