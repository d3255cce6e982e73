-- $1 dead letter, $2 and $3 its offset and whether it was settled when it was read
delete from dead_letter
where id = $1 and "offset" = $2 and settled = $3
  and not exists (select from parked_record where dead_letter_id = $1)
