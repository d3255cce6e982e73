-- $1 ids; answers those that nobody does anything about as things stand, with their projection, and the version they are of
-- and its state, null where they are of none
select letter.id, split_part(letter.projection, '/', 1) as projection, version.version, version.state
from dead_letter as letter
left join projection_version as version
    on letter.projection = version.projection || case version.schema_name when 'public' then '' else '/' || version.schema_name end
where letter.id = any($1) and version.state is distinct from 'folding'
order by letter.id
