-- Changing a table here means a new version: `foldstream projections rebuild people-projection`.

create table person (
    person_id text primary key,
    first_name text not null,
    last_name text not null,
    company_name text not null,
    recorded_at timestamptz not null,
    event_id uuid not null,
    source_partition int not null,
    source_offset bigint not null
) with (fillfactor = 70);
