-- The tables of the read models, and what makes folding into them exactly once.
-- Never edited once released: a change is a new migration that expands, later one that contracts.

create extension if not exists postgis;

-- How far each projection has folded each partition. `next_offset` is the fence: a transaction that folds records
-- moves it from where the batch starts to where it ends, and one that finds it elsewhere rolls back.
create table projection_position (
    projection text not null,
    topic text not null,
    partition int not null,
    next_offset bigint not null check (next_offset >= 0),
    -- When the newest record folded so far was appended to the log; null before the first.
    appended_at timestamptz,
    primary key (projection, topic, partition)
) with (fillfactor = 50);

-- Records a projection could not use: their original bytes, where they lie, and why.
create table dead_letter (
    id bigint generated always as identity primary key,
    projection text not null,
    topic text not null,
    partition int not null,
    "offset" bigint not null,
    appended_at timestamptz not null,
    key bytea,
    value bytea,
    -- Header values in base64: any bytes may stand there.
    headers jsonb not null,
    reason text not null,
    failed_at timestamptz not null default now(),
    unique (projection, topic, partition, "offset")
);

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

-- Every position ever reported, in the order of the log.
create table location_history (
    event_id uuid not null,
    person_id text not null,
    occurred_at timestamptz not null,
    position geography(point, 4326) not null,
    source_partition int not null,
    source_offset bigint not null
);

-- Where each person was last seen, by the time of the report and not by its arrival.
create table current_location (
    person_id text primary key,
    occurred_at timestamptz not null,
    position geography(point, 4326) not null,
    event_id uuid not null,
    source_partition int not null,
    source_offset bigint not null
) with (fillfactor = 70);

create index location_history_event on location_history (event_id);
create index location_history_person_time on location_history (person_id, occurred_at, event_id);
create index location_history_time on location_history (occurred_at, event_id);
