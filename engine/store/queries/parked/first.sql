-- $1 dead letter, $2 most records, $3 most bytes; the first record is there however long it is
select "offset", appended_at, value
from (
    select "offset", appended_at, value,
           coalesce(sum(octet_length(value)) over before, 0) as bytes_before
    from (
        select "offset", appended_at, value
        from parked_record
        where dead_letter_id = $1
        order by "offset"
        limit $2
    ) as first
    window before as (order by "offset" rows between unbounded preceding and 1 preceding)
) as sized
where bytes_before < $3
order by "offset"
