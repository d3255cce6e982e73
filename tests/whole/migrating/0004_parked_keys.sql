-- A dead letter parks its key: later records of the key wait behind it, in order, until it is redriven or discarded.
-- Never edited once released: a change is a new migration that expands, later one that contracts.

-- Of a key that is parked there is one dead letter in a partition. Those from before this migration park nothing: later
-- records of their keys were applied already.
alter table dead_letter
    add column parks boolean not null default false,
    -- Its own record is done with; the row stays as long as others wait behind it.
    add column settled boolean not null default false;

-- Hashed, because a key may be longer than an index entry.
create unique index dead_letter_parks on dead_letter (projection, topic, partition, sha256(key)) where parks;
drop index dead_letter_key;
create index dead_letter_key on dead_letter (projection, sha256(key));

-- Projection, topic, partition and key are those of the dead letter. Headers are not kept: they are on the topic.
create table parked_record (
    dead_letter_id bigint not null references dead_letter (id) on delete cascade,
    "offset" bigint not null,
    appended_at timestamptz not null,
    value bytea,
    primary key (dead_letter_id, "offset")
);

create index parked_record_offset on parked_record ("offset");

-- What somebody wants done with a dead letter. The owner of its partition does it: then the dead letter is gone and
-- this with it; or it failed, and this says why.
create table dead_letter_request (
    dead_letter_id bigint primary key references dead_letter (id) on delete cascade,
    action text not null check (action in ('redrive', 'discard')),
    requested_at timestamptz not null default now(),
    failure text
);
