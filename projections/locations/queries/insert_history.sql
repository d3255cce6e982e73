-- Arrays of one element a row, in the order of the log.
insert into location_history (event_id, person_id, occurred_at, position, source_partition, source_offset)
select event_id, person_id, occurred_at, st_setsrid(st_makepoint(longitude, latitude), 4326)::geography,
       source_partition, source_offset
from unnest($1::text[], $2::timestamptz[], $3::float8[], $4::float8[], $5::uuid[], $6::int[], $7::bigint[])
    as batch (person_id, occurred_at, longitude, latitude, event_id, source_partition, source_offset)
