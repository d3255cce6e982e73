-- $1, $2 time and event id of the last row of the page before, or nulls; $3 rows. Newest first.
select event_id, person_id, occurred_at, st_y(position::geometry) as latitude, st_x(position::geometry) as longitude,
       source_partition, source_offset
from location_history
where (occurred_at, event_id) < (coalesce($1, 'infinity'), coalesce($2, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid))
order by occurred_at desc, event_id desc
limit $3
