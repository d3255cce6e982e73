-- $1 person ids
delete from current_location where person_id = any($1)
