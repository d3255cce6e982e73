-- $1 person ids
insert into erased_person (id_hash)
select sha256(convert_to(erased.person_id, 'UTF8'))
from unnest($1::text[]) as erased (person_id)
on conflict do nothing
