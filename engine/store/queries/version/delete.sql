-- $1 projection, $2 version
delete from projection_version where projection = $1 and version = $2
