-- $1 event id. An event that was sent again has a row for each of its records.
select source_partition, source_offset from location_history where event_id = $1
