-- $1 dead letter, $2 the offset up to which records leave the queue
delete from parked_record where dead_letter_id = $1 and "offset" <= $2
