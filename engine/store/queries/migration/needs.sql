-- What the statements of this program stand on; nothing is read. A later migration may have taken something away.
select projection, topic, partition, next_offset, appended_at from projection_position where false;
select id, projection, topic, partition, "offset", appended_at, key, value, headers, reason, failed_at, parks, settled
from dead_letter where false;
select dead_letter_id, "offset", appended_at, value from parked_record where false;
select dead_letter_id, action, requested_at, failure from dead_letter_request where false;
select projection, version, schema_name, state, tables_digest, table_names from projection_version where false;
select projection, version, activated_at from active_version where false;
select projection, version, schema_name, state, is_active, topic, partition, next_offset, appended_at
from version_positions() where false;
select projection, key_hash from ended_key where false;
