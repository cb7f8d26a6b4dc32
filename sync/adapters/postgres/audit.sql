-- name: tables
-- What each table of the trees is and what guards it.
SELECT c.oid, format('%%I.%%I', n.nspname, c.relname), c.relkind::text, c.relpersistence::text, pg_get_userbyid(c.relowner),
    o.rolcanlogin, pg_has_role(session_user, c.relowner, 'MEMBER'),
    row_security_active(c.oid) OR c.relrowsecurity AND NOT (SELECT r.rolsuper OR r.rolbypassrls FROM pg_roles r
        WHERE r.rolname = session_user) AND (c.relforcerowsecurity OR NOT pg_has_role(session_user, c.relowner, 'USAGE')),
    ARRAY(SELECT p FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p
        WHERE NOT has_table_privilege(session_user, c.oid, p)),
    has_schema_privilege(session_user, n.oid, 'USAGE'),
    ARRAY(SELECT w.rulename::text FROM pg_rewrite w WHERE w.ev_class = c.oid AND w.ev_type <> '1')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles o ON o.oid = c.relowner
WHERE c.oid = ANY(%(tables)s) ORDER BY 2
-- name: generators
-- The sequences behind columns of the tables (identity, serial, a default), and what we lack to set them past keys.
SELECT g.oid, format('%%I.%%I', n.nspname, s.relname), ARRAY(SELECT p FROM unnest(ARRAY['SELECT', 'UPDATE']) AS p
    WHERE NOT has_sequence_privilege(session_user, s.oid, p))
FROM (SELECT d.refobjid AS oid, d.objid AS seq FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
        AND d.refclassid = 'pg_class'::regclass AND d.refobjid = ANY(%(tables)s) AND d.refobjsubid > 0
    UNION SELECT f.adrelid, d.refobjid FROM pg_attrdef f JOIN pg_depend d ON d.objid = f.oid
        AND d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass
        WHERE f.adrelid = ANY(%(tables)s)) AS g
JOIN pg_class s ON s.oid = g.seq AND s.relkind = 'S' JOIN pg_namespace n ON n.oid = s.relnamespace ORDER BY 2
-- name: own_triggers
-- Triggers that are not ours: name, and whether they fire even when a round applies.
SELECT t.tgrelid, t.tgname, t.tgenabled IN ('A', 'R') FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
WHERE t.tgrelid = ANY(%(tables)s) AND NOT t.tgisinternal AND t.tgenabled <> 'D'
    AND p.pronamespace IS DISTINCT FROM to_regnamespace('sf') AND t.tgparentid = 0 ORDER BY 2
-- name: others_triggers
-- Triggers of ours, but of another slice.
SELECT t.tgrelid, t.tgname FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
WHERE t.tgrelid = ANY(%(tables)s) AND p.pronamespace = to_regnamespace('sf') AND t.tgname <> ALL (%(ours)s)
    AND t.tgparentid = 0 ORDER BY 2 LIMIT 1
-- name: subscriptions
-- Logical replication into these tables.
SELECT s.subname, r.srrelid FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = r.srsubid
WHERE r.srrelid = ANY(%(tables)s) ORDER BY 1
-- name: asynchronous
-- Where commits are not waited for: the server's own setting, and those of roles and of this database.
SELECT 'the server', reset_val FROM pg_settings WHERE name = 'synchronous_commit' AND reset_val = 'off'
    AND source NOT IN ('database', 'user', 'database user', 'session', 'client')
UNION ALL SELECT concat_ws(' in ', CASE WHEN setrole <> 0 THEN 'role ' || pg_get_userbyid(setrole) END,
    CASE WHEN setdatabase <> 0 THEN 'this database' END), 'off' FROM pg_db_role_setting, unnest(setconfig) AS setting
WHERE setting = 'synchronous_commit=off' AND setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
-- name: server
-- What the server is, and what our role may do there: exact names matter to the caller.
SELECT pg_is_in_recovery(), current_setting('fsync') = 'off', pg_encoding_to_char(encoding),
    has_database_privilege(session_user, oid, 'CREATE'), to_regnamespace('sf') IS NOT NULL,
    (SELECT rolsuper FROM pg_roles WHERE rolname = session_user), session_user::text
FROM pg_database WHERE datname = current_database()
-- name: writing_roles
-- Roles that were seen writing in the last days: could they take the fence away, or pass as us?
SELECT DISTINCT r.rolname, r.rolsuper, r.rolname = session_user OR pg_has_role(r.oid, session_user::text::regrole, 'MEMBER')
        AND NOT r.rolsuper,
    ARRAY(SELECT DISTINCT c.oid::regclass::text FROM pg_class c WHERE c.oid = ANY(%(tables)s) AND NOT r.rolsuper
        AND pg_has_role(r.oid, c.relowner, 'MEMBER'))
FROM (SELECT split_part(writer, '@', 1) AS name FROM sf.writers WHERE slice = %(slice)s AND last > now() - interval '7 days'
    UNION SELECT split_part(writer, '@', 1) FROM sf.outbox WHERE slice = %(slice)s AND writer LIKE '%%@%%') AS seen
JOIN pg_roles r ON r.rolname = seen.name ORDER BY 1
-- name: spans
-- Pairs of tables of two slices that one transaction wrote, as far as the newest pending marks tell.
WITH sample AS (SELECT xmin, slice, tbl FROM sf.outbox ORDER BY seq DESC LIMIT 5000)
SELECT DISTINCT a.tbl, b.slice, b.tbl FROM sample a JOIN sample b ON a.xmin::text = b.xmin::text AND a.slice <> b.slice
WHERE a.slice = %(slice)s ORDER BY 1, 2, 3
-- name: parameter
-- May we switch the tables' own triggers off for a round? (PostgreSQL 15 can grant it, before only a superuser may.)
SELECT has_parameter_privilege('session_replication_role', 'SET')
-- name: sorting
-- The database's default order of text, in every version's spelling.
SELECT concat_ws(' ', datcollate, to_jsonb(d) ->> 'daticulocale', to_jsonb(d) ->> 'datlocale',
    CASE to_jsonb(d) ->> 'datlocprovider' WHEN 'i' THEN '(ICU)' WHEN 'b' THEN '(builtin)' END)
FROM pg_database d WHERE datname = current_database()
-- name: compared
-- Unique indexes to which values that differ may be one: (table, index, by which types and collations, by expression,
-- columns). CHAR(32) is a UUID's: always full.
SELECT * FROM (SELECT i.indrelid, c.relname::text,
        ARRAY(SELECT 'icu:' || coalesce(to_jsonb(o) ->> 'colllocale', to_jsonb(o) ->> 'colliculocale', o.collcollate)
                FROM unnest(i.indcollation::oid[]) AS used JOIN pg_collation o ON o.oid = used WHERE NOT o.collisdeterministic
            UNION SELECT t.typname::text FROM pg_attribute a JOIN pg_type d ON d.oid = a.atttypid
                JOIN pg_type t ON t.oid = CASE d.typtype WHEN 'd' THEN d.typbasetype ELSE d.oid END
                WHERE a.attrelid = i.indexrelid AND t.typname IN ('citext', 'bpchar') AND a.atttypmod <> 36) AS hows,
        i.indexprs IS NOT NULL AS computed,
        ARRAY(SELECT DISTINCT a.attname::text FROM pg_depend d JOIN pg_attribute a ON a.attrelid = i.indrelid
            AND a.attnum = d.refobjsubid WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
            AND d.refobjid = i.indrelid AND d.refobjsubid > 0
            UNION SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey))
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE i.indrelid = ANY(%(tables)s) AND i.indisunique AND NOT i.indisprimary AND i.indisvalid) AS found
WHERE hows <> '{}' OR computed ORDER BY 2
