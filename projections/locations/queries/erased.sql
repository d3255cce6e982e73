-- $1 person ids; answers those that were erased
select asked.person_id
from unnest($1::text[]) as asked (person_id)
join erased_person on erased_person.id_hash = sha256(convert_to(asked.person_id, 'UTF8'))
