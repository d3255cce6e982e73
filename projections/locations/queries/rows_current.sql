-- Every row in the order of its key, as a hash of what was reported: where it came from is left out.
select person_id as key, hashtextextended(row(person_id, occurred_at, position, event_id)::text, 0) as hash
from current_location
order by person_id collate "C"
