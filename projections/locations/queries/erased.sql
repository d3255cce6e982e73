-- $1 person ids; answers those that were erased
select person_id from erased_person where person_id = any($1)
