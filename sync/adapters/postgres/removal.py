"""What `remove` runs, as text for a DBA who keeps the owner's rights back."""

from __future__ import annotations

from collections.abc import Iterator

from sync.adapters.postgres import script
from sync.adapters.postgres.install import KINDS, OF_A_SLICE, TRIGGERS, is_of
from sync.adapters.postgres.link import Link
from sync.adapters.postgres.names import literal, ours, quoted

_FUNCTIONS = "SELECT oid::regprocedure::text, proname FROM pg_proc WHERE pronamespace = to_regnamespace('sf')"
_ALONE = "SELECT NOT EXISTS (SELECT FROM sf.authority WHERE slice <> %s)"


def removal(link: Link, slice_name: str, *, everything: bool) -> str:
    """The stamp first, so that rounds and flips stop; triggers a table at a time; then the rest."""
    if not link.one("SELECT to_regclass('sf.authority') IS NOT NULL"):
        return "-- nothing of ours is here\n"
    name = literal(slice_name)
    lines = [
        f"-- strangler: takes capture of slice {slice_name} away. Only while legacy is its authority and no",
        "-- flip is half done: see `strangler sync status`. Run it as a superuser, outside a transaction.",
        f"DELETE FROM sf.stamp WHERE slice = {name};",  # noqa: S608 - for a reader
        *_triggers(link, slice_name),
    ]
    if everything and link.one(_ALONE, (slice_name,)):
        lines.append("DROP SCHEMA sf CASCADE;")
    else:
        lines += _rest(link, slice_name, everything)
    return "\n".join(lines) + "\n"


def _triggers(link: Link, slice_name: str) -> Iterator[str]:
    yield "-- A lock that cannot be had at once is given up: run that again."
    for _, trigger, _, table, own in link.run(TRIGGERS, (list(script.trigger_names(slice_name)),)):
        if own:  # a clone goes with the one it was made from
            drop = f"DROP TRIGGER IF EXISTS {quoted(trigger)} ON {table}"
            yield f"BEGIN; SET LOCAL lock_timeout = '100ms'; {drop}; COMMIT;"


def _rest(link: Link, slice_name: str, everything: bool) -> Iterator[str]:
    kinds = KINDS if everything else KINDS[:2]
    for signature, function in link.run(_FUNCTIONS):
        if any(is_of(function, kind, slice_name) for kind in kinds):
            yield f"DROP FUNCTION {signature};"
    if everything:
        for table in OF_A_SLICE:
            yield f"DELETE FROM sf.{table} WHERE slice = {literal(slice_name)};"  # noqa: S608 - for a reader
        for kind in ("fence", "refused"):
            yield f"DROP SEQUENCE IF EXISTS sf.{ours(kind, slice_name)};"
        asked = (
            "SELECT relname FROM pg_class WHERE relnamespace = 'sf'::regnamespace AND relkind = 'S'"
            " AND starts_with(relname, %s)"
        )
        for (sequence,) in link.run(asked, (f"ids_{slice_name}_",)):
            yield f"DROP SEQUENCE sf.{quoted(sequence)};"
