-- $1 projection, $2 version. Changes nothing while that is being dropped.
update active_version
set version = $2, activated_at = now()
where projection = $1
  and exists (select from projection_version where projection = $1 and version = $2 and state = 'folding')
