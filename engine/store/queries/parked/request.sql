-- $1 projection, $2 topics, $3 partitions. The oldest request that is open.
select letter.id, request.action, letter.topic, letter.partition, letter."offset", letter.appended_at, letter.settled,
       letter.key, letter.parks, letter.value
from dead_letter_request as request
join dead_letter as letter on letter.id = request.dead_letter_id
join unnest($2::text[], $3::int[]) as owned (topic, partition) using (topic, partition)
where letter.projection = $1 and request.failure is null
order by request.requested_at, letter.id
limit 1
