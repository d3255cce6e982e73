-- Tables of the releases before kept the ids themselves. The table is written anew, so nothing of them is left in it.
alter table erased_person
    alter column person_id type bytea using sha256(convert_to(person_id, 'UTF8'));
alter table erased_person rename column person_id to id_hash;
