-- $1 projection, $2 keys. What is parked behind them and asked about them goes along, and nothing of them is kept again.
with ended as (
    insert into ended_key (projection, key_hash)
    select distinct $1, sha256(erased) from unnest($2::bytea[]) as erased
    on conflict do nothing
)
delete from dead_letter
where projection = $1
  and sha256(key) = any(select sha256(erased) from unnest($2::bytea[]) as erased)
  and key = any($2)
