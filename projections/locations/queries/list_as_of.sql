-- $1 the last person id of the page before, or null; $2 rows; $3 the time. Each person's latest report up to then, by
-- the order that decides where somebody is now: the time, then the log. Whoever has a location has a current one, so
-- these are the people to look at: one step into the index over (person_id, occurred_at) for each.
select latest.event_id, people.person_id, latest.occurred_at,
       st_y(latest.position::geometry) as latitude, st_x(latest.position::geometry) as longitude,
       latest.source_partition, latest.source_offset
from current_location as people
cross join lateral (
    select event_id, occurred_at, position, source_partition, source_offset
    from location_history as history
    where history.person_id = people.person_id and history.occurred_at <= $3
    order by history.occurred_at desc, history.source_offset desc
    limit 1
) as latest
where people.person_id > coalesce($1, '')
order by people.person_id
limit $2
