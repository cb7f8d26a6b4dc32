-- name: columns
-- Every column of these tables: a type that a cast understands (no length: a cast would cut), and what decides encoding.
-- A domain is what it is made of: a cast to it would cut, too, and its CHECK would refuse what is only looked for.
SELECT a.attrelid, a.attname, format_type(t.oid, -1), t.typname, own.typmod, a.attnotnull OR own.not_null, a.attgenerated <> '',
    format_type(t.oid, own.typmod), pg_get_expr(d.adbin, d.adrelid), a.attidentity <> '',
    t.typtype <> 'e' AND t.typnamespace <> 'pg_catalog'::regnamespace
        OR EXISTS (SELECT FROM pg_collation o WHERE o.oid = a.attcollation AND NOT o.collisdeterministic),
    CASE t.typtype WHEN 'e' THEN t.oid ELSE 0 END
FROM pg_attribute a CROSS JOIN LATERAL (
    WITH RECURSIVE up (oid, typmod, not_null, n) AS (
        SELECT a.atttypid, a.atttypmod, false, 0
        UNION ALL SELECT y.typbasetype, CASE WHEN y.typtypmod >= 0 THEN y.typtypmod ELSE up.typmod END,
            up.not_null OR y.typnotnull, n + 1 FROM up JOIN pg_type y ON y.oid = up.oid WHERE y.typtype = 'd')
    SELECT up.oid, up.typmod, up.not_null FROM up ORDER BY n DESC LIMIT 1) AS own
JOIN pg_type t ON t.oid = own.oid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = ANY(%(tables)s) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum
-- name: uniques
-- Unique indexes without expressions, the primary key first: (table, is key, columns).
SELECT i.indrelid, i.indisprimary, ARRAY(SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY k(num, pos)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num WHERE k.pos <= i.indnkeyatts ORDER BY k.pos)
FROM pg_index i WHERE i.indrelid = ANY(%(tables)s) AND i.indisunique AND i.indexprs IS NULL AND i.indisvalid
ORDER BY i.indrelid, NOT i.indisprimary, i.indexrelid
-- name: foreign_keys
-- Both ways: keys of these tables, and keys of others that point at them.
SELECT c.conrelid, ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY k(num, pos)
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.num ORDER BY k.pos),
    c.confrelid, ARRAY(SELECT a.attname::text FROM unnest(c.confkey) WITH ORDINALITY k(num, pos)
        JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.num ORDER BY k.pos),
    CASE c.confdeltype WHEN 'c' THEN 'cascade' WHEN 'n' THEN 'set null' WHEN 'd' THEN 'set default'
        WHEN 'r' THEN 'restrict' ELSE 'no action' END,
    format('%%I.%%I', fn.nspname, f.relname), format('%%I.%%I', rn.nspname, r.relname), r.relname, f.relname
FROM pg_constraint c JOIN pg_class f ON f.oid = c.conrelid JOIN pg_namespace fn ON fn.oid = f.relnamespace
JOIN pg_class r ON r.oid = c.confrelid JOIN pg_namespace rn ON rn.oid = r.relnamespace
WHERE c.contype = 'f' AND c.conparentid = 0 AND (c.conrelid = ANY(%(tables)s) OR c.confrelid = ANY(%(tables)s))
ORDER BY c.conrelid, c.conname
-- name: deferrable
-- Keys, unique and exclusion constraints that are deferrable: (table, name, expressions, their operators, predicate,
-- whether two NULLs are the same, whether partitions share it, whether it is a parent's).
SELECT c.conrelid, c.conname::text, ARRAY(SELECT pg_get_indexdef(i.indexrelid, n, true)
        FROM generate_series(1, i.indnkeyatts::int) AS n ORDER BY n),
    ARRAY(SELECT format('OPERATOR(%%I.%%s)', s.nspname, o.oprname) FROM generate_series(1, i.indnkeyatts::int) AS n
        JOIN pg_opclass k ON k.oid = i.indclass[n - 1]
        JOIN pg_operator o ON o.oid = coalesce(c.conexclop[n], (SELECT m.amopopr FROM pg_amop m
            WHERE m.amopfamily = k.opcfamily AND m.amopstrategy = 3 AND m.amoplefttype = k.opcintype
                AND m.amoprighttype = k.opcintype))
        JOIN pg_namespace s ON s.oid = o.oprnamespace ORDER BY n),
    coalesce(pg_get_expr(i.indpred, i.indrelid), 'true'),
    coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false), r.relkind = 'p',
    c.conparentid <> 0
FROM pg_constraint c JOIN pg_index i ON i.indexrelid = c.conindid JOIN pg_class r ON r.oid = c.conrelid
WHERE c.conrelid = ANY(%(tables)s) AND c.condeferrable AND c.contype IN ('p', 'u', 'x') ORDER BY 1, 2
-- name: triggers
-- The tables' own triggers, not ours and not those of foreign keys.
SELECT t.tgrelid, t.tgname FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE t.tgrelid = ANY(%(tables)s) AND NOT t.tgisinternal AND n.nspname <> 'sf' ORDER BY t.tgrelid, t.tgname
-- name: tree
-- The tables with every partition and child below them: (root, table, name to write, kind, is a partition, owner).
WITH RECURSIVE tree (root, oid) AS (
    SELECT each, each FROM unnest(%(tables)s::oid[]) AS each
    UNION SELECT tree.root, i.inhrelid FROM pg_inherits i JOIN tree ON i.inhparent = tree.oid)
SELECT tree.root, c.oid, format('%%I.%%I', n.nspname, c.relname), c.relkind::text, c.relispartition,
    pg_get_userbyid(c.relowner)
FROM tree JOIN pg_class c ON c.oid = tree.oid JOIN pg_namespace n ON n.oid = c.relnamespace ORDER BY 1, tree.oid <> tree.root, 2
-- name: stamp
-- One digest of tables, columns, owners, partitions, keys and our triggers with their code; and the one at install.
WITH RECURSIVE tree (oid) AS (
    SELECT each FROM unnest(%(tables)s::oid[]) AS each
    UNION SELECT i.inhrelid FROM pg_inherits i JOIN tree ON i.inhparent = tree.oid),
facts (fact) AS (
    SELECT concat_ws(' ', 'table', c.oid, c.relname, c.relnamespace, c.relowner, c.relkind, c.relpersistence,
        c.relrowsecurity, c.relforcerowsecurity, c.relispartition) FROM tree JOIN pg_class c USING (oid)
    UNION ALL SELECT concat_ws(' ', 'column', a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attnotnull,
        a.attgenerated) FROM tree JOIN pg_attribute a ON a.attrelid = tree.oid WHERE a.attnum > 0 AND NOT a.attisdropped
    UNION ALL SELECT concat_ws(' ', 'key', i.indrelid, i.indkey)
        FROM tree JOIN pg_index i ON i.indrelid = tree.oid WHERE i.indisprimary
    UNION ALL SELECT concat_ws(' ', 'deferrable', c.conrelid, c.conname, c.conkey)
        FROM tree JOIN pg_constraint c ON c.conrelid = tree.oid WHERE c.condeferrable AND c.contype IN ('p', 'u', 'x')
    UNION ALL SELECT concat_ws(' ', 'trigger', t.tgrelid, t.tgname, t.tgenabled, t.tgtype, p.proname, p.proowner,
        p.prosecdef, md5(p.prosrc)) FROM tree JOIN pg_trigger t ON t.tgrelid = tree.oid JOIN pg_proc p ON p.oid = t.tgfoid
        WHERE p.pronamespace = to_regnamespace('sf')
    UNION ALL SELECT concat_ws(' ', 'fence', proname, md5(prosrc)) FROM pg_proc
        WHERE pronamespace = to_regnamespace('sf') AND proname = %(pass)s)
SELECT md5(string_agg(fact, E'\n' ORDER BY fact COLLATE "C")), (SELECT s.stamp FROM sf.stamp s WHERE s.slice = %(slice)s)
FROM facts
