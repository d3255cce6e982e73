-- $1 person id
select source_partition, source_offset from person where person_id = $1
