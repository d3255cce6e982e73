-- $1 projection, $2 topic, $3 keys, $4 a part of the reason, each null for any; $5 id of the last row of the page
-- before, or null; $6 rows. Newest first.
select letter.id, letter.projection, letter.topic, letter.partition, letter."offset", letter.appended_at, letter.key,
       letter.reason, letter.failed_at, letter.settled,
       (select count(*) from parked_record where parked_record.dead_letter_id = letter.id) as parked,
       request.action, request.requested_at, request.failure
from dead_letter as letter
left join dead_letter_request as request on request.dead_letter_id = letter.id
where ($1::text is null or letter.projection = $1)
  and ($2::text is null or letter.topic = $2)
  and ($3::bytea[] is null or letter.key = any($3))
  and ($4::text is null or position($4 in letter.reason) > 0)
  and letter.id < coalesce($5, 9223372036854775807)
order by letter.id desc
limit $6
