-- $1 person ids that were erased
delete from person where person_id = any($1)
