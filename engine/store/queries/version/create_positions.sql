-- In the schema that stands first in the search path.
create table projection_position (like public.projection_position including all) with (fillfactor = 50)
