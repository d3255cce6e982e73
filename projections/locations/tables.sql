-- Who was where, and who is; and behind them the function that answers who was near whom.
-- Changing a table here means a new version: `foldstream projections rebuild locations-projection`. A version has the
-- functions of its own tables beside them: its schema stands first in the search path, which their bodies go by.

create extension if not exists postgis schema public;

-- Spreads 24 bits out to every second bit.
create function spread_bits(bits bigint) returns bigint
language plpgsql immutable strict parallel safe as $$
begin
    bits := (bits | (bits << 16)) & 281470681808895;
    bits := (bits | (bits << 8)) & 71777214294589695;
    bits := (bits | (bits << 4)) & 1085102592571150095;
    bits := (bits | (bits << 2)) & 3689348814741910323;
    return (bits | (bits << 1)) & 6148914691236517205;
end
$$;

-- The smallest cell a position lies in: 48 bits. A cell is square in degrees, 360 / 2^24 a side (2.4 m at the
-- equator). Shifted right by 2 n bits it is the number of the cell that is 2^n times as wide.
-- The spreading is written out twice: a call of spread_bits costs more than the arithmetic, and this runs for every row.
create function location_cell(place geography) returns bigint
language plpgsql immutable strict parallel safe as $$
declare
    x bigint := least(16777215, floor((st_x(place::geometry) + 180) / 360 * 16777216)::bigint);
    y bigint := least(16777215, floor((st_y(place::geometry) + 90) / 360 * 16777216)::bigint);
begin
    x := (x | (x << 16)) & 281470681808895;
    x := (x | (x << 8)) & 71777214294589695;
    x := (x | (x << 4)) & 1085102592571150095;
    x := (x | (x << 2)) & 3689348814741910323;
    x := (x | (x << 1)) & 6148914691236517205;
    y := (y | (y << 16)) & 281470681808895;
    y := (y | (y << 8)) & 71777214294589695;
    y := (y | (y << 4)) & 1085102592571150095;
    y := (y | (y << 2)) & 3689348814741910323;
    y := (y | (y << 1)) & 6148914691236517205;
    return x | (y << 1);
end
$$;

-- Every position ever reported, in the order of the log. Its indexes are in `indexes.sql`.
create table location_history (
    event_id uuid not null,
    person_id text not null,
    occurred_at timestamptz not null,
    position geography(point, 4326) not null,
    source_partition int not null,
    source_offset bigint not null,
    cell bigint generated always as (location_cell(position)) stored
);

-- Where each person was last seen, by the time of the report and not by its arrival.
create table current_location (
    person_id text primary key,
    occurred_at timestamptz not null,
    position geography(point, 4326) not null,
    event_id uuid not null,
    source_partition int not null,
    source_offset bigint not null
) with (fillfactor = 70);

-- Whoever was erased is known by a hash of the id, for a location that is folded after the erasure is no row; the id
-- stands nowhere.
create table erased_person (id_hash bytea primary key);

-- Who was near whom: what `GET /api/persons/{id}/connection` asks.
--
-- The question: every location of another person within a distance of any location of this person, both within a
-- time window, in the order of (occurred_at, event_id), page by page.
--
-- The design: each location knows its cell, 24 bits of longitude and 24 of latitude interleaved (a Morton code), so
-- that a cell of any size is one range of one b-tree (cell, occurred_at). The function takes the places where the
-- person was, covers each with the at most nine cells its distance box touches, and then chooses by what is there:
--   * few locations (20,000 or fewer) in these cells and the window: it reads them cell by cell;
--   * many: it walks the window along the time index in growing slices and keeps what lies in one of the cells, by a
--     hash table; a full page ends the walk.
-- Either way a box in degrees discards most, and ST_DWithin on geography (geodesic, exact) decides the rest.
--
-- Measured on 1,000,000 locations of 5,000 persons in a 20 km square over 30 days, a page of 1000, medians in ms:
--    window |  5 m | 50 m | 100 m | 500 m | 1 km | 5 km
--      30 d |   14 |  162 |    92 |    29 |   19 |   24
--       7 d |    8 |    9 |    25 |    62 |   41 |   27
--       1 d |    6 |   10 |     9 |    15 |   24 |   64
-- Compared with a brute-force join on 1185 random questions, also across the 180th meridian and around the poles: no
-- difference.
-- Rejected at 30 days: GiST on the geography, joined place by place, 27 ms at 5 m and over 2 s from 100 m (a dense
-- path finds every row many times over); SP-GiST, over 1 s everywhere; GiST on (position, occurred_at), 13 ms at 5 m,
-- 148 at 100 m, over 2 s from 1 km.
-- Ingest, backend processor time a row: no index 0.65 µs, the b-trees on id and person 4 µs, with time and cell 9.4 µs
-- (436 bytes of WAL); with time and GiST instead of the cell 9.3-11.2 µs (498 bytes).

-- The cells, 2^level times as wide as the smallest, that a box around a place touches. The box may cross the 180th
-- meridian; where it holds a pole it is as wide as the world.
create function cells_around(place geography, box_longitude float8, box_latitude float8, level int)
returns setof bigint
language plpgsql immutable parallel safe rows 100 cost 100 as $$
declare
    longitude float8 := st_x(place::geometry);
    latitude float8 := st_y(place::geometry);
    west float8 := longitude - box_longitude;
    east float8 := longitude + box_longitude;
    around bigint := 16777216 >> level;  -- cells in a full circle
    first_x bigint;
    further_x bigint;
    first_y bigint := floor((greatest(latitude - box_latitude, -90) + 90) / 360 * 16777216)::bigint >> level;
    last_y bigint := floor((least(latitude + box_latitude, 90) + 90) / 360 * 16777216)::bigint >> level;
begin
    if level >= 24 then
        return next 0;
        return;
    end if;
    if box_longitude >= 180 then
        first_x := 0;
        further_x := around - 1;
    else
        if west < -180 then west := west + 360; end if;
        if east >= 180 then east := east - 360; end if;
        first_x := least(16777215, floor((west + 180) / 360 * 16777216)::bigint) >> level;
        further_x := ((least(16777215, floor((east + 180) / 360 * 16777216)::bigint) >> level) - first_x + around) % around;
    end if;
    for y in first_y..last_y loop
        for x in first_x..first_x + further_x loop
            return next spread_bits(x % around) | (spread_bits(y) << 1);
        end loop;
    end loop;
end
$$;

-- Locations of others within distance_m metres of any place where the person was, both within [window_start,
-- window_end), after the cursor (after_time, after_event), the first page_size of them.
--
-- The settings keep the plans as designed: every table access here is an index range and every join of candidates
-- with places a hash join; left to its statistics, which know nothing of cells, the planner now and then chooses
-- plans that are a hundred times slower. Compiling (jit) costs more than it saves.
create function connection(
    person text, window_start timestamptz, window_end timestamptz, distance_m float8,
    after_time timestamptz, after_event uuid, page_size int
)
returns table (event_id uuid, person_id text, occurred_at timestamptz, "position" geography)
language plpgsql stable
set jit = off
set enable_nestloop = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_seqscan = off
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
    few constant int := 20000;
    longest_slice constant int := 64000;
    slice int := 4000;
    places geography[];
    highest_latitude float8;
    box_latitude float8;
    box_longitude float8;
    level int;
    -- One element for each place and cell around it.
    place_cells bigint[];
    place_positions geography[];
    place_longitudes float8[];
    place_latitudes float8[];
    -- Each cell once.
    cells bigint[];
    slice_start timestamptz := greatest(window_start, after_time);
    slice_end timestamptz;
    found int := 0;
    counted int;
    by_cell boolean := false;
begin
    select array_agg(place), max(abs(st_y(place::geometry)))
    into places, highest_latitude
    from (
        select distinct own.position as place
        from location_history own
        where own.person_id = person and own.occurred_at >= window_start and own.occurred_at < window_end
    ) distinct_places;
    if places is null then
        return;
    end if;

    -- Half the height and width of a box that holds the circle: by the smallest radius of curvature there is, at the
    -- latitude nearest a pole, and a little more for rounding.
    box_latitude := degrees(distance_m / 6335000) + 1e-9;
    box_longitude := case
        when highest_latitude + box_latitude >= 89.99 then 360
        else degrees(asin(least(1, sin(radians(box_latitude)) / cos(radians(highest_latitude))))) + 1e-9
    end;
    -- The smallest cells that are as wide as half the box, so that it touches few.
    level := 24 - least(24, greatest(0, floor(ln(360 / greatest(box_latitude, box_longitude)) / ln(2))::int));

    select array_agg(cell), array_agg(place), array_agg(st_x(place::geometry)), array_agg(st_y(place::geometry))
    into place_cells, place_positions, place_longitudes, place_latitudes
    from unnest(places) place, lateral cells_around(place, box_longitude, box_latitude, level) cell;

    -- Few in the window: the walk below is short. Else few in the cells?
    select count(*) into counted
    from (
        select 1 from location_history h where h.occurred_at >= slice_start and h.occurred_at < window_end limit few + 1
    ) in_window;
    if counted > few then
        select array_agg(distinct cell) into cells from unnest(place_cells) cell;
        select count(*) into counted
        from (
            select 1
            from unnest(cells) wide, lateral (
                select 1
                from location_history h
                where h.cell >= wide << (2 * level) and h.cell < (wide + 1) << (2 * level)
                  and h.occurred_at >= slice_start and h.occurred_at < window_end
                offset 0
            ) in_cell
            limit few + 1
        ) in_cells;
        by_cell := counted <= few;
    end if;

    if by_cell then
        return query
        select h.event_id, h.person_id, h.occurred_at, h.position
        from (
            select in_cell.*, in_cell.cell >> (2 * level) as wide_cell,
                   st_x(in_cell.position::geometry) as longitude, st_y(in_cell.position::geometry) as latitude
            from unnest(cells) wide, lateral (
                select *
                from location_history h
                where h.cell >= wide << (2 * level) and h.cell < (wide + 1) << (2 * level)
                  and h.occurred_at >= slice_start and h.occurred_at < window_end
                offset 0
            ) in_cell
            where in_cell.person_id <> person and (in_cell.occurred_at, in_cell.event_id) > (after_time, after_event)
            offset 0
        ) h
        where exists (
            select 1
            from unnest(place_cells, place_longitudes, place_latitudes, place_positions)
                as place (cell, longitude, latitude, position)
            where place.cell = h.wide_cell
              and abs(h.latitude - place.latitude) <= box_latitude
              and (box_longitude >= 180 or abs(abs(h.longitude - place.longitude) - 180) >= 180 - box_longitude)
              and st_dwithin(h.position, place.position, distance_m)
        )
        order by h.occurred_at, h.event_id
        limit page_size;
        return;
    end if;

    loop
        select h.occurred_at into slice_end
        from location_history h
        where h.occurred_at >= slice_start and h.occurred_at < window_end
        order by h.occurred_at, h.event_id
        offset slice limit 1;
        -- More than a slice of rows at one instant: take that instant whole.
        if slice_end <= slice_start then
            slice_end := slice_start + interval '1 microsecond';
        end if;
        return query
        select h.event_id, h.person_id, h.occurred_at, h.position
        from (
            select in_slice.*, in_slice.cell >> (2 * level) as wide_cell,
                   st_x(in_slice.position::geometry) as longitude, st_y(in_slice.position::geometry) as latitude
            from location_history in_slice
            where in_slice.occurred_at >= slice_start and in_slice.occurred_at < coalesce(slice_end, window_end)
              and in_slice.person_id <> person and (in_slice.occurred_at, in_slice.event_id) > (after_time, after_event)
            offset 0
        ) h
        where exists (
            select 1
            from unnest(place_cells, place_longitudes, place_latitudes, place_positions)
                as place (cell, longitude, latitude, position)
            where place.cell = h.wide_cell
              and abs(h.latitude - place.latitude) <= box_latitude
              and (box_longitude >= 180 or abs(abs(h.longitude - place.longitude) - 180) >= 180 - box_longitude)
              and st_dwithin(h.position, place.position, distance_m)
        )
        order by h.occurred_at, h.event_id
        limit page_size - found;
        get diagnostics counted = row_count;
        found := found + counted;
        exit when slice_end is null or found >= page_size;
        slice_start := slice_end;
        slice := least(slice * 2, longest_slice);
    end loop;
end
$$;
