-- How many locations were reported for each hour, by the time of the report and not by its arrival.
-- Never edited once released: a change is a new migration that expands, later one that contracts.

create table activity (
    hour timestamptz primary key,
    reports bigint not null
) with (fillfactor = 70);
