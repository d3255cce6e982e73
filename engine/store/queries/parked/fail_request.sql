-- $1 dead letter, $2 why
update dead_letter_request set failure = $2 where dead_letter_id = $1
