-- $1 tables; answers whether one of them is there already
select exists (select from unnest($1::text[]) as asked (name) where to_regclass('public.' || quote_ident(asked.name)) is not null)
