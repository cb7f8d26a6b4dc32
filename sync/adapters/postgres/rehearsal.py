"""What a flip will ask of this database, done beforehand in transactions that are always rolled back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg

from sync.adapters.postgres import writing
from sync.adapters.postgres.apply import Work
from sync.adapters.postgres.authority import authority
from sync.adapters.postgres.link import BY_KEY, Link
from sync.adapters.postgres.names import ours, quoted
from sync.adapters.postgres.statements import statements
from sync.adapters.postgres.tables import Table, Tables
from sync.core.records import Rehearsed
from sync.core.rounds import Named, by_entity
from sync.core.values import Change, Row
from sync.errors import CannotApply, NotCaptured, Refused

# We wait for nobody who has a row or a table for long, and nobody who waits for us does so for long.
_BEGIN = """BEGIN; SET LOCAL lock_timeout = '50ms'; SET LOCAL statement_timeout = '2s';
SET LOCAL idle_in_transaction_session_timeout = '2s'; """
# Closed and marked for us alone: our triggers meet this transaction as they meet a round on a closed side.
_CLOSED = "UPDATE sf.authority SET phase = 'closed' WHERE slice = %s"
_MARK = "UPDATE sf.round SET mark = pg_current_xact_id()::text WHERE slice = %s"
_SEQUENCES = statements("audit.sql")["generators"]
_BOUNDS = "SELECT seqmin, seqmax FROM pg_sequence WHERE seqrelid = %s::regclass"
_UPDATE = """WITH u ({names}) AS (SELECT {sent} FROM unnest({places}) AS s({names}))
UPDATE {table} AS t SET {sets} FROM u WHERE {same_key} RETURNING true"""
_LEAST, _MOST = -(2**63), 2**63 - 1
_LEASE_PATIENCE = 2000  # milliseconds for the round that is under way: as long as a flip itself would wait


@contextmanager
def _rolled_back(link: Link, settings: str = "") -> Iterator[None]:
    link.run(_BEGIN + settings)
    try:
        yield
    finally:
        link.rollback()


# -- opening ---------------------------------------------------------------------------------------


def try_opening(link: Link, tables: Tables) -> None:
    """Lease, rows, fence and generators, as `swap` and the blocks of integers need them."""
    name = tables.spec.name
    row = authority(link, name)
    if row is None:
        raise NotCaptured(f"{link.where}: capture is not installed; strangler capture install {name}")
    with _rolled_back(link):
        # It compares first and finds another row. Opening takes the writers' lock, so not where they write.
        phase, patience = ("intent", 50) if row.open else ("open", _LEASE_PATIENCE)
        swap = f"SELECT sf.{ours('swap', name)}(-1, 'none', 0, %s, %s, '{{}}')"
        link.run(swap, (phase, patience))
        link.run("UPDATE sf.round SET epoch = epoch WHERE slice = %s", (name,))
        link.run("UPDATE sf.authority SET phase = phase WHERE slice = %s", (name,))
        for table in tables.by_name.values():
            link.run(f"SELECT {', '.join(map(quoted, table.spec.key))} FROM {table.name} LIMIT 0")  # noqa: S608
        link.run('CREATE SEQUENCE sf."rehearsed ids"; GRANT USAGE ON SEQUENCE sf."rehearsed ids" TO PUBLIC')
        _try_sequences(link, tables)


def _try_sequences(link: Link, tables: Tables) -> None:
    found = link.run(_SEQUENCES, {"tables": tables.oids})
    for sequence in (f"sf.{ours('fence', tables.spec.name)}", *(name for _, name, _ in found)):
        lowest, highest = link.run(_BOUNDS, (sequence,))[0]
        beyond = lowest - 1 if lowest > _LEAST else highest + 1
        if beyond <= _MOST:
            _try_setval(link, sequence, beyond)


def _try_setval(link: Link, sequence: str, beyond: int) -> None:
    """No rollback takes a setval back. So: a value out of bounds, which is looked at after the rights."""
    link.run("SAVEPOINT sequence")
    with link.told():
        try:
            link.raw(f"SELECT last_value FROM {sequence}")  # noqa: S608
            link.raw("SELECT setval(%s::regclass, %s)", (sequence, beyond))
        except psycopg.errors.NumericValueOutOfRange:
            pass
        except psycopg.errors.InsufficientPrivilege as error:
            raise Refused(
                f"{link.where}: this side could not be opened, for its sequence {sequence} could not be set "
                f"past the keys that are there; GRANT SELECT, UPDATE ON SEQUENCE {sequence} TO the sync role"
            ) from error
    link.run("ROLLBACK TO SAVEPOINT sequence; RELEASE SAVEPOINT sequence")


# -- rows ------------------------------------------------------------------------------------------


def rehearse(link: Link, tables: Tables, changes: Sequence[Change]) -> Rehearsed:
    """The rows out of the way, then the real work of a round; what it refuses, once more as an update."""
    with _rolled_back(link, BY_KEY):
        for statement in (_CLOSED, _MARK):
            link.run(statement, (tables.spec.name,))
        link.run("SET LOCAL session_replication_role = replica")
        busy = _busy(link, tables, changes)
        free = [each for each in changes if (each.entity, each.key) not in busy]
        as_new = _as_new(link, tables, free)
        refused = {
            (each.entity, each.key): why
            for each in free
            if (each.entity, each.key) in as_new
            and (why := _as_update(link, tables, each, as_new[each.entity, each.key]))
        }
    return Rehearsed(
        len(free), refused, {named: why for named, why in as_new.items() if named not in refused}
    )


def _busy(link: Link, tables: Tables, changes: Sequence[Change]) -> set[Named]:
    """Rows that somebody else has locked: what is left out is not waited for."""
    found: set[Named] = set()
    for entity, keys in by_entity((each.entity, each.key) for each in changes).items():
        for table in tables.of(entity):
            own = ", ".join(f"t.{quoted(name)}" for name in table.spec.key)
            asked = f"SELECT {own} FROM {table.name} AS t WHERE {table.among()}"  # noqa: S608
            ours_now = link.run(f"{asked} FOR UPDATE SKIP LOCKED", table.arrays(keys))
            there = link.run(asked, table.arrays(keys))
            found |= {(entity, table.key_of(row)) for row in there} - {
                (entity, table.key_of(row)) for row in ours_now
            }
    return found


def _as_new(link: Link, tables: Tables, changes: Sequence[Change]) -> dict[Named, str]:
    link.run("SAVEPOINT new")
    try:
        for entity, keys in by_entity((each.entity, each.key) for each in changes).items():
            for table in reversed(tables.of(entity)):
                with link.told():
                    writing.take(link, table, keys)
        Work(link, tables, (0, 0)).do(changes)
    except CannotApply as refusal:
        return {
            (each.entity, each.key): why
            for each in changes
            if (why := refusal.problems.get((each.entity, each.key)))
        }
    finally:
        link.run("ROLLBACK TO SAVEPOINT new; RELEASE SAVEPOINT new")
    return {}


def _as_update(link: Link, tables: Tables, change: Change, as_new: str) -> str:
    """Why even a change of the row that is there would be refused; "" when it would not."""
    link.run("SAVEPOINT one")
    why = ""
    try:
        for table in tables.of(change.entity):
            row = (change.rows or {}).get(table.spec.name)
            if row is not None and not _updated(link, table, row) and table is tables.root(change.entity):
                why = as_new  # it is not there
    except ValueError as error:
        why = str(error)
    except psycopg.Error as error:
        if not (error.sqlstate or "").startswith(("22", "23", "P0", "54")):
            with link.told():
                raise
        why = str(error.diag.message_primary)
    link.run("ROLLBACK TO SAVEPOINT one; RELEASE SAVEPOINT one")
    return why


def _updated(link: Link, table: Table, row: Row) -> bool:
    names = writing.written(table, row)
    columns = [table.columns[name] for name in names]
    statement = _UPDATE.format(
        table=table.name,
        names=", ".join(map(quoted, names)),
        places=", ".join("%s::text[]" for _ in names),
        sent=", ".join(each.sent("s") for each in columns),
        sets=", ".join(f"{quoted(name)} = u.{quoted(name)}" for name in names),
        same_key=" AND ".join(f"t.{quoted(name)} = u.{quoted(name)}" for name in table.spec.key),
    )
    return bool(link.raw(statement, writing.columns_of(table, [row])))
