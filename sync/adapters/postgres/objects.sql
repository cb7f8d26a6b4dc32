-- What every slice of this database shares. Run as the sync role: it owns all of it, and nobody else has a right on it.
CREATE SEQUENCE IF NOT EXISTS sf.outbox_seq MINVALUE 0 START 1;
-- The dirty set. Small and churning: vacuum it by count, not by share.
CREATE TABLE IF NOT EXISTS sf.outbox (
    seq bigint NOT NULL DEFAULT nextval('sf.outbox_seq'), slice text NOT NULL, tbl text NOT NULL, pk text NOT NULL,
    deleted boolean NOT NULL, writer text NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (slice, seq)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000);
-- The keys lead: whoever looks one up must not be planned through all of a slice while statistics are young.
CREATE TABLE IF NOT EXISTS sf.applied (
    slice text NOT NULL, entity text NOT NULL, key text NOT NULL, peer_key text NOT NULL, epoch bigint NOT NULL,
    round bigint NOT NULL, deleted boolean NOT NULL,
    PRIMARY KEY (key, entity, slice), UNIQUE (peer_key, entity, slice)
) WITH (fillfactor = 80);
CREATE TABLE IF NOT EXISTS sf.round (
    slice text PRIMARY KEY, epoch bigint NOT NULL DEFAULT 0, round bigint NOT NULL DEFAULT 0,
    holder text NOT NULL DEFAULT '', mark text NOT NULL DEFAULT '', acked_seq bigint NOT NULL DEFAULT 0,
    acked_nonce text NOT NULL DEFAULT '', identity text NOT NULL DEFAULT '',
    log_pos bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
CREATE TABLE IF NOT EXISTS sf.log (
    slice text NOT NULL, pos bigint NOT NULL, epoch bigint NOT NULL, round bigint NOT NULL, entity text NOT NULL,
    key text NOT NULL, before json, after json, context json,
    PRIMARY KEY (slice, pos)
);
CREATE TABLE IF NOT EXISTS sf.log_reader (
    name text NOT NULL, slice text NOT NULL, pos bigint NOT NULL, PRIMARY KEY (slice, name)
);
CREATE TABLE IF NOT EXISTS sf.authority (
    slice text NOT NULL, partition text NOT NULL DEFAULT '', epoch bigint NOT NULL,
    phase text NOT NULL CHECK (phase IN ('open', 'closed', 'intent', 'aborted')),
    PRIMARY KEY (slice, partition)
);
CREATE TABLE IF NOT EXISTS sf.quarantine (
    slice text NOT NULL, entity text NOT NULL, key text NOT NULL, root_entity text NOT NULL, root_key text NOT NULL,
    error text NOT NULL, deleted boolean NOT NULL, waits_for text NOT NULL, since double precision NOT NULL,
    tries integer NOT NULL,
    PRIMARY KEY (slice, entity, key)
);
CREATE TABLE IF NOT EXISTS sf.progress (
    slice text NOT NULL, walk text NOT NULL, entity text NOT NULL, epoch bigint NOT NULL, after text NOT NULL,
    done bigint NOT NULL, finished boolean NOT NULL, at double precision NOT NULL, passes bigint NOT NULL,
    PRIMARY KEY (slice, walk, entity)
);
CREATE TABLE IF NOT EXISTS sf.mismatch (
    slice text NOT NULL, entity text NOT NULL, key text NOT NULL, kind text NOT NULL, detail text NOT NULL,
    at double precision NOT NULL,
    PRIMARY KEY (slice, entity, key)
);
CREATE TABLE IF NOT EXISTS sf.writers (
    slice text NOT NULL, writer text NOT NULL, tbl text NOT NULL, rows bigint NOT NULL,
    first timestamptz NOT NULL, last timestamptz NOT NULL,
    PRIMARY KEY (slice, writer, tbl)
);
CREATE TABLE IF NOT EXISTS sf.stamp (slice text PRIMARY KEY, stamp text NOT NULL);
CREATE TABLE IF NOT EXISTS sf.side (slice text PRIMARY KEY, round bigint NOT NULL, acked_seq bigint NOT NULL);

-- Set a table's own generators past the keys that are there: applying a key moves no sequence.
CREATE OR REPLACE FUNCTION sf.past_keys(tab regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    col name;
    seq regclass;
    highest bigint;
    given bigint;
BEGIN
    FOR col, seq IN
        SELECT a.attname, d.objid FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
            JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
            WHERE d.classid = 'pg_class'::regclass AND d.refobjid = tab AND d.refobjsubid > 0
        UNION
        SELECT a.attname, d.refobjid FROM pg_attrdef f JOIN pg_depend d ON d.objid = f.oid
            AND d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass
            JOIN pg_class s ON s.oid = d.refobjid AND s.relkind = 'S'
            JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
            WHERE f.adrelid = tab
    LOOP
        CONTINUE WHEN NOT EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid
            AND a.attnum = i.indkey[0] AND a.attname = col WHERE i.indrelid = tab); -- max() must not read the table
        EXECUTE format('SELECT max(%I) FROM %s', col, tab) INTO highest;
        EXECUTE format('SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM %s', seq) INTO given;
        IF highest > given THEN
            PERFORM setval(seq, highest);
        END IF;
    END LOOP;
END $body$;
REVOKE ALL ON FUNCTION sf.past_keys(regclass) FROM PUBLIC;
