-- $1 ids, $2 action. Asking again replaces what was asked before.
insert into dead_letter_request (dead_letter_id, action)
select letter.id, $2
from dead_letter as letter
where letter.id = any($1)
for key share
on conflict (dead_letter_id) do update
set action = excluded.action, requested_at = now(), failure = null
returning dead_letter_id
