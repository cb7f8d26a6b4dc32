-- What one table has: a gate before every statement, a mark after every row. The owner's rights, a fixed search_path.
CREATE OR REPLACE FUNCTION sf.:gate() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET row_security = off AS $body$
BEGIN
    IF sf.:pass() AND TG_OP = 'TRUNCATE' THEN
        -- TRUNCATE takes rows that a snapshot older than them does not show: those could not be marked.
        IF current_setting('transaction_isolation') <> 'read committed' THEN
            RAISE EXCEPTION USING ERRCODE = 'SF002', MESSAGE = format(
                'TRUNCATE %s: at isolation level %s it cannot be captured; truncate in READ COMMITTED, or DELETE',
                TG_RELID::regclass, current_setting('transaction_isolation'));
        END IF;
        EXECUTE format('INSERT INTO sf.outbox (slice, tbl, pk, deleted, writer)
            SELECT $1, $2, :key_of_row, true, $3 FROM ONLY %s AS each', TG_RELID::regclass)
            USING :slice, :table, :writer;
    END IF;
    RETURN NULL;
END $body$;
REVOKE ALL ON FUNCTION sf.:gate() FROM PUBLIC;

CREATE OR REPLACE FUNCTION sf.:capture() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
    IF NOT sf.:pass() THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'DELETE' OR TG_OP = 'UPDATE' AND (:old_key) IS DISTINCT FROM (:new_key) THEN
        INSERT INTO sf.outbox (slice, tbl, pk, deleted, writer)
            VALUES (:slice, :table, :key_of_old, true, :writer);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO sf.outbox (slice, tbl, pk, deleted, writer)
            VALUES (:slice, :table, :key_of_new, false, :writer);
    END IF;
    RETURN NULL;
END $body$;
REVOKE ALL ON FUNCTION sf.:capture() FROM PUBLIC;
