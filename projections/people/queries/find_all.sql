-- $1 person ids
select person_id, first_name, last_name, company_name, event_id
from person
where person_id = any($1)
