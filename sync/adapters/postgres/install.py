"""Create what is missing, triggers last and never in the way; take it away again without leaving anything."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial

from sync.adapters.postgres import probe, script
from sync.adapters.postgres.link import Link
from sync.adapters.postgres.names import ours, quoted, short
from sync.adapters.postgres.script import Member
from sync.adapters.postgres.snapshot import stamp
from sync.adapters.postgres.statements import statements
from sync.adapters.postgres.tables import Table, Tables
from sync.core.values import Authority, Phase
from sync.errors import Busy, Overtaken, Refused, SliceStopped

# Behind a lock that we wait for, the application's statements queue: wait a tenth of a second, let them by.
_BEGIN = "BEGIN; SET LOCAL lock_timeout = '100ms'"
_CLEARING = 900.0  # seconds for deleting what a slice with a million rows remembers
_ATTEMPTS = 60
_PAUSE = 0.25
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended('strangler install', 0))"
_TREE = statements("catalog.sql")["tree"]
TRIGGERS = """
SELECT t.tgrelid, t.tgname, t.tgenabled::text, format('%%I.%%I', n.nspname, c.relname), t.tgparentid = 0
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_proc p ON p.oid = t.tgfoid
WHERE p.pronamespace = to_regnamespace('sf') AND t.tgname = ANY(%s) ORDER BY 4, 2"""
KINDS = ("gate", "capture", "pass", "swap", "mend")  # of functions; the first two are the triggers'
OF_A_SLICE = (
    *("outbox", "applied", "round", "log", "log_reader", "authority", "quarantine", "progress"),
    *("mismatch", "writers", "stamp", "side"),
)


def tree_of(link: Link, oids: Sequence[int]) -> list[Member]:
    """The tables with all their partitions and children."""
    return [Member(*row) for row in link.run(_TREE, {"tables": list(oids)})]


def owner_of(link: Link) -> str:
    """The sync role: who owns our schema, or will."""
    asked = """SELECT coalesce(
        (SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'sf'), session_user)"""
    return str(link.one(asked))


def install(link: Link, tables: Tables, authority: Authority) -> None:
    """Objects, rows, then the triggers of one table after the other, each tried by those who write there."""
    name = tables.spec.name
    owner = owner_of(link)
    if owner != link.one("SELECT session_user"):
        raise Refused(f"{link.where}: schema sf belongs to {owner}: log in as {owner}, it is the sync role")
    try:
        with link.transaction():
            link.run(_ONE_AT_A_TIME)
            if not link.one("SELECT to_regnamespace('sf') IS NOT NULL"):
                link.run("CREATE SCHEMA sf")
            link.run(script.slice_sql(tables, owner))
            link.run(script.first_rows(name, authority))
        for table in tables.by_name.values():
            _install_triggers(link, tables, table)
    except SliceStopped as error:
        raise Refused(f"{error}; or let a DBA run what `strangler capture plan {name}` prints") from error
    if not link.one("SELECT EXISTS (SELECT FROM sf.stamp WHERE slice = %s)", (name,)):
        restamp(link, tables)


def _install_triggers(link: Link, tables: Tables, table: Table) -> None:
    name = tables.spec.name
    members = tree_of(link, [table.oid])
    if not missing_triggers(link, name, members):
        return

    def attempt() -> None:
        with link.transaction(_BEGIN):
            for statement in script.triggers(name, table, members):
                link.run(statement)
            probe.as_each_writer(link, name, table)

    _patiently(attempt)


def missing_triggers(link: Link, slice_name: str, members: Iterable[Member]) -> dict[str, str]:
    """Tables that lack one of our triggers, or where it does not fire always, and which."""
    names = script.trigger_names(slice_name)
    found = {(row[0], row[1]): row[2] for row in link.run(TRIGGERS, (list(names),))}
    return {each.name: name for each in members for name in names if found.get((each.oid, name)) != "A"}


def _patiently(attempt: Callable[[], None]) -> None:
    for left in reversed(range(_ATTEMPTS)):
        try:
            attempt()
            break
        except Busy:
            if not left:
                raise
            time.sleep(_PAUSE)


def restamp(link: Link, tables: Tables) -> None:
    """Accept tables and triggers as they are."""
    now = stamp(link, tables).now
    link.run(
        "INSERT INTO sf.stamp (slice, stamp) VALUES (%s, %s)"
        " ON CONFLICT (slice) DO UPDATE SET stamp = excluded.stamp",
        (tables.spec.name, now),
    )


def written_script(link: Link, tables: Tables, authority: Authority) -> str:
    """What a DBA reads."""
    database = str(link.one("SELECT current_database()"))
    generators = statements("audit.sql")["generators"]
    sequences = [name for _, name, _ in link.run(generators, {"tables": tables.oids})]
    tree = tree_of(link, tables.oids)
    return script.whole(tables, tree, sequences, owner_of(link), database, authority)


# -- and away --------------------------------------------------------------------------------------


def remove(
    link: Link, slice_name: str, *, everything: bool, only_while: Collection[Phase] | None = None
) -> list[str]:
    """Drop triggers and functions; `everything`: all of the slice, and with the last one the schema."""
    if not link.one("SELECT to_regnamespace('sf') IS NOT NULL"):
        return []
    before = objects(link)
    _patiently(partial(_unstamp, link, slice_name, only_while))
    _drop_triggers(link, slice_name)
    slowly = f"BEGIN; SET LOCAL statement_timeout = {int(_CLEARING * 1000)}"
    with link.patient(_CLEARING + 5), link.transaction(slowly):
        link.run(_ONE_AT_A_TIME)
        _drop_functions(link, slice_name, KINDS[:2])
        link.run("DELETE FROM sf.stamp WHERE slice = %s", (slice_name,))
        if everything:
            _drop_rest(link, slice_name)
    after = set(objects(link))
    return [each for each in before if each not in after]


def _unstamp(link: Link, slice_name: str, only_while: Collection[Phase] | None) -> None:
    """In one transaction with a look at the row: a flip that closes this side from now on finds no stamp."""
    with link.transaction(_BEGIN):
        asked = "SELECT phase FROM sf.authority WHERE slice = %s AND partition = '' FOR UPDATE"
        phase = link.one(asked, (slice_name,))
        if only_while is not None and phase is not None and phase not in only_while:
            raise Overtaken(f"{link.where}: {slice_name} is {phase} here by now")
        link.run("DELETE FROM sf.stamp WHERE slice = %s", (slice_name,))


def _drop_triggers(link: Link, slice_name: str) -> None:
    names = list(script.trigger_names(slice_name))
    by_table: dict[str, list[str]] = {}
    for _, trigger, _, table, own in link.run(TRIGGERS, (names,)):
        if own:  # a clone goes with the one it was made from
            by_table.setdefault(table, []).append(trigger)
    for table, found in by_table.items():
        _patiently(partial(_drop_those, link, table, found))


def _drop_those(link: Link, table: str, triggers: Iterable[str]) -> None:
    with link.transaction(_BEGIN):
        for each in triggers:
            link.run(f"DROP TRIGGER IF EXISTS {quoted(each)} ON {table}")


def _drop_functions(link: Link, slice_name: str, kinds: Iterable[str]) -> None:
    asked = "SELECT oid::regprocedure::text, proname FROM pg_proc WHERE pronamespace = 'sf'::regnamespace"
    for signature, name in link.run(asked):
        if any(is_of(name, kind, slice_name) for kind in kinds):
            link.run(f"DROP FUNCTION {signature}")


def is_of(name: str, kind: str, slice_name: str) -> bool:
    """Whether a function of ours is this slice's, or one of its tables'."""
    return name == short(f"{kind}:{slice_name}") or name.startswith(f"{kind}:{slice_name}:")


def _drop_rest(link: Link, slice_name: str) -> None:
    for table in OF_A_SLICE:
        link.run(f"DELETE FROM sf.{table} WHERE slice = %s", (slice_name,))  # noqa: S608
    if not link.one("SELECT EXISTS (SELECT FROM sf.authority)"):
        link.run("DROP SCHEMA sf CASCADE")
        return
    _drop_functions(link, slice_name, KINDS[2:])
    names = [f"sf.{ours(kind, slice_name)}" for kind in ("fence", "refused")]
    found = link.run(
        "SELECT relname FROM pg_class WHERE relnamespace = 'sf'::regnamespace AND relkind = 'S'"
        " AND starts_with(relname, %s)",
        (f"ids_{slice_name}_",),
    )
    names += [f"sf.{quoted(row[0])}" for row in found]
    link.run(f"DROP SEQUENCE IF EXISTS {', '.join(names)}")


def objects(link: Link) -> list[str]:
    """Every object of ours in this database."""
    found = link.run("""
        SELECT 'schema sf' FROM pg_namespace WHERE nspname = 'sf' UNION ALL
        SELECT CASE relkind WHEN 'S' THEN 'sequence' ELSE 'table' END || ' sf.' || relname FROM pg_class
            WHERE relnamespace = to_regnamespace('sf') AND relkind IN ('r', 'S') UNION ALL
        SELECT 'function ' || oid::regprocedure::text FROM pg_proc
            WHERE pronamespace = to_regnamespace('sf') UNION ALL
        SELECT 'trigger ' || t.tgname || ' on ' || t.tgrelid::regclass FROM pg_trigger t
            JOIN pg_proc p ON p.oid = t.tgfoid WHERE p.pronamespace = to_regnamespace('sf') ORDER BY 1""")
    return [row[0] for row in found]
