-- Which schema readers are shown of each projection, and where it stands: in one look, so that both are of one moment.
select projection, schema_name, topic, partition, next_offset, appended_at
from version_positions()
where is_active
