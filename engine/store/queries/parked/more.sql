-- $1 dead letter, $2 offset
select exists (select from parked_record where dead_letter_id = $1 and "offset" > $2)
