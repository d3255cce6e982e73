-- $1 projection, $2 keys
select asked.key
from unnest($2::bytea[]) as asked (key)
join ended_key on ended_key.projection = $1 and ended_key.key_hash = sha256(asked.key)
