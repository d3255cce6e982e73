-- Every row in the order of its key.
select encode(id_hash, 'hex') as key, hashtextextended(encode(id_hash, 'hex'), 0) as hash
from erased_person
order by id_hash
