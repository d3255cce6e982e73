-- $1 id
select letter.id, letter.projection, letter.topic, letter.partition, letter."offset", letter.appended_at, letter.key,
       letter.reason, letter.failed_at, letter.settled,
       (select count(*) from parked_record where parked_record.dead_letter_id = letter.id) as parked,
       request.action, request.requested_at, request.failure,
       letter.value, letter.headers
from dead_letter as letter
left join dead_letter_request as request on request.dead_letter_id = letter.id
where letter.id = $1
