select stands.projection, stands.version, stands.schema_name, stands.state, stands.is_active, known.tables_digest,
       stands.topic, stands.partition, stands.next_offset, stands.appended_at
from version_positions() as stands
join projection_version as known using (projection, version)
