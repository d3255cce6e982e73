-- Every row in the order of its key, as a hash of what it says: where it came from is left out.
select person_id as key,
       hashtextextended(row(person_id, first_name, last_name, company_name, recorded_at, event_id)::text, 0) as hash
from person
order by person_id collate "C"
