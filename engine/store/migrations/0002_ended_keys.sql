-- Keys that a record ended, by version: of what comes later under one of them and cannot be used, nothing is kept. Hashed,
-- because an erased key is not kept either.
create table if not exists ended_key (
    -- As `dead_letter.projection`.
    projection text not null,
    key_hash bytea not null,
    primary key (projection, key_hash)
);
