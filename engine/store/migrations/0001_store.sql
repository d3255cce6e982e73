-- What makes folding into tables exactly once, and versions of a projection. The tables of a read model are not here:
-- they are its own (`projections/<model>/tables.sql`), and a change of them is a new version to rebuild.
--
-- Never edited once released: a change is a new migration that expands, and one that contracts only when no process of
-- the release before runs any more; what this program needs of the database is in `queries/migration/needs.sql`.
--
-- This one takes over what the six migrations before it made, whose table `_sqlx_migrations` stays for processes of the
-- old release: they go on beside the new ones. On an empty database it makes the same.

-- How far each projection has folded each partition. `next_offset` is the fence: a transaction that folds records
-- moves it from where the batch starts to where it ends, and one that finds it elsewhere rolls back.
create table if not exists projection_position (
    projection text not null,
    topic text not null,
    partition int not null,
    next_offset bigint not null check (next_offset >= 0),
    -- When the newest record folded so far was appended to the log; null before the first.
    appended_at timestamptz,
    primary key (projection, topic, partition)
) with (fillfactor = 50);

-- Records a projection could not use: their original bytes, where they lie, and why. Those of all versions lie together,
-- so that one question finds all of them: those of version 1 under the projection's name, those of another one under
-- `projection/schema`.
create table if not exists dead_letter (
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
    -- Later records of its key wait behind it.
    parks boolean not null default false,
    -- Its own record is done with; the row stays as long as others wait behind it.
    settled boolean not null default false,
    unique (projection, topic, partition, "offset")
);

-- Of a key that is parked there is one dead letter in a partition. Hashed, because a key may be longer than an index
-- entry.
create unique index if not exists dead_letter_parks on dead_letter (projection, topic, partition, sha256(key)) where parks;
create index if not exists dead_letter_key on dead_letter (projection, sha256(key));

-- Projection, topic, partition and key are those of the dead letter. Headers are not kept: they are on the topic.
create table if not exists parked_record (
    dead_letter_id bigint not null references dead_letter (id) on delete cascade,
    "offset" bigint not null,
    appended_at timestamptz not null,
    value bytea,
    primary key (dead_letter_id, "offset")
);

create index if not exists parked_record_offset on parked_record ("offset");

-- What somebody wants done with a dead letter. The owner of its partition does it: then the dead letter is gone and
-- this with it; or it failed, and this says why.
create table if not exists dead_letter_request (
    dead_letter_id bigint primary key references dead_letter (id) on delete cascade,
    action text not null check (action in ('redrive', 'discard')),
    requested_at timestamptz not null default now(),
    failure text
);

-- Versions of a projection: each has tables and positions in a schema, and is folded beside the others. Readers are
-- shown one of them, the active one. The argument is in src/versions.rs.
create table if not exists projection_version (
    projection text not null,
    version int not null check (version > 0),
    -- Version 1 lives in `public`.
    schema_name text not null,
    -- loading: a rebuild fills it, and no service folds it. folding: the service does. dropping: nobody does any more.
    state text not null check (state in ('loading', 'folding', 'dropping')),
    created_at timestamptz not null default now(),
    primary key (projection, version)
);

alter table projection_version
    -- Of the statements its tables were made by; null where an older release made them and nobody has compared yet.
    add column if not exists tables_digest uuid,
    -- The tables it has, which a later program need not know any more.
    add column if not exists table_names text[];

-- The version readers are shown. The foreign key keeps it from being dropped.
create table if not exists active_version (
    projection text primary key,
    version int not null,
    activated_at timestamptz not null default now(),
    foreign key (projection, version) references projection_version (projection, version)
);

-- Where each version stands: a row a partition, or one without a partition where nothing was folded yet.
create or replace function version_positions()
returns table (
    projection text, version int, schema_name text, state text, is_active boolean,
    topic text, partition int, next_offset bigint, appended_at timestamptz
)
language plpgsql stable as $$
#variable_conflict use_column
declare
    each record;
begin
    for each in
        select known.projection, known.version, known.schema_name, known.state, active.version is not null as is_active
        from public.projection_version known
        left join public.active_version active
            on active.projection = known.projection and active.version = known.version
        where known.state <> 'dropping'
        order by known.projection, known.version
    loop
        return query execute format(
            'select $1, $2, $3, $4, $5, stands.topic, stands.partition, stands.next_offset, stands.appended_at
             from (select) one
             left join %I.projection_position stands on stands.projection = $1
             order by stands.topic, stands.partition',
            each.schema_name
        ) using each.projection, each.version, each.schema_name, each.state, each.is_active;
    end loop;
end
$$;
