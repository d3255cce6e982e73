-- $1 the last person id of the page before, or null; $2 rows
-- An empty id is none, so it stands before all of them.
select person_id, first_name, last_name, company_name, event_id, source_partition, source_offset
from person
where person_id > coalesce($1, '')
order by person_id
limit $2
