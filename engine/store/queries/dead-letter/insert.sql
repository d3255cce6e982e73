-- $1 projection, then arrays: $2 topic, $3 partition, $4 offset, $5 append time, $6 key, $7 value, $8 headers, $9 reason.
-- Of a key that ended, by whoever folds the partition that says so, none is kept.
insert into dead_letter (projection, topic, partition, "offset", appended_at, key, value, headers, reason, parks)
select $1, topic, partition, "offset", appended_at, key, value, headers, reason, key is not null
from unnest($2::text[], $3::int[], $4::bigint[], $5::timestamptz[], $6::bytea[], $7::bytea[], $8::jsonb[], $9::text[])
    as dead (topic, partition, "offset", appended_at, key, value, headers, reason)
where not exists (select from ended_key where ended_key.projection = $1 and key_hash = sha256(dead.key))
