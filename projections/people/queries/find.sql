-- $1 person id
select person_id, first_name, last_name, company_name, event_id, source_partition, source_offset
from person
where person_id = $1
