-- $1 under which name the version keeps its dead letters
with ended as (delete from public.ended_key where projection = $1)
delete from public.dead_letter where projection = $1
