-- $1 projection, $2 version. Changes nothing while readers are shown it.
update projection_version
set state = 'dropping'
where projection = $1 and version = $2
  and not exists (select from active_version where projection = $1 and version = $2)
