"""The follower's half of a round: lock the lease, apply with the mark that passes the fence, settle."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

from sync.adapters.postgres import kept, reading
from sync.adapters.postgres.apply import Work
from sync.adapters.postgres.authority import authority
from sync.adapters.postgres.coding import array_of
from sync.adapters.postgres.conflicts import claims
from sync.adapters.postgres.link import BY_KEY, Link
from sync.adapters.postgres.log import entries
from sync.adapters.postgres.names import holder_name, literal
from sync.adapters.postgres.tables import Tables
from sync.core import keys as key_texts
from sync.core.conflicts import Claim
from sync.core.records import Seen, Settled
from sync.core.values import Applied, Change, Held, Key, Rows
from sync.errors import NotCaptured, Overtaken

# A holder that stops (paused, unplugged) must not hold the lease: the server ends its transaction.
_BEGIN = """BEGIN; SET LOCAL idle_in_transaction_session_timeout = '5s'; SET LOCAL lock_timeout = '2s';
SET LOCAL statement_timeout = '30s'; SET LOCAL application_name = """
_LEASE = """SELECT epoch, round, holder, acked_seq, acked_nonce, identity, log_pos FROM sf.round
WHERE slice = %s FOR UPDATE"""
_MARK = """UPDATE sf.round SET epoch = %s, holder = %s, mark = pg_current_xact_id()::text WHERE slice = %s"""
_SETTLE = """UPDATE sf.round SET round = %s, acked_seq = %s, acked_nonce = %s, identity = %s, log_pos = %s,
    mark = '' WHERE slice = %s"""
# One look into the index for each key: a table that grew since it was last analysed gets no other plan.
_APPLIED = """SELECT {what}
FROM unnest(%s::text[]) AS u(wanted), LATERAL (
    SELECT * FROM sf.applied WHERE slice = %s AND entity = %s AND {column} = u.wanted OFFSET 0) AS a"""
_ALL = "a.epoch, a.round, a.deleted"
_BY_PEER = _APPLIED.format(what=f"a.peer_key, a.key, {_ALL}", column="peer_key")
_BY_KEY = _APPLIED.format(what=f"a.key, a.peer_key, {_ALL}", column="key")
_PEERS = _APPLIED.format(what="a.key, a.peer_key", column="key")
_PATIENCE = 35.0  # a little more than the statement_timeout above
LOG_KEEP = 10_000  # positions that stay for a reader who is yet to come, when none has registered
_TRIM_EVERY = 1_000
_TRIM = """DELETE FROM sf.log WHERE slice = %(slice)s AND pos <= coalesce(
    (SELECT min(pos) FROM sf.log_reader WHERE slice = %(slice)s), %(pos)s - %(keep)s)"""


def applied_of(link: Link, tables: Tables, entity: str, peer_keys: Collection[Key]) -> Mapping[Key, Applied]:
    """What was applied here, by the other side's key."""
    found = _found(_BY_PEER, link, tables, entity, peer_keys)
    return {peer: Applied(entity, key, peer, *rest) for peer, key, *rest in found}


def applied_here(link: Link, tables: Tables, entity: str, keys: Collection[Key]) -> Mapping[Key, Applied]:
    """What was applied here, by this side's key."""
    found = _found(_BY_KEY, link, tables, entity, keys)
    return {key: Applied(entity, key, peer, *rest) for key, peer, *rest in found}


def peers(link: Link, tables: Tables, entity: str, keys: Collection[Key]) -> Mapping[Key, Key]:
    """The other side's names of this side's keys."""
    return dict(_found(_PEERS, link, tables, entity, keys))


def _found(
    statement: str, link: Link, tables: Tables, entity: str, wanted: Collection[Key]
) -> Iterator[tuple[Any, ...]]:
    """Rows of the map: the key that was asked for, its peer parsed, and what else was asked."""
    spelled = dict(zip(key_texts.texts(wanted), wanted, strict=True))
    parse = key_texts.parse
    for asked, other, *rest in link.run(statement, (array_of(spelled), tables.spec.name, entity)):
        yield spelled[asked], parse(other), *rest


class PostgresRound:
    """One transaction that has locked the lease row."""

    def __init__(self, link: Link, tables: Tables, holder: str, epoch: int) -> None:
        """Enter: Busy when the lease is taken, Overtaken when it is not ours to take."""
        self._link = link
        self._tables = tables
        self._slice = tables.spec.name
        self._epoch = epoch
        lease = link.run(_LEASE, (self._slice,))
        row = authority(link, self._slice)
        if not lease or row is None:
            raise NotCaptured(
                f"{link.where}: capture of {self._slice} is not installed; "
                f"strangler capture install {self._slice}"
            )
        *seen, self._log_pos = lease[0]
        self.seen = Seen(*seen)
        self.authority = row
        if row.open or self.seen.epoch > epoch:
            raise Overtaken(
                f"{link.where}: {self._slice} is {row.phase} at epoch {row.epoch}, its lease at "
                f"{self.seen.epoch}; a round of epoch {epoch} has nothing to do here"
            )
        link.run(_MARK, (epoch, holder, self._slice))

    def applied(self, entity: str, peer_keys: Collection[Key]) -> Mapping[Key, Applied]:
        """What was applied, by the authority's key."""
        return applied_of(self._link, self._tables, entity, peer_keys)

    def held(self) -> Sequence[Held]:
        """Everything in quarantine."""
        return kept.held(self._link, self._slice)

    def rows(self, entity: str, keys: Collection[Key]) -> Mapping[Key, Rows]:
        """This side's rows, as they are now."""
        return reading.rows_of(self._link, self._tables, entity, keys)

    def claims(self, changes: Sequence[Change]) -> Sequence[Claim]:
        """Which rows have what these changes need."""
        return claims(self._link, self._tables, changes)

    def apply(self, changes: Sequence[Change], settled: Settled) -> None:
        """Write the rows, what we remember of them, and what the round leaves."""
        version = (self._epoch, settled.round)
        lines = cache(partial(entries, self._tables, changes if settled.log else ()))
        if changes:
            self._link.run("SET LOCAL session_replication_role = replica")
            Work(self._link, self._tables, version, meanwhile=lines).do(changes)
            self._link.run("SET LOCAL session_replication_role = origin")
        pos = self._append(*lines(), version)
        self._settle(settled, pos)

    def _append(self, columns: Sequence[str], count: int, version: tuple[int, int]) -> int:
        if count:
            self._link.run(
                "INSERT INTO sf.log (slice, pos, epoch, round, entity, key, before, after)"
                " SELECT %s, %s + n, %s, %s, entity, key, before::json, after::json"
                " FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[])"
                " WITH ORDINALITY AS u(entity, key, before, after, n)",
                (self._slice, self._log_pos, *version, *columns),
            )
        pos: int = self._log_pos + count
        if pos // _TRIM_EVERY != self._log_pos // _TRIM_EVERY:
            self._link.run(_TRIM, {"slice": self._slice, "pos": pos, "keep": LOG_KEEP})
        return pos

    def _settle(self, settled: Settled, pos: int) -> None:
        name = self._slice
        self._link.run(
            _SETTLE, (settled.round, settled.acked_seq, settled.acked_nonce, settled.identity, pos, name)
        )
        kept.hold(self._link, name, settled.held)
        kept.release(self._link, name, settled.released)
        kept.keep_progress(self._link, name, settled.progress)
        kept.keep_mismatches(self._link, name, settled.mismatches, settled.settled)

    def commit(self) -> None:
        """Make it so."""
        self._link.run("COMMIT")


@contextmanager
def begin_round(link: Link, tables: Tables, holder: str, epoch: int) -> Iterator[PostgresRound]:
    """Enter a round; leaving without `commit` rolls it back."""
    with link.patient(_PATIENCE):
        try:
            link.run(f"{_BEGIN}{literal(holder_name(tables.spec.name, holder))}; {BY_KEY}")
            yield PostgresRound(link, tables, holder, epoch)
        finally:
            link.rollback()


def seen(link: Link, slice_name: str) -> Seen:
    """The lease row as committed now."""
    asked = "SELECT epoch, round, holder, acked_seq, acked_nonce, identity FROM sf.round WHERE slice = %s"
    found = link.run(asked, (slice_name,))
    return Seen(*found[0]) if found else Seen()
