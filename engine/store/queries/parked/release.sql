-- $1 projection, then arrays: $2 topic, $3 partition, $4 key. What is parked behind them goes along.
delete from dead_letter as letter
using unnest($2::text[], $3::int[], $4::bytea[]) as released (topic, partition, key)
where letter.projection = $1
  and letter.topic = released.topic
  and letter.partition = released.partition
  and sha256(letter.key) = sha256(released.key)
  and letter.key = released.key
  and letter.parks
