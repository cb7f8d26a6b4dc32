-- What one slice has of its own: the fence, its count of refusals, and the calls that move it.
-- :lock is the slice's advisory lock; open means fence = 2 * epoch + 1 in the row as this transaction sees it.
CREATE SEQUENCE IF NOT EXISTS sf.:fence MINVALUE 0 START 0;
CREATE SEQUENCE IF NOT EXISTS sf.:refused MINVALUE 0 START 0;

-- True: an open side, capture it. False: a round's own write to a closed side, let it pass unseen. Else an error.
-- The advisory lock comes first: who closes waits for it. last_value ignores snapshots: an old one cannot leak.
-- It runs once a row: an assignment and an IF without a subquery cost nothing, what PERFORM and EXISTS cost is a query.
CREATE OR REPLACE FUNCTION sf.:pass() RETURNS boolean LANGUAGE plpgsql AS $body$
DECLARE
    passes boolean;
    epoch_now bigint;
BEGIN
    passes := pg_catalog.pg_advisory_xact_lock_shared(:lock) IS NOT NULL;
    IF session_user = :owner THEN
        SELECT r.mark = pg_catalog.pg_current_xact_id()::text AND a.phase <> 'open' INTO passes
            FROM sf.round r, sf.authority a WHERE r.slice = :slice AND a.slice = :slice AND a.partition = '';
        IF passes THEN
            RETURN false;
        END IF;
    END IF;
    SELECT a.phase = 'open' AND f.last_value = 2 * a.epoch + 1, a.epoch INTO passes, epoch_now
        FROM sf.authority a, sf.:fence f WHERE a.slice = :slice AND a.partition = '';
    IF passes THEN
        RETURN true;
    END IF;
    PERFORM pg_catalog.nextval(:refused_name);
    RAISE EXCEPTION USING ERRCODE = 'SF001', MESSAGE = pg_catalog.format(:refusal, epoch_now);
END $body$;
REVOKE ALL ON FUNCTION sf.:pass() FROM PUBLIC;

-- Compare-and-set of the authority row, with the fence. One call: a client that stops cannot hold up the writers.
CREATE OR REPLACE FUNCTION sf.:swap(
    was_epoch bigint, was_phase text, new_epoch bigint, new_phase text, deadline integer, tables regclass[]
) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    moves boolean := 'open' IN (was_phase, new_phase);
    found_row sf.authority;
BEGIN
    PERFORM set_config('lock_timeout', deadline::text, true);
    IF new_phase = 'open' THEN -- the lease first: a round that is still under way must end before
        PERFORM FROM sf.round WHERE slice = :slice FOR UPDATE;
        PERFORM sf.past_keys(each) FROM unnest(tables) AS each;
    END IF;
    IF moves THEN
        PERFORM pg_advisory_xact_lock(:lock);
    END IF;
    SELECT * INTO found_row FROM sf.authority WHERE slice = :slice AND partition = '' FOR UPDATE;
    IF found_row.epoch IS DISTINCT FROM was_epoch OR found_row.phase IS DISTINCT FROM was_phase THEN
        RETURN false;
    END IF;
    IF new_phase = 'open' THEN
        UPDATE sf.round SET epoch = new_epoch, mark = '' WHERE slice = :slice;
    END IF;
    UPDATE sf.authority SET epoch = new_epoch, phase = new_phase WHERE slice = :slice AND partition = '';
    IF moves THEN
        PERFORM setval(:fence_name, 2 * new_epoch + (new_phase = 'open')::integer);
    END IF;
    RETURN true;
END $body$;
REVOKE ALL ON FUNCTION sf.:swap(bigint, text, bigint, text, integer, regclass[]) FROM PUBLIC;

-- The fence from the row, under the lock of who closes: a rollback or a crash after setval leaves them apart.
CREATE OR REPLACE FUNCTION sf.:mend(deadline integer) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    apart boolean;
    wanted bigint;
BEGIN
    PERFORM set_config('lock_timeout', deadline::text, true);
    PERFORM pg_advisory_xact_lock(:lock);
    PERFORM FROM sf.authority WHERE slice = :slice AND partition = '' FOR UPDATE;
    SELECT (a.phase = 'open') <> (f.last_value = 2 * a.epoch + 1), 2 * a.epoch + (a.phase = 'open')::integer
        INTO apart, wanted FROM sf.authority a, sf.:fence f WHERE a.slice = :slice AND a.partition = '';
    IF apart THEN
        PERFORM setval(:fence_name, wanted);
    END IF;
    RETURN coalesce(apart, false);
END $body$;
REVOKE ALL ON FUNCTION sf.:mend(integer) FROM PUBLIC;
