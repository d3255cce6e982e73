-- $1 person ids
insert into erased_person (person_id)
select unnest($1::text[])
on conflict do nothing
