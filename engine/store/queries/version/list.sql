-- $1 projection
select known.projection, known.version, known.schema_name, known.state, active.version is not null as is_active,
       known.tables_digest
from projection_version known
left join active_version active on active.projection = known.projection and active.version = known.version
where known.projection = $1
order by known.version
