-- $1 person id; $2, $3 window, its end excluded, null where open; $4, $5 time and event id of the last row of the page
-- before, or nulls; $6 rows. Oldest first.
select event_id, person_id, occurred_at, st_y(position::geometry) as latitude, st_x(position::geometry) as longitude,
       source_partition, source_offset
from location_history
where person_id = $1
  and occurred_at >= coalesce($2, '-infinity')
  and occurred_at < coalesce($3, 'infinity')
  and (occurred_at, event_id) > (coalesce($4, '-infinity'), coalesce($5, '00000000-0000-0000-0000-000000000000'::uuid))
order by occurred_at, event_id
limit $6
