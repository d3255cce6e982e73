-- $1 projection. Readers are shown its first version.
insert into active_version (projection, version) values ($1, 1)
