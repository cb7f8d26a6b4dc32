"""The authority row with its fence: one server-side call, so that a client that stops holds nobody up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sync.adapters.postgres.link import Link
from sync.adapters.postgres.names import ours
from sync.adapters.postgres.tables import Tables
from sync.core.values import Authority, Phase

_MEND_DEADLINE = 2000  # milliseconds for writers under way


def installed(link: Link) -> bool:
    """Whether our schema is there."""
    return bool(link.one("SELECT to_regclass('sf.authority') IS NOT NULL"))


def authority(link: Link, slice_name: str) -> Authority | None:
    """The row as committed now."""
    asked = "SELECT epoch, phase FROM sf.authority WHERE slice = %s AND partition = ''"
    found = link.run(asked, (slice_name,))
    return Authority(found[0][0], Phase(found[0][1])) if found else None


def fence_open(link: Link, slice_name: str) -> bool:
    """Whether row and sequence agree that this side is open."""
    found = link.run(
        "SELECT a.phase = 'open' AND f.last_value = 2 * a.epoch + 1 FROM sf.authority a,"  # noqa: S608
        f" sf.{ours('fence', slice_name)} f WHERE a.slice = %s AND a.partition = ''",
        (slice_name,),
    )
    return bool(found and found[0][0])


def swap(link: Link, tables: Tables, expected: Authority, new: Authority, deadline: float) -> bool:
    """Compare-and-set of row and fence; Busy after `deadline`, and then nothing has changed."""
    milliseconds = max(1, int(deadline * 1000))
    with _patient(link, deadline):
        return bool(
            link.one(
                f"SELECT sf.{ours('swap', tables.spec.name)}(%s, %s, %s, %s, %s, %s::oid[]::regclass[])",
                (expected.epoch, expected.phase, new.epoch, new.phase, milliseconds, tables.oids),
            )
        )


def mend(link: Link, slice_name: str) -> bool:
    """Set the fence from the row."""
    return bool(link.one(f"SELECT sf.{ours('mend', slice_name)}(%s)", (_MEND_DEADLINE,)))


@contextmanager
def _patient(link: Link, deadline: float) -> Iterator[None]:
    """The statement's own timeout must not end a wait that was asked for; it is armed before the call."""
    seconds = link.patience + deadline
    with link.patient(seconds + 1):
        link.run(f"SET statement_timeout = {int(seconds * 1000)}")
        try:
            yield
        finally:
            if not link.connection.closed:
                link.run("SET statement_timeout = '15s'")
