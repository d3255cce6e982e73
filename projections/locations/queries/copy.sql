copy location_history (event_id, person_id, occurred_at, position, source_partition, source_offset)
from stdin with (format binary)
