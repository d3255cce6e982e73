-- $1 ids; answers those about which something is still asked, or has failed
select dead_letter_id, failure from dead_letter_request where dead_letter_id = any($1) order by dead_letter_id
