-- $1 dead letter, $2 and $3 its offset and whether it was settled when it was read
update dead_letter set settled = true where id = $1 and "offset" = $2 and settled = $3
