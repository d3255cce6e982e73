-- $1 person ids; answers those nobody has
select asked.person_id
from unnest($1::text[]) as asked (person_id)
where not exists (select from person where person.person_id = asked.person_id)
