-- $1 dead letter, $2 rows
select "offset" from parked_record where dead_letter_id = $1 order by "offset" limit $2
