-- $1 projection, $2 version, $3 state
update projection_version set state = $3 where projection = $1 and version = $2
