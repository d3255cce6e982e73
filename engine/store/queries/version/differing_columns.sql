-- $1 and $2 schemas, $3 tables; answers how many columns one has and the other has not
with columns as (
    select relation.relnamespace, relation.relname, attribute.attname,
           format_type(attribute.atttypid, attribute.atttypmod), attribute.attnotnull, attribute.attgenerated
    from pg_class as relation
    join pg_attribute as attribute on attribute.attrelid = relation.oid
    where relation.relkind = 'r' and relation.relname = any($3) and attribute.attnum > 0 and not attribute.attisdropped
), one as (
    select relname, attname, format_type, attnotnull, attgenerated
    from columns where relnamespace = to_regnamespace(quote_ident($1))
), other as (
    select relname, attname, format_type, attnotnull, attgenerated
    from columns where relnamespace = to_regnamespace(quote_ident($2))
)
select count(*) from ((table one except table other) union all (table other except table one)) as differing
