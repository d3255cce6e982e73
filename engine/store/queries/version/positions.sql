select projection, version, schema_name, state, is_active, topic, partition, next_offset, appended_at
from version_positions()
