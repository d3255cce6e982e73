-- Whoever was erased leaves the opaque id behind: a location that is folded after the erasure is then no row.
-- Never edited once released: a change is a new migration that expands, later one that contracts.

create table erased_person (person_id text primary key);
create index dead_letter_key on dead_letter (projection, key);
