-- $1 projection, $2 keys. What is parked behind them and asked about them goes along.
delete from dead_letter
where projection = $1
  and sha256(key) = any(select sha256(erased) from unnest($2::bytea[]) as erased)
  and key = any($2)
