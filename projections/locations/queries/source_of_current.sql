-- $1 person id
select source_partition, source_offset from current_location where person_id = $1
