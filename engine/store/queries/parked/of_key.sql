-- $1 projection, $2 topic, $3 partition, $4 key. The dead letter behind which the key waits, of the version readers are
-- shown.
with shown as (
    select case schema_name when 'public' then projection else projection || '/' || schema_name end as owner
    from active_version join projection_version using (projection, version)
    where projection = $1
)
select letter.id, letter.topic, letter.partition, letter."offset", letter.reason, letter.settled, letter.headers
from dead_letter as letter
where letter.projection = (select owner from shown)
    and letter.topic = $2
    and letter.partition = $3
    and sha256(letter.key) = sha256($4)
    and letter.key = $4
    and letter.parks
