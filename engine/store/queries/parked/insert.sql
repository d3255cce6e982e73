-- $1 projection, then arrays: $2 topic, $3 partition, $4 key, $5 offset, $6 append time, $7 value. A record whose key
-- is not parked is not written, which the caller notices.
insert into parked_record (dead_letter_id, "offset", appended_at, value)
select letter.id, record."offset", record.appended_at, record.value
from unnest($2::text[], $3::int[], $4::bytea[], $5::bigint[], $6::timestamptz[], $7::bytea[])
    as record (topic, partition, key, "offset", appended_at, value)
join dead_letter as letter
    on letter.projection = $1
    and letter.topic = record.topic
    and letter.partition = record.partition
    and sha256(letter.key) = sha256(record.key)
    and letter.key = record.key
    and letter.parks
-- An erasure that is under way is waited for.
for key share of letter
