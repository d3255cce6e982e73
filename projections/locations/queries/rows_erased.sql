-- Every row in the order of its key.
select person_id as key, hashtextextended(person_id, 0) as hash
from erased_person
order by person_id collate "C"
