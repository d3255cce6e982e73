-- $1 event id. A resend has the same id and the same content: one of them is enough.
select event_id, person_id, occurred_at, st_y(position::geometry) as latitude, st_x(position::geometry) as longitude
from location_history
where event_id = $1
limit 1
