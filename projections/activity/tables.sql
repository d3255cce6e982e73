-- How many locations were reported for each hour, by the time of the report and not by its arrival.
-- Changing a table here means a new version: `foldstream projections rebuild activity-projection`.

create table activity (
    hour timestamptz primary key,
    reports bigint not null
) with (fillfactor = 70);
