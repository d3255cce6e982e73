-- $1 dead letter, $2 and $3 its offset and whether it was settled when it was read; then the record that is the dead
-- letter now: $4 offset, $5 append time, $6 value, $7 headers, $8 reason. Its own headers it has already.
update dead_letter
set "offset" = $4,
    appended_at = $5,
    value = $6,
    headers = case when "offset" = $4 then headers else $7 end,
    reason = $8,
    failed_at = now(),
    settled = false
where id = $1 and "offset" = $2 and settled = $3
