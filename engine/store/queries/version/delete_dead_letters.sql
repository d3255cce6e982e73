-- $1 under which name the version keeps its dead letters
delete from public.dead_letter where projection = $1
