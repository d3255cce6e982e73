-- Arrays of one element a row, in the order of the columns. A key has one partition, so the order of batches is the
-- order of the log and the newest always wins.
insert into person
    (person_id, first_name, last_name, company_name, recorded_at, event_id, source_partition, source_offset)
select *
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::uuid[], $7::int[], $8::bigint[])
on conflict (person_id) do update
set first_name = excluded.first_name,
    last_name = excluded.last_name,
    company_name = excluded.company_name,
    recorded_at = excluded.recorded_at,
    event_id = excluded.event_id,
    source_partition = excluded.source_partition,
    source_offset = excluded.source_offset
