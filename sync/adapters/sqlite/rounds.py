"""The follower's half of one round. The lease is optimistic: rows are prepared before anything is locked."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence

from sync.adapters.sqlite.apply import Work
from sync.adapters.sqlite.authority import AuthorityPart
from sync.adapters.sqlite.conflicts import claims
from sync.adapters.sqlite.findings import Findings
from sync.adapters.sqlite.log import Log
from sync.adapters.sqlite.snapshot import SqliteSnapshot, read_rows
from sync.core import keys as key_texts
from sync.core.conflicts import Claim
from sync.core.records import Settled
from sync.core.values import Applied, Change, Held, Key, Rows
from sync.errors import CannotApply, Overtaken, SliceStopped

_APPLIED = """INSERT OR REPLACE INTO sf_applied (slice, entity, key, peer_key, epoch, round, deleted)
    VALUES (?, ?, ?, ?, ?, ?, ?)"""
_STORE = """UPDATE sf_round SET epoch = ?, round = ?, holder = ?, mark = 0, acked_seq = ?, acked_nonce = ?,
    identity = ? WHERE slice = ?"""


class Rounds(AuthorityPart, Findings):
    """`begin_round` and `snapshot`."""

    @contextlib.contextmanager
    def begin_round(self, slice_name: str, holder: str, epoch: int) -> Iterator[SqliteRound]:
        """Read the lease, without a lock; SliceStopped when the triggers are not what they were."""
        self.check_file()
        with self.reading():
            transaction = SqliteRound(self, slice_name, holder, epoch)
            stamp = self.stamp(slice_name)
        if not stamp.whole:
            raise SliceStopped(
                f"{self.path}: tables or triggers of slice {slice_name} are not as capture left them (a "
                f"migration ran?); look at them, then: strangler capture install {slice_name}"
            )
        try:
            yield transaction
        finally:
            self.roll_back()

    @contextlib.contextmanager
    def snapshot(self, slice_name: str) -> Iterator[SqliteSnapshot]:
        """A read transaction: in WAL mode it holds up nobody."""
        self.check_file()
        with self.reading():
            yield SqliteSnapshot(self, slice_name)


class SqliteRound:
    """Lease and authority row as they were read; `apply` sees that they still are."""

    def __init__(self, session: Rounds, slice_name: str, holder: str, epoch: int) -> None:
        """Overtaken when a later epoch was here, or when this side is open."""
        self._session = session
        self._slice = slice_name
        self._holder = holder
        self._epoch = epoch
        self._schema = session.schema()
        self.seen, self.authority = session.lease(slice_name)
        if self.authority.open:
            raise Overtaken(f"{session.path}: slice {slice_name} is open here (epoch {self.authority.epoch})")
        if self.seen.epoch > epoch:
            raise Overtaken(
                f"{session.path}: slice {slice_name} saw epoch {self.seen.epoch}, this round is of {epoch}"
            )

    def applied(self, entity: str, peer_keys: Collection[Key]) -> Mapping[Key, Applied]:
        """By the authority's keys."""
        return self._session.applied_of(self._slice, entity, peer_keys)

    def held(self) -> Sequence[Held]:
        """Everything in quarantine."""
        return self._session.held(self._slice)

    def rows(self, entity: str, keys: Collection[Key]) -> Mapping[Key, Rows]:
        """This side's rows."""
        return read_rows(self._session, self._slice, entity, keys)

    def claims(self, changes: Sequence[Change]) -> Sequence[Claim]:
        """Which rows have what these changes need."""
        with self._session.errors:
            return claims(self._session, self._slice, changes)

    def apply(self, changes: Sequence[Change], settled: Settled) -> None:
        """Everything that can be computed, then the lock, then the writes."""
        session = self._session
        work = Work(session, self._slice, changes)
        applied = self._applied_rows(changes, settled.round)
        log = Log(session, self._slice, self._epoch, settled.round)
        lines = log.lines(changes) if settled.log else []
        try:
            with session.errors:
                self._enter()
                if not work.at_once():
                    self._back()
                    self._enter()
                    work.carefully()
        except CannotApply:
            self._back()
            raise
        session.many(_APPLIED, applied)
        log.append(lines)
        self._settle(settled)

    def _enter(self) -> None:
        """Take the lock, if we have it not yet, and open the fence for this transaction."""
        session = self._session
        if not session.raw.in_transaction:
            session.begin()
            self._still_first()
        session.run("SAVEPOINT round")
        session.run("UPDATE sf_round SET mark = 1 WHERE slice = ?", (self._slice,))

    def _back(self) -> None:
        """To where `_enter` began; a trigger's RAISE(ROLLBACK) has done more than that already."""
        if self._session.raw.in_transaction:
            self._session.run("ROLLBACK TO round")
            self._session.run("RELEASE round")

    def _still_first(self) -> None:
        session = self._session
        if session.lease(self._slice) != (self.seen, self.authority) or session.schema() != self._schema:
            session.roll_back()
            raise Overtaken(
                f"{session.path}: slice {self._slice}: a round, a flip or a change of the schema came first"
            )

    def _applied_rows(self, changes: Sequence[Change], number: int) -> list[tuple[object, ...]]:
        """Deleted keys first: a key that takes over a deleted one's counterpart has the last word."""
        name, epoch = self._slice, self._epoch
        keys = key_texts.texts([each.key for each in changes])
        peers = key_texts.texts([each.peer_key for each in changes])
        rows = [
            (name, each.entity, key, peer, epoch, number, int(each.rows is None))
            for each, key, peer in zip(changes, keys, peers, strict=True)
        ]
        return sorted(rows, key=lambda row: not row[6])

    def _settle(self, settled: Settled) -> None:
        session, name = self._session, self._slice
        session.put_held(name, settled.held)
        session.put_released(name, settled.released)
        session.put_progress(name, settled.progress)
        session.put_mismatches(name, settled.mismatches, settled.settled)
        # The mark is cleared here, long before the commit: nobody can find the fence passable for all.
        session.run(
            _STORE,
            (
                self._epoch,
                settled.round,
                self._holder,
                settled.acked_seq,
                settled.acked_nonce,
                settled.identity,
                name,
            ),
        )

    def commit(self) -> None:
        """Make it so."""
        self._session.run("COMMIT")
