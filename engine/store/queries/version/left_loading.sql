-- $1 projection. Those begun more than a day ago; whether somebody still fills them, their lease tells.
select version from public.projection_version
where projection = $1 and state = 'loading' and created_at < now() - interval '1 day'
