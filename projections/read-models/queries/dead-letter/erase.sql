-- $1 projection, $2 keys
delete from dead_letter where projection = $1 and key = any($2)
