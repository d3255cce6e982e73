-- $1 person id; $2, $3 window, its end excluded; $4 metres; $5, $6 time and event id of the last row of the page
-- before, or nulls; $7 rows. What the function does is told in migrations/0002_connection.sql.
-- Where a person is not known (any more), the row counts for the page and its person columns are null.
select near.event_id, near.person_id, near.occurred_at,
       st_y(near.position::geometry) as latitude, st_x(near.position::geometry) as longitude,
       person.first_name, person.last_name, person.company_name, person.event_id as person_event_id
from connection(
    $1, $2, $3, $4,
    coalesce($5, '-infinity'), coalesce($6, '00000000-0000-0000-0000-000000000000'::uuid), $7::int
) as near
left join person on person.person_id = near.person_id
order by near.occurred_at, near.event_id
