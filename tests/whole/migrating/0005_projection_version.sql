-- Versions of a projection: each has tables and positions of its own, in a schema of its own, and is folded beside the
-- others. Readers are shown one of them, the active one. The argument is in src/versions.rs.
-- Never edited once released: a change is a new migration that expands, later one that contracts.
--
-- What belongs to a version: the tables of its read model, and its positions. The tables in `public` are the pattern for
-- all others. A later migration that changes one of them changes it in every schema of projection_version too.
--
-- Dead letters of all versions, and what is parked behind them, lie together in `public`, so that one question finds all
-- of them: those of version 1 under the projection's name, those of another one under `projection/schema`.

create table projection_version (
    projection text not null,
    version int not null check (version > 0),
    -- Version 1 lives in `public`, where the migrations make its tables.
    schema_name text not null,
    -- loading: a rebuild fills it, and no service folds it. folding: the service does. dropping: nobody does any more.
    state text not null check (state in ('loading', 'folding', 'dropping')),
    created_at timestamptz not null default now(),
    primary key (projection, version)
);

-- The version readers are shown. The foreign key keeps it from being dropped.
create table active_version (
    projection text primary key,
    version int not null,
    activated_at timestamptz not null default now(),
    foreign key (projection, version) references projection_version (projection, version)
);

insert into projection_version (projection, version, schema_name, state)
values ('people-projection', 1, 'public', 'folding'), ('locations-projection', 1, 'public', 'folding');
insert into active_version (projection, version) values ('people-projection', 1), ('locations-projection', 1);

-- Where each version stands: a row a partition, or one without a partition where nothing was folded yet.
create function version_positions()
returns table (
    projection text, version int, schema_name text, state text, is_active boolean,
    topic text, partition int, next_offset bigint, appended_at timestamptz
)
language plpgsql stable as $$
#variable_conflict use_column
declare
    each record;
begin
    for each in
        select known.*, active.version is not null as is_active
        from public.projection_version known
        left join public.active_version active
            on active.projection = known.projection and active.version = known.version
        where known.state <> 'dropping'
        order by known.projection, known.version
    loop
        return query execute format(
            'select $1, $2, $3, $4, $5, stands.topic, stands.partition, stands.next_offset, stands.appended_at
             from (select) one
             left join %I.projection_position stands on stands.projection = $1
             order by stands.topic, stands.partition',
            each.schema_name
        ) using each.projection, each.version, each.schema_name, each.state, each.is_active;
    end loop;
end
$$;

-- Under which name a version keeps its dead letters.
create function owner_of_letters(of_projection text, of_schema text) returns text
language sql immutable as $$
    select case when of_schema = 'public' then of_projection else of_projection || '/' || of_schema end
$$;

-- The tables a version has: those of its model, and its positions.
create function tables_of_version(model_tables text[]) returns setof name
language sql stable as $$
    select relation.relname
    from pg_class relation
    where relation.relnamespace = 'public'::regnamespace
      and relation.relkind = 'r'
      and (relation.relname = any(model_tables) or relation.relname = 'projection_position')
    order by relation.relname
$$;

-- Makes a schema with empty tables like those in `public`. Tables that are only appended to get their indexes later.
create function create_version_tables(new_schema text, model_tables text[], appended_tables text[]) returns void
language plpgsql as $$
declare
    table_name name;
    settings text[];
begin
    execute format('create schema %I', new_schema);
    for table_name in select tables_of_version(model_tables) loop
        execute format(
            'create table %I.%I (like public.%I including all%s)', new_schema, table_name, table_name,
            case when table_name = any(appended_tables) then ' excluding indexes' else '' end
        );
        -- LIKE leaves these behind.
        select reloptions into settings from pg_class where oid = format('public.%I', table_name)::regclass;
        if settings is not null then
            execute format('alter table %I.%I set (%s)', new_schema, table_name, array_to_string(settings, ', '));
        end if;
    end loop;
end
$$;

-- Makes one index that a table in `public` has and the one in this schema has not, and names it; null when none is
-- missing: then the table is analysed too. One at a time, so that whoever is killed goes on where it was.
create function create_missing_index(of_schema text, appended_table text) returns text
language plpgsql as $$
declare
    missing record;
begin
    select pattern.indexname, pattern.indexdef into missing
    from pg_indexes pattern
    where pattern.schemaname = 'public' and pattern.tablename = appended_table
      and not exists (
          select from pg_indexes made
          where made.schemaname = of_schema and made.tablename = appended_table and made.indexname = pattern.indexname
      )
    order by pattern.indexname
    limit 1;
    if missing is null then
        execute format('analyze %I.%I', of_schema, appended_table);
        return null;
    end if;
    execute replace(missing.indexdef, format(' ON public.%I ', appended_table), format(' ON %I.%I ', of_schema, appended_table));
    return missing.indexname;
end
$$;

-- Removes what a version holds. The tables in `public` stay, empty: they are the pattern for the others.
create function drop_version_tables(of_projection text, old_schema text, model_tables text[]) returns void
language plpgsql as $$
declare
    table_name name;
begin
    delete from public.dead_letter where projection = public.owner_of_letters(of_projection, old_schema);
    if old_schema <> 'public' then
        execute format('drop schema if exists %I cascade', old_schema);
        return;
    end if;
    for table_name in select tables_of_version(model_tables) loop
        if table_name = any(model_tables) then
            execute format('truncate public.%I', table_name);
        else
            execute format('delete from public.%I where projection = $1', table_name) using of_projection;
        end if;
    end loop;
end
$$;
