-- $1 projection
delete from public.projection_position where projection = $1
