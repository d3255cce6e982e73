-- Arrays of one element a row, a person at most once. A report that is older than the one at hand came late and
-- changes nothing; of two at the same time the later one in the log wins.
insert into current_location (person_id, occurred_at, position, event_id, source_partition, source_offset)
select person_id, occurred_at, st_setsrid(st_makepoint(longitude, latitude), 4326)::geography, event_id,
       source_partition, source_offset
from unnest($1::text[], $2::timestamptz[], $3::float8[], $4::float8[], $5::uuid[], $6::int[], $7::bigint[])
    as batch (person_id, occurred_at, longitude, latitude, event_id, source_partition, source_offset)
on conflict (person_id) do update
set occurred_at = excluded.occurred_at,
    position = excluded.position,
    event_id = excluded.event_id,
    source_partition = excluded.source_partition,
    source_offset = excluded.source_offset
where (current_location.occurred_at, current_location.source_offset) < (excluded.occurred_at, excluded.source_offset)
