-- $1 person ids
delete from location_history where person_id = any($1)
