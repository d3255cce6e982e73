-- $1 person id; $2, $3 window, its end excluded; $4 metres; $5, $6 time and event id of the last row of the page
-- before, or nulls; $7 rows. What the function does is told in tables.sql.
select event_id, person_id, occurred_at, st_y(position::geometry) as latitude, st_x(position::geometry) as longitude
from connection(
    $1, $2, $3, $4,
    coalesce($5, '-infinity'), coalesce($6, '00000000-0000-0000-0000-000000000000'::uuid), $7::int
)
order by occurred_at, event_id
