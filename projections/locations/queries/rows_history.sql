-- Every row in the order of its key, as a hash of what was reported: where it came from is left out. A resent event
-- stands there twice, in either order.
select event_id::text as key, hashtextextended(row(event_id, person_id, occurred_at, position)::text, 0) as hash
from location_history
order by event_id, hash
